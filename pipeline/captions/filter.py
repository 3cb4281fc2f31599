"""Filter captions by CLIP: within each emotion, drop those that fit their image worst (CoEmoGen 3.1)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.emotion_set import EMOTIONS
from pipeline.features import feature_matrix
from pipeline.rows import is_trained_on

if TYPE_CHECKING:
    from pipeline.corpora.records import TrainingSplits

KEPT, DROPPED, EMPTY, NOT_RANKED = "kept", "low_similarity", "no_caption", "not_in_train"


def similarities(image_features: NDArray[np.floating], text_features: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the cosine of each image with its own caption.

    image features ND, caption features ND, both in the joint space -> cosines N float32 in [-1, 1].
    """
    norms = np.linalg.norm(image_features, axis=1) * np.linalg.norm(text_features, axis=1)
    return ((image_features * text_features).sum(1) / norms).astype(np.float32)


def with_similarity(rows: pa.Table, images: pa.Table, texts: pa.Table, captions: Sequence[str]) -> pa.Table:
    """Return the rows with a column similarity, which is null where the caption is empty.

    The rows have an image_id; the feature tables and the captions are of the same images in the same order. Raises
    ValueError if the tables are not of the same images.
    """
    for name, table in (("image features", images), ("caption features", texts)):
        if table["image_id"].to_pylist() != rows["image_id"].to_pylist():
            raise ValueError(
                f"the {name} do not have the same image_ids as the corpus; run `dvc repro` to compute them again"
            )
    cosines = similarities(feature_matrix(images), feature_matrix(texts))
    empty = np.array([not caption for caption in captions], bool)
    return rows.append_column("similarity", pa.array(cosines, mask=empty))


def drop_worst(rows: pa.Table, drop_fraction: float, splits: "TrainingSplits" = "train") -> pa.Table:
    """Rank the train split within each emotion and drop the worst `drop_fraction` of each, ties by image_id.

    rows: image_id, emotion, split, similarity. Returns every row, in the same order, with three more columns: rank (0
    is the best of its emotion; null outside train), kept and reason. Outside train nothing is ranked or dropped, so
    that evaluation never sees the filter, unless `splits` is "all", where every row counts as train (as CoEmoGen does
    it). Per emotion, round(drop_fraction * n) of the n train rows with a similarity are dropped; train rows without a
    similarity are not kept either. Raises ValueError for a fraction outside [0, 1).
    """
    if not 0 <= drop_fraction < 1:
        raise ValueError(f"drop_fraction = {drop_fraction}: allowed is a number >= 0 and < 1")
    ids, emotions = (np.array(rows[name].to_pylist(), dtype=object) for name in ("image_id", "emotion"))
    is_ranked = is_trained_on(rows, splits)
    similarity = rows["similarity"].to_numpy()  # NaN where null
    rank = np.full(len(ids), -1)
    reason = np.full(len(ids), NOT_RANKED, dtype=object)
    reason[is_ranked] = EMPTY
    for emotion in EMOTIONS:
        members = np.flatnonzero((emotions == emotion) & is_ranked & ~np.isnan(similarity))
        best_first = members[np.lexsort((ids[members], -similarity[members]))]
        rank[best_first] = np.arange(len(members))
        num_dropped = round(drop_fraction * len(members))
        reason[best_first] = KEPT
        reason[best_first[len(members) - num_dropped :]] = DROPPED
    columns = {
        "rank": pa.array(rank, pa.int32(), mask=rank < 0),
        "kept": pa.array((reason == KEPT) | (reason == NOT_RANKED), pa.bool_()),
        "reason": pa.array(reason.tolist(), pa.string()),
    }
    for name, values in columns.items():
        rows = rows.append_column(name, values)
    return rows


def summary(filtered: pa.Table) -> dict[str, float]:
    """Return counts, thresholds and mean similarities of the ranked captions, overall and per emotion."""
    ranked = filtered.filter(pc.is_valid(filtered["rank"]))
    emotions = np.array(ranked["emotion"].to_pylist(), dtype=object)
    similarity, is_kept = ranked["similarity"].to_numpy(), ranked["kept"].to_numpy(zero_copy_only=False)
    numbers: dict[str, float] = {"n": len(ranked), "num_rows": len(filtered), "num_kept": int(is_kept.sum())}
    for name in ("all", *EMOTIONS):
        members = np.ones(len(ranked), bool) if name == "all" else emotions == name
        numbers[f"num_dropped_{name}"] = int((members & ~is_kept).sum())
        if members.any():
            numbers[f"similarity_before_{name}"] = float(similarity[members].mean())
        if (members & is_kept).any():
            numbers[f"similarity_after_{name}"] = float(similarity[members & is_kept].mean())
            numbers[f"lowest_kept_{name}"] = float(similarity[members & is_kept].min())
    return numbers
