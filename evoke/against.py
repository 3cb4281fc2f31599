"""Compare two scored folders of images, with the statistics of the experiments (`evoke score A --against B`).

Emo-A, its gap and Sem-C under `clean` are compared image by image, emotions weighing equally: images are drawn with
replacement within each emotion, in pairs if both folders hold files of the same names, as images from the same noise
have, otherwise apart. For FID, LPIPS, Sem-D and the protocol `emogen` the interval follows from those of the two
figures, by the root of their summed squares. A folder is one training as far as anyone knows: no interval here holds
the chance of trainings, for which experiments have seeds.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evoke.comparison import FOUND, WORDS, resampled
from pipeline.emotion_set import EMOTIONS
from pipeline.metrics.emotion_accuracy import JUDGES, asked, right
from pipeline.metrics.summary import has_clarity
from pipeline.runtime import numpy_generator

if TYPE_CHECKING:
    from pipeline.metrics.columns import Columns
    from pipeline.metrics.summary import Flat

MIN_IMAGES, MIN_OF_EMOTION = 30, 10  # with fewer, images drawn with replacement vary too little
TOO_FEW = f"none: fewer than {MIN_IMAGES} images, or {MIN_OF_EMOTION} of an emotion"
OTHER_N = "none: FID depends on n, which differs"
STANDARD_ERRORS = 1.96  # in half a 95 % interval
NOTES = (
    "Differences are the first folder's minus the second's. `higher` and `lower` are said if the 95 % interval of the "
    "images excludes 0; resolvable is the difference that would be found in four of five such comparisons. Of many "
    "figures one in twenty is resolved by chance.",
    "Each folder counts as one training. Another training of the same method would give other images, and no interval "
    "here holds that chance: compare at least three trainings of each (experiments/README.md).",
)
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """A difference of two figures with its 95 % interval, the difference that could be resolved, and the verdict."""

    difference: float
    low: float
    high: float
    resolves: float
    verdict: str
    paired: bool = False


def differences(one: "Columns", other: "Columns", figures: "Flat", others: "Flat") -> dict[str, Difference]:
    """Return the difference of each overall figure that both folders have, by key.

    one, other: their tables of scores; figures, others: their flat metrics (pipeline/metrics/summary.py). Raises
    ValueError if the folders hold images of different emotions.
    """
    if set(one["emotion"].to_pylist()) != set(other["emotion"].to_pylist()):
        raise ValueError("the two folders hold readable images of different emotions, so that nothing can be compared")
    is_too_few = any(_is_too_few(table) for table in (one, other))
    by_image, is_paired = _by_image(one, other)
    by_key = {}
    for key in _keys(figures, others):
        drawn = by_image.get(key if key.startswith("emo_a/") else f"{key.split('/')[0]}/{key.split('/')[-1]}")
        difference = of_images(*drawn, is_paired) if drawn else of_figures(key, figures, others)
        by_key[key] = Difference(**{**asdict(difference), "verdict": TOO_FEW}) if is_too_few else difference
    return by_key


def of_images(one: Sequence[Floats], other: Sequence[Floats], paired: bool) -> Difference:
    """Return the difference of two means over emotions from the values of each image, one array per emotion."""
    generator = numpy_generator("verdicts")
    if paired:
        draws = [resampled(first - second, generator) for first, second in zip(one, other, strict=True)]
    else:
        draws = [resampled(first, generator) - resampled(second, generator)
                 for first, second in zip(one, other, strict=True)]  # fmt: skip
    overall = np.mean(draws, 0)
    low, high = (float(end) for end in np.quantile(overall, [0.025, 0.975]))
    value = float(np.mean([first.mean() - second.mean() for first, second in zip(one, other, strict=True)]))
    return Difference(value, low, high, float(FOUND * overall.std()), _word(low, high), paired)


def of_figures(key: str, figures: "Flat", others: "Flat") -> Difference:
    """Return the difference of two figures that are independent, from their own intervals."""
    value, low, high = (figures[name] for name in (key, f"{key}/low", f"{key}/high"))
    other, other_low, other_high = (others[name] for name in (key, f"{key}/low", f"{key}/high"))
    below, above = math.hypot(value - low, other_high - other), math.hypot(high - value, other - other_low)
    ends = value - other - below, value - other + above
    is_biased = key.startswith("fid/") and figures[f"{key}/n"] != others[f"{key}/n"]
    resolves = FOUND / STANDARD_ERRORS * (below + above) / 2
    return Difference(value - other, *ends, resolves, OTHER_N if is_biased else _word(*ends))


def flat_differences(found: Mapping[str, Difference]) -> dict[str, Any]:
    """Return differences as flat metrics: difference/key, and difference/key/low, high, resolves, verdict, paired."""
    flat: dict[str, Any] = {}
    for key, each in found.items():
        values = asdict(each)
        flat[f"difference/{key}"] = values.pop("difference")
        flat |= {f"difference/{key}/{name}": value for name, value in values.items()}
    return flat


def lines(found: Mapping[str, Difference], titles: Mapping[str, str], figures: "Flat", others: "Flat") -> Iterator[str]:
    """Yield the table of differences and the notes on what they can show; titles: of the keys, in order."""
    heads = f"{'first':>10}{'second':>10}{'difference':>12}{'95 % interval':>24}{'resolvable':>12}"
    yield f"\n{'against':<44}{heads}  verdict"
    for key, title in titles.items():
        if key in found:
            each = found[key]
            ends = f"{each.low:+.4g} to {each.high:+.4g}"
            values = (
                f"{figures[key]:>10.4g}{others[key]:>10.4g}{each.difference:>+12.4g}{ends:>24}{each.resolves:>12.4g}"
            )
            yield f"{title:<44}{values}  {each.verdict}{', in pairs' if each.paired else ''}"
    yield from ("", *NOTES)


def _by_image(one: "Columns", other: "Columns") -> tuple[dict[str, tuple[list[Floats], list[Floats]]], bool]:
    """Return the values per image of both folders by metric, an array per emotion, and whether they are in pairs.

    In pairs, the images of both are in the order of their file names.
    """
    orders = [np.argsort(_names(table), kind="stable") for table in (one, other)]
    names = [_names(table)[order] for table, order in zip((one, other), orders, strict=True)]
    is_paired = bool(np.array_equal(names[0], names[1]) and len(set(names[0])) == len(names[0]))
    of_folder = [_values(table, order) for table, order in zip((one, other), orders, strict=True)]
    return {metric: (of_folder[0][metric], of_folder[1][metric]) for metric in of_folder[0]}, is_paired


def _values(table: "Columns", order: NDArray[np.int64]) -> dict[str, list[Floats]]:
    """Return what is compared image by image, by metric, in this order within each emotion."""
    answers = {f"emo_a/{judge}": right(table, judge).astype(np.float64) for judge in JUDGES}
    gap = answers[f"emo_a/{JUDGES[0]}"] - answers[f"emo_a/{JUDGES[1]}"]
    values = {**answers, "emo_a/gap": gap}
    if has_clarity(table):
        values["sem_c/clean"] = table["clarity"].to_numpy().astype(np.float64)
    emotions = asked(table)[order]
    return {key: [each[order][emotions == index] for index in np.unique(emotions)] for key, each in values.items()}


def _names(table: "Columns") -> NDArray[np.str_]:
    """Return the names of the images within their folder: the ids without the folder's own name."""
    return np.array([image_id.partition("/")[2] for image_id in table["image_id"].to_pylist()])


def _keys(figures: "Flat", others: "Flat") -> Iterator[str]:
    """Yield the keys of the overall figures for which both folders have a value with its interval."""
    emotions = tuple(f"/{emotion}" for emotion in EMOTIONS)
    for key in figures:
        if f"{key}/low" in figures and not key.startswith("real/") and not key.endswith(emotions):
            needed = [each.get(name) for each in (figures, others) for name in (key, f"{key}/low", f"{key}/high")]
            if None not in needed:
                yield key


def _is_too_few(table: "Columns") -> bool:
    counts = Counter(table["emotion"].to_pylist())
    return len(table) < MIN_IMAGES or min(counts.values()) < MIN_OF_EMOTION


def _word(low: float, high: float) -> str:
    return WORDS[1 if low > 0 else -1 if high < 0 else 0]
