"""Read sharded data sets: tars of webdataset, Parquet and Arrow files of the datasets library, here or on a hub.

A shard is streamed on its own: planning looks at names and sizes only, and a large local file is read in parts of about
MAX_SHARD_BYTES. Ids are `corpus/shard/key`, where key is a member's path in a tar, else the number of the row. A hub's
shard is downloaded when it is read, and deleted afterwards.
"""

import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path, PurePath

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.corpora import arrow, tar, wikiart
from pipeline.corpora.folder import READABLE, is_system_name, safe_name, unique
from pipeline.corpora.hub import HubData
from pipeline.corpora.pack import MAX_SHARD_BYTES
from pipeline.corpora.picture import Picture
from pipeline.corpora.records import Reject

PARQUET, ARROW = ".parquet", ".arrow"
TARS = (*tar.PLAIN, *tar.COMPRESSED)
KINDS = (TARS, (PARQUET,), (ARROW,))  # only the first that a data set has is read
SUFFIXES = (*TARS, PARQUET, ARROW)

_log = logging.getLogger("evoke")


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `parts` parts of a file, which is a path here, or in a data set of a hub.

    ids: what precedes the keys of its images. inside: what precedes the paths of a tar's members. spool: the folder for
    downloads; None: the system's.
    """

    file: Path
    ids: str
    inside: str = ""
    part: int = 0
    parts: int = 1
    hub: HubData | None = None
    spool: Path | None = None

    @property
    def num_rows(self) -> None:
        """Return None: the number is known only when the file is read."""

    def read(self) -> Iterator[Picture | Reject]:
        """Yield one image or reject per image of a tar or row of a table, by id.

        Raises ValueError that names the file if a table is damaged, or if a download fails.
        """
        with self._local() as path:
            if self.file.name.endswith(TARS):
                members = tar.images(path)
                chosen = self._share([member.num_bytes for member in members])
                yield from tar.read(path, self.ids, self.inside, members[chosen.start : chosen.stop])
            elif self.file.suffix == ARROW:
                yield from arrow.read(path, self.ids, self._share([size for _, size in arrow.sizes(path)]))
            else:
                yield from self._parquet(path)

    def _parquet(self, path: Path) -> Iterator[Picture | Reject]:
        with wikiart.errors_name(path):
            footer, schema = pq.read_metadata(path), pq.read_schema(path)
        column = wikiart.picture_column(schema)
        if column is None:
            raise ValueError(f"{self.file} has no column with the bytes of images; its columns: {schema.names}")
        groups = [footer.row_group(group) for group in range(footer.num_row_groups)]
        counts = [group.num_rows for group in groups]
        chosen = self._share([group.total_byte_size for group in groups])
        first, number = sum(counts[: chosen.start]), sum(counts[chosen.start : chosen.stop])
        digits = max(wikiart.MIN_DIGITS, len(str(sum(counts) - 1)))
        yield from wikiart.RowGroups(path, tuple(chosen), first, number, self.ids, digits, column).read()

    def _share(self, sizes: Sequence[int]) -> range:
        """Return the positions of the items of this part: those that begin in its share of the total size."""
        begins, total = [0, *accumulate(sizes)][:-1], max(sum(sizes), 1)
        parts = [min(begin * self.parts // total, self.parts - 1) for begin in begins]
        return range(sum(part < self.part for part in parts), sum(part <= self.part for part in parts))

    @contextmanager
    def _local(self) -> Iterator[Path]:
        if self.hub is None:
            yield self.file
            return
        with tempfile.TemporaryDirectory(dir=self.spool) as folder:
            yield self.hub.fetch(self.file.as_posix(), Path(folder))


def plan(source: Path, corpus: str) -> list[Shard]:
    """Return the shards of a folder, or of a single file, in order of their ids; none if it has loose images instead.

    Raises ValueError for a shard that is no regular file.
    """
    if source.name.endswith(SUFFIXES) and not source.is_dir():
        return _parts(source, corpus, "")
    files, num_images = _found(source)
    if files and num_images:
        _log.warning("%d files such as %s beside the images are not read; name them on their own", len(files), files[0])
        return []
    names = {file: file.relative_to(source) for file in files}
    return [part for file, name in _named(files, names) for part in _parts(file, f"{corpus}/{name}", f"{name}/")]


def plan_hub(data: HubData, corpus: str) -> list[Shard]:
    """Return the shards of a data set on a hub. Raises ValueError if it has none, or if its files cannot be listed."""
    files = _of_one_kind([Path(name) for name in data.names()])
    if not files:
        raise ValueError(
            f"the data set {data.hub_id} has no Parquet, Arrow or tar files at {data.revision}; the hub's own "
            "conversion may: give the commit of its branch refs/convert/parquet"
        )
    return [
        Shard(file, f"{corpus}/{name}", f"{name}/", hub=data)
        for file, name in _named(files, {file: file for file in files})
    ]


def _parts(file: Path, ids: str, inside: str) -> list[Shard]:
    if not file.is_file():  # opening a pipe would block
        raise ValueError(f"{file} is not a regular file; remove it or download it again")
    parts = max(1, -(-file.stat().st_size // MAX_SHARD_BYTES))
    return [Shard(file, ids, inside, part, parts) for part in range(parts)]


def _named(files: Sequence[Path], inside: dict[Path, Path]) -> list[tuple[Path, str]]:
    """Return each file with a name of its own, without slashes so that no key leads from one to another; in order."""
    stems = [_stem(inside[file]) for file in files]
    return sorted(zip(files, unique(stems), strict=True), key=lambda pair: f"{pair[1]}/")


def _stem(path: PurePath) -> str:
    text = path.as_posix()
    suffix = next(suffix for suffix in SUFFIXES if text.endswith(suffix))
    return safe_name(text.removesuffix(suffix).replace("/", "_"))


def _found(folder: Path) -> tuple[list[Path], int]:
    """Return the shards at any depth of a folder, those of one kind, and the number of loose images."""
    files, num_images = list[Path](), 0
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_system_name(name))
        own = [name for name in sorted(names) if not is_system_name(name)]
        num_images += sum(name.lower().endswith(READABLE) for name in own)
        files += [Path(parent, name) for name in own if name.endswith(SUFFIXES)]
    return [
        file for file in _of_one_kind(files) if file.suffix not in (PARQUET, ARROW) or _has_images(file)
    ], num_images


def _of_one_kind(files: Sequence[Path]) -> list[Path]:
    kinds = ([file for file in sorted(files) if file.name.endswith(kind)] for kind in KINDS)
    return next((kind for kind in kinds if kind), [])


def _has_images(file: Path) -> bool:
    """Return False for a readable table without images, and for what a saved data set does not list."""
    if file.suffix == ARROW:
        return arrow.is_listed(file)
    try:
        return wikiart.picture_column(pq.read_schema(file)) is not None
    except (OSError, pa.ArrowException):
        return True  # to be reported when it is read
