"""Write docs/RESULTS.md: what every grid asked, the direction stated before, the verdict, and how to run it again.

    .venv/bin/python -m experiments.results_page

It follows from experiments/queue.yaml, the grids and experiments/results/; a test holds the document to it.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any

import click

from experiments.cell import ROOT, grid_names, read_grid, read_result
from experiments.document import in_table, write_document
from experiments.queue import Entry, read_queue
from experiments.results_figure import curves, forest
from experiments.results_others import FILTER, alike_section, filter_figure, filter_section
from experiments.verdicts import direction, rows_and_pairs
from pipeline.report.measured import age_of
from pipeline.report.verdicts import PAIR

DOCUMENT = ROOT / "docs" / "RESULTS.md"
FIGURES = ROOT / "docs" / "results"
HEAD = """# Results: what was asked, and what came out
Written by `python -m experiments.results_page` and held by tests/experiments/test_results_page.py. Every grid is a
file in experiments/ that was committed, with the directions of the papers, before it ran. Named later were the pairs
of UniEmo's Table IV (with the directions of its numbers), and of coemogen_limits and dose_sem what repeats the row
without L_SEM, which coemogen_table1 had shown by then, and of coemogen_mapper what repeats coemogen_table2b. All
numbers are of the drawn world and its small models: they say how the methods work, not how well they do on
photographs. A verdict holds for the images and the trainings (three seeds; the hull of a bootstrap over images and
Student's t over seeds): a row `agrees` if the whole interval and every seed have the paper's direction, `disagrees` if
they have the opposite one, and is `unresolved` otherwise. Where the paper has no direction the verdict is `higher` or
`lower`. "Resolves" is the difference that four of five such experiments would find.

Three seeds of one comparison say little of how much its trainings differ, so the variance of Emo-A and Sem-C is
moderated by that of forty comparisons (Smyth 2004; evoke/spread.py, experiments/spread.json). This was declared before
the grids that spread.json calls unseen had a result on the present weights; for those it calls seen it came afterwards,
and what was preregistered for them is the verdict by each comparison's own seeds, which stands beside it ("alone").
How alike the comparisons are is itself uncertain, most of all for Sem-C (docs/LOG.md).

docs/LOG.md has what was tried and failed, [REFEREE.md](REFEREE.md) what the papers' own numbers carry.
In the figures green agrees with the paper, red disagrees, blue is resolved where the paper has no direction, and gray
is unresolved.
"""
HEADLINES = {  # the figure of a grid shows the first that it has
    "ec_a/clip": "EC-A by CLIP and the classifier", "content/clip": "content by CLIP",
    "emo_a/judge": "Emo-A by the judge", "emo_a/classifier": "Emo-A by the classifier", "sem_c": "Sem-C",
    "accuracy": "accuracy",
}  # fmt: skip
SIGNS = {1: "better", -1: "worse", None: ""}
FINE = 0.01  # differences that four digits show
OPEN = "unresolved"
AS_WELL = "Resolved by their own seeds as well"
MODERATED, OWN = "Resolved by the moderated interval alone", "Resolved by their own seeds alone"
COLUMNS = (
    "| row | metric | mean | difference | against | the paper | verdict | resolves | alone |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def document() -> str:
    """Return the whole document."""
    entries = read_queue()
    sections = (line for entry in entries for line in section(entry))
    lines = [HEAD, *summary(entries), *sections, *filter_section(), *alike_section()]
    return "\n".join(lines)


def state_of(result: Mapping[str, Any]) -> str:
    """Return "run", "stale" or "not run"."""
    return "not run" if not result else "stale" if age_of(result, {}) else "run"


def comparisons(grid: Mapping[str, Any], result: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield row, metric and comparison of every headline number of a result that is compared with another row."""
    for claim, values in result.get("claims", {}).items():
        yield claim, "accuracy", values
    for row, metrics in rows_and_pairs(result).items():
        for metric in HEADLINES:
            if "difference" in metrics.get(metric, {}):
                yield row, metric, metrics[metric]


def figure(name: str) -> str | None:
    """Return the SVG of a grid's comparisons by its first headline metric, or None for a grid without a result."""
    result = read_result(name)
    if state_of(result) != "run":
        return None
    rows = list(comparisons(read_grid(name), result))
    metric = next(metric for metric in HEADLINES if metric in {each for _, each, _ in rows})
    chosen = [(row, values) for row, each, values in rows if each == metric]
    others = {values.get("against") for _, values in chosen}
    if len(others) == 1 and (other := others.pop()):
        return forest(f"{name}: {HEADLINES[metric]}, difference to {other}", chosen)
    named = [(row if PAIR in row else f"{row}{PAIR}{values['against']}", values) for row, values in chosen]
    return forest(f"{name}: differences in {HEADLINES[metric]}", named)


def dose_curve(name: str) -> str | None:
    """Return the SVG of the first headline metric of a grid by dose, or None without doses or a result."""
    grid, result = read_grid(name), read_result(name)
    if "curve" not in grid or state_of(result) != "run":
        return None
    metric = next(each for each in HEADLINES if each in next(iter(result["rows"].values())))
    lines = {
        line: [(dose, result["rows"][row][metric]["trainings"]) for dose, row in rows.items()]
        for line, rows in grid["curve"]["lines"].items()
    }
    return curves(f"{name}: {HEADLINES[metric]} by dose", grid["curve"]["dose"], lines)


def summary(entries: list[Entry]) -> Iterator[str]:
    """Yield the lines of the table of all grids, and the count of resolved comparisons, what grids repeat once."""
    yield "| grid | what it decides | state | rows compared | resolved | alone |"
    yield "|---|---|---|---|---|---|"
    every: dict[Any, Mapping[str, Any]] = {}
    null = []
    for entry in entries:
        grid, result = read_grid(entry.grid), read_result(entry.grid)
        state = state_of(result)
        found = {_same(metric, each): each for _, metric, each in comparisons(grid, result)} if state == "run" else {}
        resolved, alone = _resolved(found.values()), _resolved(map(alone_of, found.values()))
        numbers = f"{len(found)} | {resolved} | {alone}" if found else " |  | "
        yield f"| [{entry.grid}](#{entry.grid}) | {in_table(entry.reason)} | {state} | {numbers} |"
        if not grid.get("must_vanish"):
            every |= found
        elif found:
            null.append(f"{entry.grid}: {', '.join(_false_alarms(found))}")
    if every:
        resolved, alone = _resolved(every.values()), _resolved(map(alone_of, every.values()))
        share = f"{resolved} of {len(every)} different comparisons ({resolved / len(every):.0%})"
        yield f"\nResolved: {share}; {alone} by each comparison's own seeds.\n"
    yield from (f"Differences that must vanish and were found all the same: {each}.\n" for each in null)
    yield from claims(entries)


def _false_alarms(found: Mapping[tuple[Any, ...], Mapping[str, Any]]) -> Iterator[str]:
    for metric in dict.fromkeys(metric for metric, *_ in found):
        of_metric = [values for (name, *_), values in found.items() if name == metric]
        yield f"{HEADLINES[metric]} {_resolved(of_metric)} of {len(of_metric)}"


def _same(metric: str, values: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what two grids have in common if they repeat a comparison."""
    return metric, *values["by_seed"]


def _resolved(found: Iterable[Mapping[str, Any]]) -> int:
    return sum(each["verdict"] != OPEN for each in found)


def claims(entries: list[Entry]) -> Iterator[str]:
    """Yield what became of the comparisons that have a direction of a paper: how many, and those that are resolved.

    Those that are resolved by their own seeds come first.
    """
    stated: dict[Any, tuple[str, str, str]] = {}  # what is said, then the verdict and the one by own seeds
    for entry in entries:
        grid, result = read_grid(entry.grid), read_result(entry.grid)
        for name, metric, values in comparisons(grid, result) if state_of(result) == "run" else ():
            if stated_of(grid, name, metric, values) is not None:
                row = name.partition(PAIR)[0]
                other = values.get("against") or name.partition(PAIR)[2]
                title = (
                    f"{in_table(row)} against {in_table(other)}, {HEADLINES[metric]} {interval(values)} ({entry.grid})"
                )
                stated.setdefault(_same(metric, values), (title, values["verdict"], alone_of(values)["verdict"]))
    if not stated:
        return
    counts = [Counter(verdicts) for verdicts in list(zip(*stated.values(), strict=True))[1:]]
    said, alone = (
        f"{each['agrees']} agree, {each['disagrees']} disagree and {each[OPEN]} are unresolved" for each in counts
    )
    yield f"Of those for which a paper states a direction, {said}; by each comparison's own seeds {alone}.\n"
    groups: dict[str, list[str]] = {AS_WELL: [], MODERATED: [], OWN: []}
    for title, verdict, own in sorted(stated.values(), key=itemgetter(1)):
        if verdict in ("agrees", "disagrees"):
            groups[AS_WELL if own == verdict else MODERATED].append(f"- {verdict}: {title}")
        elif own != verdict:
            groups[OWN].append(f"- {title}")
    for heading, titles in groups.items():
        yield from [f"{heading}:", *titles, ""] if titles else ()


def section(entry: Entry) -> Iterator[str]:
    """Yield the lines of one grid: its question, how it runs, and its rows."""
    grid, result = read_grid(entry.grid), read_result(entry.grid)
    yield f"## {entry.grid}"
    yield f"{entry.reason[0].upper()}{entry.reason[1:]}.\n"
    before = "".join(f"python -m {module} && " for module in entry.before)
    yield f"`{before}python -m experiments.run {entry.grid} && python -m {' '.join(entry.verdict_command)}`\n"
    state = state_of(result)
    if state != "run":
        yield f"{'Not run yet' if state == 'not run' else f'Stale: {age_of(result, {})}; nothing is shown'}.\n"
        return
    images = result.get("num_pictures") or result["images_per_seed"]
    said = f"{len(result['seeds'])} seeds{f', {images:,} images each' if images else ''}"
    if len(processors := result.get("processors", [])) > 1:
        said += f"; cells of {' and '.join(processors)}"
    num_carried = len(result.get("carried", []))
    yield f"{said}{f'; {num_carried} stages have later code that computes the same' if num_carried else ''}.\n"
    yield f"![{entry.grid}: differences with their intervals](results/{entry.grid}.svg)\n"
    if "curve" in grid:
        yield f"![{entry.grid}: by dose, a dot for every training](results/{entry.grid}_by_dose.svg)\n"
    yield COLUMNS
    for row, metrics in rows_and_pairs(result).items():
        yield from (_line(grid, row, metric, metrics[metric]) for metric in HEADLINES if metric in metrics)
    for claim, values in result.get("claims", {}).items():
        row, _, other = claim.partition(PAIR)
        mean = {"mean": result["accuracy"][row]["mean"], "against": other}
        yield _line(grid, row, "accuracy", mean | values)
    yield ""


def _line(grid: Mapping[str, Any], row: str, metric: str, values: Mapping[str, Any]) -> str:
    digits = digits_of(values)
    spread = f"{values['mean']:.{digits}f}"
    if "difference" not in values:
        return f"| {in_table(row)} | {HEADLINES[metric]} | {spread} | | | | | | |"
    title = row.partition(PAIR)[0]
    stated, other = SIGNS[stated_of(grid, row, metric, values)], in_table(values["against"])
    return (
        f"| {in_table(title)} | {HEADLINES[metric]} | {spread} | {interval(values)} | {other} | {stated} "
        f"| {values['verdict']}{_more(values)} | {values['resolves']:.{digits}f} "
        f"| {alone_of(values)['verdict']} |"
    )


def digits_of(values: Mapping[str, Any]) -> int:
    """Return how many digits a number needs so that the differences that are resolved can be seen."""
    return 4 if values.get("resolves", 1) < FINE else 3


def interval(values: Mapping[str, Any]) -> str:
    """Return a difference with its interval."""
    digits = digits_of(values)
    return f"{values['difference']:+.{digits}f} [{values['low']:+.{digits}f}, {values['high']:+.{digits}f}]"


def stated_of(grid: Mapping[str, Any], row: str, metric: str, values: Mapping[str, Any]) -> int | None:
    """Return the direction that the paper states for a comparison, or None."""
    stated: int | None = values["paper"] if "paper" in values else direction(grid, row, metric)
    return stated


def alone_of(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return interval and verdict by the comparison's own seeds: those that it has, if nothing moderated them."""
    alone: Mapping[str, Any] = values.get("alone", values)
    return alone


def _more(values: Mapping[str, Any]) -> str:
    """Return how many times the seeds an unresolved difference of this size would need, at most a thousand."""
    if values["verdict"] != OPEN or not values["difference"]:
        return ""
    times = math.ceil((values["resolves"] / abs(values["difference"])) ** 2)
    return f" (needs {times} times the seeds)" if 1 < times <= 1000 else ""


@click.command()
def main() -> None:
    """Write docs/RESULTS.md and the figure of every grid that is run."""
    FIGURES.mkdir(exist_ok=True)
    for name in grid_names():
        if (svg := figure(name)) is not None:
            (FIGURES / f"{name}.svg").write_text(svg, encoding="utf-8")
        if (svg := dose_curve(name)) is not None:
            (FIGURES / f"{name}_by_dose.svg").write_text(svg, encoding="utf-8")
    (FIGURES / f"{FILTER}.svg").write_text(filter_figure(), encoding="utf-8")
    write_document(DOCUMENT, document())


if __name__ == "__main__":
    main()
