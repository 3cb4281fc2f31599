"""Write the sections of docs/RESULTS.md that are of no grid: the CLIP filter against the truth, and the mapper."""

from collections.abc import Iterator, Sequence

import numpy as np

from experiments.cell import read_result
from experiments.document import in_table
from experiments.filter_roc import DROPPED
from experiments.results_figure import curves

FILTER, ALIKE = "filter_roc", "mapper_alike"  # modules of experiments/ with results of their own
LATER = "coemogen_mapper"  # the grid that was made because of what the others showed


def filter_section() -> Iterator[str]:
    """Yield the lines on how well the CLIP filter tells wrong captions from right ones."""
    yield f"## {FILTER}"
    yield "How well CLIP similarity tells wrong captions from right ones, by the truth of the drawn world. A wrong one"
    yield "names another scene, or an object that is not there. A dose is the share of captions of other images.\n"
    yield f"`evoke repro caption_filter@emoset && python -m experiments.{FILTER}`\n"
    yield f"![{FILTER}: share of wrong captions dropped by share of right ones](results/{FILTER}.svg)\n"
    yield "| dose | captions | wrong | area under the curve | wrong dropped at 20 % | right dropped at 20 % |"
    yield "|---|---|---|---|---|---|"
    for dose, each in read_result(FILTER).items():
        shares = " | ".join(f"{each[key]:.3f}" for key in ("wrong", "area", "wrong_dropped_0.2", "right_dropped_0.2"))
        yield f"| {dose} % | {each['n']:,} | {shares} |"
    yield ""


def filter_figure() -> str:
    """Return the SVG of the filter's curves, from nothing dropped to all."""
    lines = {}
    for dose, each in read_result(FILTER).items():
        inner = [(each[f"right_dropped_{fraction}"], [each[f"wrong_dropped_{fraction}"]]) for fraction in DROPPED]
        lines[f"{dose} % of other images"] = [(0.0, [0.0]), *inner, (1.0, [1.0])]
    return curves("Share of wrong captions that the filter drops", "share of right captions that it drops", lines)


def alike_section() -> Iterator[str]:
    """Yield the lines on how alike the emotions are to the mapper, beside the Emo-A of the same trainings."""
    yield f"## {ALIKE}"
    yield "How alike the vectors e are that CoEmoGen's mapper gives for the eight emotions, what share of the variance"
    yield "of the word e^v lies between emotions (the rest is v's), and the Emo-A by the judge of the same trainings.\n"
    rows = list(alike_rows())
    yield f"`python -m experiments.{ALIKE} {' '.join(dict.fromkeys(grid for grid, *_ in rows))}`\n"
    yield "| grid | row | cosine of e between emotions | variance of e^v between emotions | Emo-A by the judge |"
    yield "|---|---|---|---|---|"
    for grid, row, each in rows:
        yield f"| {grid} | {in_table(row)} | {' | '.join(f'{np.mean(values):.3f}' for values in each)} |"
    yield ""
    for title, chosen in ((f"before {LATER}", [each for grid, _, each in rows if grid != LATER]),
                          ("with it", [each for _, _, each in rows])):  # fmt: skip
        points = [point for each in chosen for point in zip(*each, strict=True)]
        cosine, share = (_rank_correlation(points, at) for at in (0, 1))
        yield f"- Rank correlation of Emo-A, {len(points)} trainings {title}: {cosine:+.2f} with the cosine,"
        yield f"  {share:+.2f} with the share between emotions."
    yield ""


def alike_rows() -> Iterator[tuple[str, str, tuple[list[float], list[float], list[float]]]]:
    """Yield grid, row, and of its trainings cosine, share between emotions and Emo-A, each row of trainings once.

    The ablations of LoRAs are left out: the mapper does not see them, so that they repeat the whole model.
    """
    seen = set()
    for grid, rows in read_result(ALIKE).items():
        for row, each in rows.items():
            if "LoRAs" not in row and (same := (*each["cosine"], *each["emo_a"])) not in seen:
                seen.add(same)
                yield grid, row, (each["cosine"], each["between"], each["emo_a"])


def _rank_correlation(points: Sequence[tuple[float, ...]], at: int) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr([point[at] for point in points], [point[-1] for point in points]).statistic)
