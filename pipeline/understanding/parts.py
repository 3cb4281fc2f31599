"""Provide labelled images in parts that are read one at a time: a corpus's test split and the small data sets."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.corpora import emotionroi, fi, twitter
from pipeline.corpora.classes import SMALL_SETS, SmallSet
from pipeline.corpora.images import read_image, to_rgb
from pipeline.corpora.labelled import LabelledFile, Sample, read
from pipeline.corpora.pack import check_rejects, describe_rejects
from pipeline.corpora.picture import Picture
from pipeline.corpora.records import Reject

PLANS: dict[SmallSet, Callable[[Path], list[LabelledFile]]] = {
    "fi": fi.plan, "emotionroi": emotionroi.plan, "twitter_i": twitter.plan_first, "twitter_ii": twitter.plan_second
}  # fmt: skip
PART_IMAGES = 1000
ReadShard = Callable[..., pa.Table]

_log = logging.getLogger("evoke")


@dataclass(frozen=True)
class Part:
    """A number of labelled images, opened one by one.

    `asked` holds the ids of the images that the captioner judges; if `probed`, features are kept for probes.
    """

    dataset: str
    num_rows: int
    samples: Callable[[], Iterator[Sample | Reject]]
    asked: frozenset[str]
    probed: bool = False


def parts_of(
    corpus: str,
    shards: Iterable[Path],
    read_shard: ReadShard,
    folders: Mapping[SmallSet, Path],
    num_asked: int | None,
    generator_of: Callable[[str], np.random.Generator],
) -> list[Part]:
    """Return the parts of the corpus's test split and of the small data sets, each data set in order of image_id.

    read_shard(path, columns=[...]) returns columns of one of its shards. generator_of returns the generator of a data
    set, which draws the `num_asked` images that the captioner judges. Small data sets without a folder are left out.
    Raises ValueError if a folder does not contain its data set.
    """
    for dataset in sorted(set(SMALL_SETS) - set(folders)):
        _log.info("%s is skipped because understanding_scores.datasets does not list it", dataset)
    parts = _parts_of_corpus(corpus, shards, read_shard, num_asked, generator_of(corpus))
    for dataset, folder in sorted(folders.items()):
        parts += _parts_of_folder(dataset, folder, num_asked, generator_of(dataset))
    return parts


def reject_counts(parts: Sequence[Part], rejects: pa.Table, max_reject_frac: float) -> dict[str, int]:
    """Return num_rows, num_rejects and rejects/<reason> under <data set>/; 0 rows for a data set that was left out.

    Raises ValueError if the share of rejects in a data set exceeds max_reject_frac.
    """
    numbers: dict[str, int] = {}
    for dataset in dict.fromkeys([*SMALL_SETS, *(part.dataset for part in parts)]):
        of_it = rejects.filter(pc.starts_with(rejects["image_id"], f"{dataset}/"))
        num_rows = sum(part.num_rows for part in parts if part.dataset == dataset)
        check_rejects(
            len(of_it), num_rows, max_reject_frac, "understanding_scores", f"{dataset}: {describe_rejects(of_it)}"
        )
        numbers |= {f"{dataset}/num_rows": num_rows, f"{dataset}/num_rejects": len(of_it)}
        numbers |= {
            f"{dataset}/rejects/{name}": number for name, number in Counter(of_it["reason"].to_pylist()).items()
        }
    return numbers


def _parts_of_corpus(
    corpus: str, shards: Iterable[Path], read_shard: ReadShard, num_asked: int | None, generator: np.random.Generator
) -> list[Part]:
    ids = {shard: _test(read_shard(shard, columns=["image_id", "split"]))["image_id"].to_pylist() for shard in shards}
    chosen_ids = chosen([image_id for image_ids in ids.values() for image_id in image_ids], num_asked, generator)

    def samples(shard: Path) -> Iterator[Sample]:
        for row in _test(read_shard(shard, columns=["image_id", "image", "emotion", "split"])).to_pylist():
            data, path = row["image"]["bytes"], row["image"]["path"]
            yield Sample(Picture(row["image_id"], data, path, to_rgb(read_image(data))), row["emotion"], "test")

    return [
        Part(corpus, len(image_ids), partial(samples, shard), chosen_ids)
        for shard, image_ids in ids.items()
        if image_ids
    ]


def _parts_of_folder(
    dataset: SmallSet, folder: Path, num_asked: int | None, generator: np.random.Generator
) -> list[Part]:
    planned = PLANS[dataset](folder)
    chosen_ids = chosen([item.file.image_id for item in planned if not item.file.reject], num_asked, generator)
    groups = [planned[begin : begin + PART_IMAGES] for begin in range(0, len(planned), PART_IMAGES)]
    return [Part(dataset, len(group), partial(read, folder, group), chosen_ids, True) for group in groups]


def chosen(image_ids: Sequence[str], number: int | None, generator: np.random.Generator) -> frozenset[str]:
    """Return `number` randomly drawn ids; all of them if there are no more or if `number` is None."""
    if number is None or number >= len(image_ids):
        return frozenset(image_ids)
    return frozenset(generator.choice(np.array(image_ids, object), number, replace=False).tolist())


def _test(rows: pa.Table) -> pa.Table:
    return rows.filter(pc.equal(rows["split"].cast(pa.string()), "test"))
