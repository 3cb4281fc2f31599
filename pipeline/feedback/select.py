"""UniEmo's Algorithm 1: generated images between two ranks by both metrics come back, the extremes of either do not.

Ranks are over the whole set, descending: the best has 0. Those within [20 %, 80 %] by the probability of their emotion
and by semantic clarity survive, about 36 % where the two are independent.
"""

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.feedback.reasons import FEEDBACK_REASONS
from pipeline.metrics.emotion_accuracy import asked, probabilities

if TYPE_CHECKING:
    from pipeline.params import Feedback

KEPT, EMOTION, CLARITY, BOTH, NOT_DRAWN = FEEDBACK_REASONS
Floats = NDArray[np.float64]


def select(scores: pa.Table, settings: "Feedback", generator: np.random.Generator) -> pa.Table:
    """Scores of generated images -> a row for each in FEEDBACK_SCHEMA: its ranks, whether it is kept, and why not.

    generator: of the control, by which as many images as would survive are drawn at random in their place.
    """
    emotions = asked(scores)
    probability = probabilities(scores, "classifier")[np.arange(len(scores)), emotions].astype(np.float64)
    clarity = scores["clarity"].to_numpy().astype(np.float64)
    groups = emotions if settings.per_emotion else np.zeros(len(scores), np.int64)
    ranks = [ranked(values, groups, settings.ranks == "descending") for values in (probability, clarity)]
    inside = [(settings.low <= rank) & (rank <= settings.high) for rank in ranks]
    reasons = why(*_asked_for(inside, settings.metrics))
    if settings.control == "random":
        reasons = at_random(reasons, generator)
    return pa.table({
        "image_id": scores["image_id"],
        "emotion": scores["emotion"],
        "probability": pa.array(probability, pa.float32()),
        "clarity": pa.array(clarity, pa.float32()),
        "emotion_rank": pa.array(ranks[0], pa.float32()),
        "clarity_rank": pa.array(ranks[1], pa.float32()),
        "kept": pa.array(reasons == KEPT),
        "reason": pa.array(reasons.tolist(), pa.string()),
    })  # fmt: skip


def ranked(values: Floats, groups: NDArray[np.int64], descending: bool) -> Floats:
    """Ranks within each group as shares, from 0 for the first to 1 for the last; equal values in the order given."""
    ranks = np.zeros(len(values))
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        order = np.argsort(-values[members] if descending else values[members], kind="stable")
        ranks[members[order]] = np.arange(len(members)) / max(len(members) - 1, 1)
    return ranks


def why(by_emotion: NDArray[np.bool_], by_clarity: NDArray[np.bool_]) -> NDArray[np.object_]:
    """The reason of each image, from whether it passes by each metric."""
    choices = [by_emotion & by_clarity, ~by_emotion & ~by_clarity, ~by_emotion]
    return np.select(choices, np.array([KEPT, BOTH, EMOTION], dtype=object), CLARITY)


def at_random(reasons: NDArray[np.object_], generator: np.random.Generator) -> NDArray[np.object_]:
    """As many kept, drawn without regard to any metric; the others say so."""
    drawn = np.full(len(reasons), NOT_DRAWN, dtype=object)
    drawn[generator.permutation(len(reasons))[: int((reasons == KEPT).sum())]] = KEPT
    return drawn


def _asked_for(inside: list[NDArray[np.bool_]], metrics: str) -> list[NDArray[np.bool_]]:
    """A metric that is not asked for is passed by all."""
    everyone = np.ones(len(inside[0]), bool)
    return [inside[0] if metrics != "clarity" else everyone, inside[1] if metrics != "emotion" else everyone]


def summary(selected: pa.Table) -> dict[str, float]:
    """Counts by reason, which add up to n, the share that survives, and means of what is kept and dropped."""
    reasons, kept = np.array(selected["reason"].to_pylist(), dtype=object), np.array(selected["kept"].to_pylist(), bool)
    found: dict[str, float] = {"n": len(selected), "kept_frac": float(kept.mean())}
    found |= {f"num_{reason}": int((reasons == reason).sum()) for reason in FEEDBACK_REASONS}
    for name in ("probability", "clarity"):
        values = selected[name].to_numpy()
        for part, members in (("kept", kept), ("dropped", ~kept)):
            found |= {f"{name}_{part}": float(values[members].mean())} if members.any() else {}
    return found
