"""Second pass of a curation: choose the confident images that form the corpus, and their splits (CoEmoGen 3.1).

It reads small tables of all images and streams the confident ones. The counts per step are left to
`pipeline.corpora.funnel`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.corpora.pack import MAX_SHARD_BYTES, check_rejects, describe_rejects, reject_table
from pipeline.corpora.records import KEPT, RARE, SPLITS, Reason, Reject, Split, shown
from pipeline.emotion_set import EMOTIONS, Emotion
from pipeline.schemas import CURATION_SCHEMA

if TYPE_CHECKING:
    from pipeline.params import Emoart


@dataclass(frozen=True)
class Selection:
    """The result of a curation.

    judged: every readable image that is not a copy, with its final reason.
    splits: the split of each kept image, by image_id.
    rejects: the rejects of the readers, and copies.
    dropped: the emotions that are too rare among the confident images.
    """

    judged: pa.Table
    rejects: pa.Table
    splits: Mapping[str, Split]
    dropped: tuple[Emotion, ...]


def select(
    judged: Iterable[pa.Table], rejects: Iterable[pa.Table], settings: "Emoart", generator: np.random.Generator
) -> Selection:
    """Return the selection from the tables of the first pass, deciding what concerns all images together.

    Of images with equal bytes the first by image_id is kept, and the others become rejects. Emotions with a share of
    less than settings.min_emotion_frac among the confident images are dropped, all at the same time. The remaining
    images are split at random within each emotion. Raises ValueError if no image remains, or if the readers reject more
    than settings.max_reject_frac of the rows; copies do not count here, because they say nothing about the state of the
    files.
    """
    return _selected(pa.concat_tables(judged), pa.concat_tables(rejects), settings, generator)


def _selected(judged: pa.Table, rejects: pa.Table, settings: "Emoart", generator: np.random.Generator) -> Selection:
    num_rows = len(judged) + len(rejects)
    check_rejects(len(rejects), num_rows, settings.max_reject_frac, "emoart", describe_rejects(rejects))
    copies = copies_of(judged)
    judged = judged.filter(
        pa.array([image_id not in copies for image_id in judged["image_id"].to_pylist()], pa.bool_())
    )
    emotions, confident = _words(judged, "emotion"), _words(judged, "reason") == KEPT
    dropped = rare_emotions(emotions[confident], settings.min_emotion_frac)
    reasons = np.where(confident & np.isin(emotions, dropped), RARE, _words(judged, "reason"))
    is_kept = reasons == KEPT
    if not is_kept.any():
        raise ValueError(f"no image is kept: {_why_none(num_rows, judged, rejects, confident, settings)}")
    ids = np.array(judged["image_id"].to_pylist(), dtype=object)
    return Selection(
        judged.set_column(judged.column_names.index("reason"), "reason", [reasons.tolist()]).select(
            CURATION_SCHEMA.names
        ),
        pa.concat_tables([rejects, reject_table(copies.values())]).sort_by("image_id"),
        splits(ids[is_kept], emotions[is_kept], settings.val_frac, settings.test_frac, generator),
        dropped,
    )


def _why_none(
    num_rows: int, judged: pa.Table, rejects: pa.Table, confident: NDArray[np.bool_], settings: "Emoart"
) -> str:
    """Return the part of the error message that says why no image is kept, and what helps."""
    if not len(judged):
        return f"none of {num_rows} can be read: {describe_rejects(rejects)}"
    if not confident.any():
        return (
            f"{len(judged)} of {num_rows} are readable and not duplicates, but none of them reaches "
            f"min_confidence = {settings.min_confidence}; lower it or add images"
        )
    return (
        f"{int(confident.sum())} reach min_confidence = {settings.min_confidence}, but no emotion has a share of at "
        f"least min_emotion_frac = {settings.min_emotion_frac} of them; lower min_emotion_frac"
    )


def rare_emotions(confident: NDArray[np.object_], min_emotion_frac: float) -> tuple[Emotion, ...]:
    """Return the emotions with a share below min_emotion_frac of the confident images (CoEmoGen: 1 %).

    confident: the emotion of each confident image. An emotion without any image is not returned, because there is
    nothing of it to drop.
    """
    counts = Counter(confident.tolist())
    return tuple(
        emotion for emotion in EMOTIONS if emotion in counts and counts[emotion] / len(confident) < min_emotion_frac
    )


def splits(
    ids: NDArray[np.object_],
    emotions: NDArray[np.object_],
    val_frac: float,
    test_frac: float,
    generator: np.random.Generator,
) -> dict[str, Split]:
    """Return a split for each id.

    Within each emotion round(frac * n) ids are drawn at random for val and for test; the rest are train.
    """
    assigned: dict[str, Split] = {}
    for emotion in EMOTIONS:
        members = generator.permutation(ids[emotions == emotion])
        num_val, num_test = round(val_frac * len(members)), round(test_frac * len(members))
        for place, image_id in enumerate(members.tolist()):
            assigned[image_id] = "val" if place < num_val else "test" if place < num_val + num_test else "train"
    return assigned


def shards(confident: Iterable[pa.Table], chosen: Mapping[str, Split], shard_images: int) -> Iterator[pa.Table]:
    """Yield the chosen images, each with its split, as shards.

    confident: tables of confident images, in order. A shard has at most `shard_images` rows and MAX_SHARD_BYTES bytes
    of image files, except for a single larger image. Only one of the input tables is in memory at the same time as the
    shard.
    """
    pending: list[pa.Table] = []
    num_rows = num_bytes = 0
    for table in (_chosen(piece, chosen) for piece in confident):
        begin = 0
        for row, size in enumerate(pc.binary_length(pc.struct_field(table["image"], "bytes")).to_pylist()):
            if num_rows and (num_rows == shard_images or num_bytes + size > MAX_SHARD_BYTES):
                yield pa.concat_tables([*pending, table.slice(begin, row - begin)])
                pending, begin, num_rows, num_bytes = [], row, 0, 0
            num_rows, num_bytes = num_rows + 1, num_bytes + size
        pending.append(table.slice(begin))
    if num_rows:
        yield pa.concat_tables(pending)


def summary(selection: Selection, settings: "Emoart") -> dict[str, str | float]:
    """Return the funnel's totals, kept images per emotion and split, rejects by reason, and the rules applied."""
    reasons = Counter(_words(selection.judged, "reason").tolist())
    kept_counts = Counter(_words(selection.judged, "emotion")[_words(selection.judged, "reason") == KEPT].tolist())
    in_split = Counter(selection.splits.values())
    num_collected = len(selection.judged) + len(selection.rejects)
    return {
        "num_collected": num_collected,
        "num_readable": len(selection.judged),
        "num_confident": reasons[KEPT] + reasons[RARE],
        "num_frequent": reasons[KEPT],
        "num_rejects": len(selection.rejects),
        "share_kept": reasons[KEPT] / num_collected,
        "confident_if": f"confidence >= {settings.min_confidence}",
        "dropped_if": f"share of the confident < {settings.min_emotion_frac}",
        "dropped_emotions": ", ".join(selection.dropped) or "none",
        **{f"num_kept_{emotion}": kept_counts[emotion] for emotion in EMOTIONS},
        **{f"num_{split}": in_split[split] for split in SPLITS},
        **{f"rejects.{reason}": number for reason, number in Counter(selection.rejects["reason"].to_pylist()).items()},
    }


def copies_of(judged: pa.Table) -> dict[str, Reject]:
    """Return, by image_id, a reject for each image that has the same bytes as an earlier one.

    judged: columns image_id, path, which may be null, and sha256.
    """
    first: dict[str, tuple[str, str | None]] = {}
    copies: dict[str, Reject] = {}
    columns = (judged[name].to_pylist() for name in ("image_id", "path", "sha256"))
    for image_id, path, digest in zip(*columns, strict=True):
        original_id, original_path = first.setdefault(digest, (image_id, path))
        if original_id != image_id:
            place = f"{shown(path)}: " if path else ""
            original = shown(original_path) if original_path else original_id
            detail = f"{place}same bytes as {original}, which is kept"
            copies[image_id] = Reject(image_id, Reason.duplicate_image, detail)
    return copies


def _chosen(piece: pa.Table, chosen: Mapping[str, Split]) -> pa.Table:
    """Return the chosen rows of a table, with their splits."""
    split_names = [chosen.get(image_id) for image_id in piece["image_id"].to_pylist()]
    piece = piece.set_column(piece.column_names.index("split"), "split", [pa.array(split_names, pa.string())])
    return piece.filter(piece["split"].is_valid())


def _words(table: pa.Table, column: str) -> NDArray[np.object_]:
    return np.array(table[column].to_pylist(), dtype=object)
