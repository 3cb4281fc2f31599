"""Implement UniEmo's Algorithm 1: keep generated images whose ranks by both metrics are not extreme.

Images are sorted in descending order by the probability of their emotion and by semantic clarity; the slices
[floor(.2 n) : floor(.8 n)] of both lists are kept, about 36 % of the images if the two are independent. Equal values
are in random order: judges saturate, and in the order of rows whole emotions would be dropped. How often a kept image
is repeated in training follows from Table VIII's share of generated images.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.feedback.reasons import FEEDBACK_REASONS
from pipeline.metrics.emotion_accuracy import asked, probabilities

if TYPE_CHECKING:
    from pipeline.params import Feedback


KEPT, EMOTION, CLARITY, BOTH, NOT_DRAWN = FEEDBACK_REASONS
LEAST = 5  # images whose slices by fifths are not empty
Floats = NDArray[np.float64]


def select(scores: pa.Table, settings: "Feedback", generator: np.random.Generator) -> pa.Table:
    """Return one row of FEEDBACK_SCHEMA per generated image: its ranks, whether it is kept, and the reason.

    `generator` orders equal values. For the random control, it draws as many images as the ranks would keep, in their
    place. Raises ValueError if there are too few images to cut slices from, or if the images have no clarity and
    `settings.metrics` needs it.
    """
    if scores["clarity"].null_count and settings.metrics != "emotion":
        raise ValueError(
            f"feedback.metrics = {settings.metrics!r}: the images have no Sem-C, as the judges know no scene and no "
            "object of this corpus; set feedback.metrics to emotion"
        )
    emotions = asked(scores)
    groups = emotions if settings.per_emotion else np.zeros(len(scores), np.int64)
    check_numbers(groups, settings.per_emotion)
    probability = probabilities(scores, "classifier")[np.arange(len(scores)), emotions].astype(np.float64)
    clarity = scores["clarity"].to_numpy().astype(np.float64)
    ranks = [ranked(values, groups, settings.ranks == "descending", generator) for values in (probability, clarity)]
    inside = [in_slice(rank, groups, settings.low, settings.high) for rank in ranks]
    reasons = why(*_asked_for(inside, settings.metrics))
    if settings.control == "random":
        reasons = at_random(reasons, generator)
    return pa.table({
        "image_id": scores["image_id"],
        "emotion": scores["emotion"],
        "probability": pa.array(probability, pa.float32()),
        "clarity": pa.array(clarity, pa.float32(), from_pandas=True),
        "emotion_rank": pa.array(ranks[0], pa.float32()),
        "clarity_rank": pa.array(np.where(np.isnan(clarity), np.nan, ranks[1]), pa.float32(), from_pandas=True),
        "kept": pa.array(reasons == KEPT),
        "reason": pa.array(reasons.tolist(), pa.string()),
    })  # fmt: skip


def check_numbers(groups: NDArray[np.int64], per_emotion: bool) -> None:
    """Raise ValueError if there are fewer than LEAST images, or fewer of an emotion with `per_emotion`."""
    sizes = np.unique(groups, return_counts=True)[1]
    if len(groups) < LEAST or sizes.min() < LEAST:
        of_what = "of an emotion (feedback.per_emotion)" if per_emotion and len(groups) else "generated images"
        raise ValueError(
            f"Only {min(sizes, default=0)} {of_what} to choose from: the filter needs at least {LEAST} for its slices "
            "not to be empty. Raise images.num_per_emotion."
        )


def ranked(
    values: Floats, groups: NDArray[np.int64], descending: bool, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Return the place of each value in its sorted group as a share: 0 for the first, below 1 for the last.

    Equal values are in random order.
    """
    ranks, chance = np.zeros(len(values)), generator.permutation(len(values))
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        signed = -values[members] if descending else values[members]
        ranks[members[np.lexsort((chance[members], signed))]] = np.arange(len(members)) / len(members)
    return ranks


def in_slice(ranks: Floats, groups: NDArray[np.int64], low: float, high: float) -> NDArray[np.bool_]:
    """Return which ranks lie in the slice [floor(low n) : floor(high n)] of their group of n."""
    inside = np.zeros(len(ranks), bool)
    for group in np.unique(groups):
        members = groups == group
        number = int(members.sum())
        first, stop = (int(np.floor(round(share * number, 9))) for share in (low, high))
        places = np.rint(ranks[members] * number)
        inside[members] = (first <= places) & (places < stop)
    return inside


def why(by_emotion: NDArray[np.bool_], by_clarity: NDArray[np.bool_]) -> NDArray[np.object_]:
    """Return the reason for each image, given masks of the images that pass by each metric."""
    choices = [by_emotion & by_clarity, ~by_emotion & ~by_clarity, ~by_emotion]
    return np.select(choices, np.array([KEPT, BOTH, EMOTION], dtype=object), CLARITY)


def at_random(reasons: NDArray[np.object_], generator: np.random.Generator) -> NDArray[np.object_]:
    """Return reasons that keep equally many images, drawn without regard to the metrics; the others are not_drawn."""
    drawn = np.full(len(reasons), NOT_DRAWN, dtype=object)
    drawn[generator.permutation(len(reasons))[: int((reasons == KEPT).sum())]] = KEPT
    return drawn


def _asked_for(inside: list[NDArray[np.bool_]], metrics: str) -> list[NDArray[np.bool_]]:
    """Return the masks of both metrics; every image passes a metric that is not selected."""
    everyone = np.ones(len(inside[0]), bool)
    return [inside[0] if metrics != "clarity" else everyone, inside[1] if metrics != "emotion" else everyone]


def summary(selected: pa.Table) -> dict[str, float]:
    """Return the counts by reason, which sum to n, the share kept, and means of the kept and the dropped images.

    Without clarity there are no means of it.
    """
    reasons, kept = np.array(selected["reason"].to_pylist(), dtype=object), np.array(selected["kept"].to_pylist(), bool)
    numbers: dict[str, float] = {"n": len(selected), "kept_frac": float(kept.mean())}
    numbers |= {f"num_{reason}": int((reasons == reason).sum()) for reason in FEEDBACK_REASONS}
    for name in (name for name in ("probability", "clarity") if not selected[name].null_count):
        values = selected[name].to_numpy()
        for part, members in (("kept", kept), ("dropped", ~kept)):
            numbers |= {f"{name}_{part}": float(values[members].mean())} if members.any() else {}
    return numbers


def survivors(shards: Iterable[pa.Table], selected: pa.Table) -> Iterator[pa.Table]:
    """Yield the rows of each image shard that `selected` (FEEDBACK_SCHEMA) keeps, one shard in memory at a time."""
    kept = selected.filter(selected["kept"])["image_id"].combine_chunks()
    return (shard.filter(pc.is_in(shard["image_id"], kept)) for shard in shards)


def repeats(draws: int, generated_frac: float, num_generated: int, num_real: int) -> dict[str, float]:
    """Return how often a real and a generated image is drawn on average in `draws` draws.

    A share `generated_frac` of the draws uses generated images. The keys are repeats_real and, if there are generated
    images, repeats_generated.
    """
    numbers = {"repeats_real": (1 - generated_frac) * draws / num_real}
    return numbers | ({"repeats_generated": generated_frac * draws / num_generated} if num_generated else {})
