"""Count the images of each corpus and measure their size: as drawn, as found on disk, or as published.

No image is decoded. Counting reads the split files of EmoSet and the footers of WikiArt's Parquet files; sizes are
means over a few files.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.corpora.records import SPLITS
from pipeline.corpora.validate import PUBLISHED, PUBLISHED_TOTAL
from pipeline.corpora.wikiart import parquet_files
from pipeline.emotions import EMOTIONS
from pipeline.foundation.recipes import IMAGE_PX
from pipeline.plan.rates import load_rates

if TYPE_CHECKING:
    from pipeline.corpora.classes import SmallSet
    from pipeline.params import Miniature, Params

WIKIART_PUBLISHED = 81_444
SMALL_PUBLISHED: "dict[SmallSet, int]" = {"fi": 22_683, "emotionroi": 1_980, "twitter_i": 1_269, "twitter_ii": 603}
PUBLISHED_ART_EMOTIONS = 6  # of the eight emotions, those left in the published EmoArt
PICTURES = (".jpg", ".jpeg", ".png", ".webp")
SAMPLED = 200


@dataclass(frozen=True)
class Corpus:
    """Images per split, their mean size in bytes and px, the figures' source, and whether a download is needed."""

    train: int
    val: int
    test: int
    picture_bytes: float
    width_px: float
    height_px: float
    source: str
    is_missing: bool = False

    @property
    def total(self) -> int:
        return self.train + self.val + self.test

    @property
    def megapixels(self) -> float:
        """Return the mean size of one image in megapixels."""
        return self.width_px * self.height_px / 1e6


@dataclass(frozen=True)
class Counts:
    """The images of every corpus.

    `emoart` is what curation keeps of `wikiart`, `art_emotions` how many emotions it has, `small` the images of each
    small set; `notes` state the source of the figures.
    """

    emoset: Corpus
    wikiart: Corpus
    emoart: Corpus
    art_emotions: int
    small: "dict[SmallSet, int]"
    notes: tuple[str, ...]

    def of(self, corpus: str) -> Corpus:
        """Return the corpus named `emoset` or `emoart`."""
        found: Corpus = getattr(self, corpus)
        return found


@dataclass(frozen=True)
class Curated:
    """The outcome of an earlier run of emoart: images read, share of them kept, and number of emotions kept."""

    num_pictures: int
    share: float
    num_emotions: int


def counts_of(params: "Params", drawn: Path, curated: Curated | None = None) -> Counts:
    """Return the counts of all corpora for `params`.

    `drawn` is the folder where the miniature's layouts are drawn. `curated` is the result of the last run of emoart; it
    is used only if that run had the same number of images.
    """
    rates, world = load_rates(), params.miniature
    emoset_folder, art_folder = Path(params.emoset.folder), Path(params.emoart.folder)
    emoset = _drawn(world.num_emoset) if emoset_folder == drawn / "emoset" else count_emoset(emoset_folder)
    wikiart = _drawn(world.num_wikiart) if art_folder == drawn / "wikiart" else count_art(art_folder)
    known = curated is not None and curated.num_pictures == wikiart.total
    share = curated.share if curated and known else rates.emoart_frac.value
    told = "measured by the last run" if known else f"{rates.emoart_frac.status}: {rates.emoart_frac.source}"
    kept = wikiart.total * share
    val, test = round(kept * params.emoart.val_frac), round(kept * params.emoart.test_frac)
    emoart = Corpus(
        round(kept) - val - test, val, test, wikiart.picture_bytes, wikiart.width_px, wikiart.height_px, told
    )
    emotions = curated.num_emotions if curated and known else _art_emotions(wikiart)
    named = {"EmoSet": emoset, "WikiArt": wikiart, "EmoArt": emoart}
    notes = tuple(f"{name}: {corpus.total:,} pictures, {corpus.source}" for name, corpus in named.items())
    return Counts(emoset, wikiart, emoart, emotions, _small(params, drawn), notes)


def count_emoset(folder: Path) -> Corpus:
    """Return the counts of a folder in EmoSet's official layout, or of the published EmoSet-118K if absent."""
    rates = load_rates()
    files = [folder / f"{split}.json" for split in SPLITS]
    if not all(file.is_file() for file in files):
        val, test = (sum(of[split] for of in PUBLISHED.values()) for split in ("val", "test"))
        size = rates.emoset_bytes.value, *rates.emoset_px.value
        told = f"published ({folder} is not here); {size[0] / 1e3:g} kB and {size[1]:g} x {size[2]:g} px are assumed"
        return Corpus(PUBLISHED_TOTAL - val - test, val, test, *size, told, is_missing=True)
    numbers = dict(zip(SPLITS, (len(json.loads(file.read_bytes())) for file in files), strict=True))
    size = _sizes(folder / "image", rates.emoset_px.value)
    return Corpus(numbers["train"], numbers["val"], numbers["test"], *size, f"counted in {folder}")


def count_art(folder: Path) -> Corpus:
    """Return the count of WikiArt's Parquet files or any folder of images, or of the published WikiArt if absent."""
    import pyarrow.parquet as pq

    rates = load_rates()
    size = rates.wikiart_px.value
    if files := parquet_files(folder):
        number = sum(pq.read_metadata(file).num_rows for file in files)
        mean = sum(file.stat().st_size for file in files) / max(number, 1)
        return Corpus(number, 0, 0, mean, *size, f"counted in {folder}; {size[0]:g} x {size[1]:g} px are assumed")
    if number := sum(1 for _ in _pictures(folder)):
        return Corpus(number, 0, 0, *_sizes(folder, size), f"counted in {folder}")
    told = f"published ({folder} is not here); {size[0]:g} x {size[1]:g} px are assumed"
    return Corpus(WIKIART_PUBLISHED, 0, 0, rates.wikiart_bytes.value, *size, told, is_missing=True)


def _drawn(number: int) -> Corpus:
    """Return the counts of a layout of the miniature, which is split like EmoSet."""
    val, test = round(0.05 * number), round(0.15 * number)
    size = load_rates().drawn_bytes.value, IMAGE_PX, IMAGE_PX
    return Corpus(number - val - test, val, test, *size, "drawn, as params.yaml says")


def _art_emotions(wikiart: Corpus) -> int:
    return PUBLISHED_ART_EMOTIONS if wikiart.is_missing else len(EMOTIONS)


def _sizes(folder: Path, otherwise: tuple[float, float]) -> tuple[float, float, float]:
    """Return picture_bytes, width_px and height_px as means over the first files, from file headers alone.

    `otherwise` is used for width and height if no header can be read.
    """
    from PIL import Image, UnidentifiedImageError

    files = list(islice(_pictures(folder), SAMPLED))
    found: list[tuple[int, int]] = []
    for file in files[:20]:
        try:
            with Image.open(file) as picture:
                found.append(picture.size)
        except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
            continue  # the stage that packs it reports the error
    width, height = (sum(each) / len(found) for each in zip(*found, strict=True)) if found else otherwise
    mean = sum(file.stat().st_size for file in files) / max(len(files), 1)
    return mean, width, height


def _pictures(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.suffix.lower() in PICTURES)


def _small(params: "Params", drawn: Path) -> "dict[SmallSet, int]":
    """Return the numbers of images of the small sets that understanding_scores names."""
    scores, world = params.understanding_scores, params.miniature
    of_world = _drawn_small(world)
    folders = {
        "fi": scores.fi_folder, "emotionroi": scores.emotionroi_folder, "twitter_i": scores.twitter_folder,
        "twitter_ii": scores.twitter_folder,
    }  # fmt: skip
    return {
        name: of_world[name] if Path(folders[name]).parent == drawn else SMALL_PUBLISHED[name]
        for name in scores.datasets
    }


def _drawn_small(world: "Miniature") -> "dict[SmallSet, int]":
    return {
        "fi": world.num_fi, "emotionroi": world.num_emotionroi, "twitter_i": world.num_twitter_i,
        "twitter_ii": world.num_twitter_ii,
    }  # fmt: skip
