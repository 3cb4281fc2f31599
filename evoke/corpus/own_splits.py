"""Decide what concerns all images of a user's own corpus together: copies, too few images, and splits."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline.corpora.pack import describe_rejects, reject_table
from pipeline.corpora.records import SPLITS, Reason, Split
from pipeline.corpora.selection import copies_of, splits
from pipeline.emotion_set import EMOTIONS

MIN_IMAGES = 10  # of an emotion, so that each split has one of them
MIN_EMOTIONS = 2


@dataclass(frozen=True)
class Settled:
    """The split of each image that is kept, by image_id, the splits that were drawn here, and all rejects."""

    splits: Mapping[str, Split]
    drawn: tuple[Split, ...]
    rejects: pa.Table


def settle(
    rows: pa.Table, rejects: pa.Table, given: Mapping[str, Split | None], val_frac: float, test_frac: float,
    generator: np.random.Generator,
) -> Settled:  # fmt: skip
    """Return the splits of a corpus.

    rows: image_id, emotion, path and sha256 of every image that can be read. given: the split of each image by its
    source. Of images with equal bytes the first by image_id is kept. Splits that the source has no image of are drawn
    within each emotion: all if it gives none, else val and test from its train images.

    Raises ValueError if some images have a split and others have none, if there are too few images, or if a split or an
    emotion of train would have none.
    """
    copies = copies_of(rows)
    rejects = pa.concat_tables([rejects, reject_table(copies.values())]).sort_by("image_id")
    kept = [row for row in rows.to_pylist() if row["image_id"] not in copies]
    _check_numbers(Counter(row["emotion"] for row in kept), rejects)
    own = {row["image_id"]: given[row["image_id"]] for row in kept}
    without = sum(split is None for split in own.values())
    if 0 < without < len(own):
        raise ValueError(f"{without} of {len(own)} images have no split; give it for all images, or for none")
    drawn = tuple(split for split in SPLITS if split not in own.values())
    if drawn and "train" in drawn and not without:
        raise ValueError("no image is in the split train; give one to all splits, or to none of them")
    pool = [row for row in kept if own[row["image_id"]] in (None, "train")]
    ids, emotions = (np.array([row[name] for row in pool], object) for name in ("image_id", "emotion"))
    fractions = (val_frac if "val" in drawn else 0.0, test_frac if "test" in drawn else 0.0)
    chosen = {image_id: split for image_id, split in own.items() if split} | splits(
        ids, emotions, *fractions, generator
    )
    _check_splits(chosen, {row["image_id"]: row["emotion"] for row in kept})
    return Settled(chosen, drawn, rejects)


def summary(corpus: pa.Table, rejects: pa.Table) -> dict[str, int | float]:
    """Return the counts of a corpus under the keys of metrics/emoset.json, as far as it has them.

    corpus: emotion, split, scene and objects of every image.
    """
    counts = Counter(zip(corpus["split"].to_pylist(), corpus["emotion"].to_pylist(), strict=True))
    reasons, in_split = Counter(rejects["reason"].to_pylist()), Counter(corpus["split"].to_pylist())
    shares = {
        "scene": sum(map(bool, corpus["scene"].to_pylist())),
        "object": sum(map(bool, corpus["objects"].to_pylist())),
    }
    return {
        "num_rows": len(corpus) + len(rejects), "num_images": len(corpus), "num_rejects": len(rejects),
        **{f"images.{split}": in_split[split] for split in SPLITS},
        **{f"images.{split}.{emotion}": counts[split, emotion] for split in SPLITS for emotion in EMOTIONS},
        **{f"coverage.{attribute}": number / len(corpus) for attribute, number in shares.items()},
        **{f"rejects.{reason.value}": reasons[reason.value] for reason in Reason},
    }  # fmt: skip


def _check_numbers(counts: Counter[str], rejects: pa.Table) -> None:
    why = f"; rejected: {describe_rejects(rejects)}" if len(rejects) else ""
    if len(counts) < MIN_EMOTIONS:
        raise ValueError(f"images of {', '.join(counts) or 'no emotion'} alone; at least two emotions are needed{why}")
    if few := [f"{emotion} {number}" for emotion, number in counts.items() if number < MIN_IMAGES]:
        raise ValueError(
            f"too few images: {', '.join(few)}; each emotion needs at least {MIN_IMAGES}: add some, or leave it "
            f"out{why}"
        )


def _check_splits(chosen: Mapping[str, Split], emotions: Mapping[str, str]) -> None:
    counts = Counter((split, emotions[image_id]) for image_id, split in chosen.items())
    for split in SPLITS:
        if not any(counts[split, emotion] for emotion in EMOTIONS):
            raise ValueError(f"no image is in the split {split}; add some, or raise --{split}-frac")
    if lost := [emotion for emotion in dict.fromkeys(emotions.values()) if not counts["train", emotion]]:
        raise ValueError(f"no image of {', '.join(lost)} is in the split train; move some there")
