"""Second pass of a curation: of what the first found confident, which pictures make the corpus, in which split.

It reads small tables of all pictures and streams the confident ones; the funnel over them is `pipeline.corpora.funnel`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.corpora.pack import MAX_SHARD_BYTES, check_rejects, reject_table, told
from pipeline.corpora.records import KEPT, RARE, SPLITS, Reason, Reject, Split
from pipeline.emotions import EMOTIONS, Emotion
from pipeline.schemas import CURATION_SCHEMA

if TYPE_CHECKING:
    from pipeline.params import Emoart


@dataclass(frozen=True)
class Selection:
    """judged: every readable picture that is no copy, with its final reason. splits: of the kept, by image_id.

    rejects: those of the readers, and copies. dropped: emotions too rare among the confident.
    """

    judged: pa.Table
    rejects: pa.Table
    splits: Mapping[str, Split]
    dropped: tuple[Emotion, ...]


def select(
    judged: Iterable[pa.Table], rejects: Iterable[pa.Table], settings: "Emoart", generator: np.random.Generator
) -> Selection:
    """Settle what concerns all pictures, from the tables of the first pass.

    Of pictures with equal bytes the first by image_id stays, the others become rejects. Emotions with less than
    settings.min_emotion_frac of the confident are dropped, all at once. The rest is split at random within each
    emotion. Raises ValueError where nothing is left, or where the readers reject more than settings.max_reject_frac of
    the rows; copies do not count there, as they say nothing of the state of the files.
    """
    return _selected(pa.concat_tables(judged), pa.concat_tables(rejects), settings, generator)


def _selected(judged: pa.Table, rejects: pa.Table, settings: "Emoart", generator: np.random.Generator) -> Selection:
    num_rows = len(judged) + len(rejects)
    check_rejects(len(rejects), num_rows, settings.max_reject_frac, "emoart", told(rejects))
    copies = _copies(judged)
    judged = judged.filter(
        pa.array([image_id not in copies for image_id in judged["image_id"].to_pylist()], pa.bool_())
    )
    emotions, confident = _words(judged, "emotion"), _words(judged, "reason") == KEPT
    dropped = rare_emotions(emotions[confident], settings.min_emotion_frac)
    reasons = np.where(confident & np.isin(emotions, dropped), RARE, _words(judged, "reason"))
    kept = reasons == KEPT
    if not kept.any():
        raise ValueError(f"no picture is kept: {_why_none(num_rows, judged, rejects, confident, settings)}")
    ids = np.array(judged["image_id"].to_pylist(), dtype=object)
    return Selection(
        judged.set_column(judged.column_names.index("reason"), "reason", [reasons.tolist()]).select(
            CURATION_SCHEMA.names
        ),
        pa.concat_tables([rejects, reject_table(copies.values())]).sort_by("image_id"),
        splits(ids[kept], emotions[kept], settings.val_frac, settings.test_frac, generator),
        dropped,
    )


def _why_none(
    num_rows: int, judged: pa.Table, rejects: pa.Table, confident: NDArray[np.bool_], settings: "Emoart"
) -> str:
    """What kept every picture out, and what helps."""
    if not len(judged):
        return f"of {num_rows} none can be read: {told(rejects)}"
    if not confident.any():
        return (
            f"of {num_rows} {len(judged)} are readable and no copies, and none of these reaches "
            f"min_confidence = {settings.min_confidence}; lower it, or add pictures"
        )
    return (
        f"{int(confident.sum())} reach min_confidence = {settings.min_confidence}, but each of their emotions has less "
        f"than min_emotion_frac = {settings.min_emotion_frac} of them; lower that"
    )


def rare_emotions(confident: NDArray[np.object_], min_emotion_frac: float) -> tuple[Emotion, ...]:
    """The emotions with less than this share of the confident pictures, whose emotions are given (CoEmoGen: 1 %).

    An emotion of none is not among them: nothing of it is dropped.
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
    """A split for each id: within each emotion round(frac * n) at random for val and for test, the rest for train."""
    found: dict[str, Split] = {}
    for emotion in EMOTIONS:
        members = generator.permutation(ids[emotions == emotion])
        num_val, num_test = round(val_frac * len(members)), round(test_frac * len(members))
        for place, image_id in enumerate(members.tolist()):
            found[image_id] = "val" if place < num_val else "test" if place < num_val + num_test else "train"
    return found


def shards(confident: Iterable[pa.Table], chosen: Mapping[str, Split], shard_images: int) -> Iterator[pa.Table]:
    """The pieces of confident pictures, in order -> the chosen ones, each with its split, as shards.

    A shard has at most `shard_images` rows and MAX_SHARD_BYTES bytes of files, but for a picture larger alone. One
    piece is in memory beside it.
    """
    held: list[pa.Table] = []
    num_rows = num_bytes = 0
    for table in (_chosen(piece, chosen) for piece in confident):
        begin = 0
        for row, size in enumerate(pc.binary_length(pc.struct_field(table["image"], "bytes")).to_pylist()):
            if num_rows and (num_rows == shard_images or num_bytes + size > MAX_SHARD_BYTES):
                yield pa.concat_tables([*held, table.slice(begin, row - begin)])
                held, begin, num_rows, num_bytes = [], row, 0, 0
            num_rows, num_bytes = num_rows + 1, num_bytes + size
        held.append(table.slice(begin))
    if num_rows:
        yield pa.concat_tables(held)


def summary(found: Selection, settings: "Emoart") -> dict[str, str | float]:
    """The funnel's totals, kept pictures per emotion and split, rejects by reason, and the rules that led to them."""
    reasons = Counter(_words(found.judged, "reason").tolist())
    kept = Counter(_words(found.judged, "emotion")[_words(found.judged, "reason") == KEPT].tolist())
    in_split = Counter(found.splits.values())
    num_collected = len(found.judged) + len(found.rejects)
    return {
        "num_collected": num_collected,
        "num_readable": len(found.judged),
        "num_confident": reasons[KEPT] + reasons[RARE],
        "num_frequent": reasons[KEPT],
        "num_rejects": len(found.rejects),
        "share_kept": reasons[KEPT] / num_collected,
        "confident_if": f"confidence >= {settings.min_confidence}",
        "dropped_if": f"share of the confident < {settings.min_emotion_frac}",
        "dropped_emotions": ", ".join(found.dropped) or "none",
        **{f"num_kept_{emotion}": kept[emotion] for emotion in EMOTIONS},
        **{f"num_{split}": in_split[split] for split in SPLITS},
        **{f"rejects.{reason}": number for reason, number in Counter(found.rejects["reason"].to_pylist()).items()},
    }


def _copies(judged: pa.Table) -> dict[str, Reject]:
    """A reject for each picture whose bytes an earlier one has, by its image_id."""
    first: dict[str, str] = {}
    copies: dict[str, Reject] = {}
    for image_id, digest in zip(judged["image_id"].to_pylist(), judged["sha256"].to_pylist(), strict=True):
        kept = first.setdefault(digest, image_id)
        if kept != image_id:
            copies[image_id] = Reject(image_id, Reason.duplicate_image, f"the bytes of {kept}, which stays")
    return copies


def _chosen(piece: pa.Table, chosen: Mapping[str, Split]) -> pa.Table:
    """The rows of a piece that are chosen, with their split."""
    found = [chosen.get(image_id) for image_id in piece["image_id"].to_pylist()]
    piece = piece.set_column(piece.column_names.index("split"), "split", [pa.array(found, pa.string())])
    return piece.filter(piece["split"].is_valid())


def _words(table: pa.Table, column: str) -> NDArray[np.object_]:
    return np.array(table[column].to_pylist(), dtype=object)
