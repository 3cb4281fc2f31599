"""Pictures whose colour says how they are to be judged, a CLIP and a head that read it, and folders that hold them."""

import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

from pipeline.corpora.picture import Picture
from pipeline.corpora.records import Reject
from pipeline.emotions import EMOTIONS, INDEX
from pipeline.foundation import bundle
from pipeline.foundation.clip import load_clip
from pipeline.judges.head import EmotionHead, save_head
from pipeline.miniature.layouts import wikiart_schema
from pipeline.params import Emoart

from .conftest import encoded, picture

ROOT = Path(__file__).parents[2]

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
SETTINGS = Emoart(
    folder="folder", min_confidence=0.75, min_emotion_frac=0.01, val_frac=0.1, test_frac=0.2, batch_size=4,
    shard_images=10, max_reject_frac=1.0,
)  # fmt: skip


def painted(emotion: str, confidence: float, number: int = 0, size: tuple[int, int] = (4, 4)) -> Image.Image:
    """A picture of one colour: red is the emotion, green the confidence in 255ths, blue only tells pictures apart."""
    return Image.new("RGB", size, (INDEX[emotion], round(255 * confidence), number % 256))


def stored(emotion: str = "awe", confidence: float = 1.0, number: int = 0, size: tuple[int, int] = (4, 4)) -> bytes:
    """The same as a PNG; pictures of one emotion and confidence have equal bytes only where number and size are."""
    return encoded(painted(emotion, confidence, number, size), "PNG")


class ColourClip:
    """Sees the mean colour; `seen` has the size of each batch."""

    def __init__(self) -> None:
        self.width = 3
        self.seen: list[int] = []

    def encode_images(self, images: Sequence[Image.Image], normalize: bool = True) -> torch.Tensor:
        assert not normalize, "the head wants the lengths too"
        self.seen.append(len(images))
        return torch.tensor(np.array([np.asarray(image).reshape(-1, 3).mean(0) for image in images]) + 0.5).float()


class ColourHead:
    """Reads emotion and confidence back; the other emotions share the rest."""

    def probabilities(self, features: np.ndarray, norms: np.ndarray) -> np.ndarray:
        assert np.allclose(np.linalg.norm(features, axis=1), 1)
        colours = features * norms[:, None] - 0.5
        confidence = (colours[:, 1] / 255).astype(np.float32)
        found = np.repeat((1 - confidence[:, None]) / (len(EMOTIONS) - 1), len(EMOTIONS), axis=1).astype(np.float32)
        found[np.arange(len(found)), colours[:, 0].round().astype(int)] = confidence
        return found


@dataclass(frozen=True)
class Listed:
    """A unit of what is given."""

    outcomes: tuple[Picture | Reject, ...]

    @property
    def num_rows(self) -> int:
        return len(self.outcomes)

    def read(self) -> Iterator[Picture | Reject]:
        return iter(self.outcomes)


def row(data: bytes | None = b"", artist: Any = 1, genre: Any = 1, style: Any = 1) -> dict[str, Any]:
    """A row of WikiArt; data None is a row without a picture."""
    return {"image": {"bytes": data, "path": None}, "artist": artist, "genre": genre, "style": style}


def write_wikiart(
    folder: Path,
    rows: Sequence[dict[str, Any]],
    groups: int = 3,
    name: str = "train-00000-of-00001",
    schema: Any = None,
) -> Path:
    """Writes data/NAME.parquet with row groups of this many rows and returns the folder."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(list(rows), schema=schema or wikiart_schema())
    pq.write_table(table, folder / "data" / f"{name}.parquet", row_group_size=groups)
    return folder


def write_files(folder: Path, files: dict[str, bytes]) -> Path:
    """Writes files by their relative paths and returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def noise(number: int) -> Image.Image:
    """A picture of eight by eight random tiles: more unlike another than noise of every pixel."""
    return picture(number, size=(8, 8)).resize((64, 64), Image.Resampling.NEAREST)


def models_of_chance(folder: Path) -> Path:
    """models/ with the bundled CLIP and a head that finds all emotions in noise, and is sure of about half of it."""
    bundle.unpack(ROOT / "models/miniature/clip" / bundle.CLIP, folder / "foundation/clip")
    features = load_clip(folder / "foundation/clip").encode_images([noise(number) for number in range(40)])
    head = EmotionHead(128, None)
    weight = torch.randn(8, 128, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        head.layers[0].weight.copy_(weight)
        head.layers[0].bias.copy_(-weight @ features.mean(0) * 128**0.5)
    save_head(head, folder / "emotion_classifier", {})
    return folder


def write_tar(
    path: Path, files: dict[str, bytes], mode: str = "w", form: int = tarfile.PAX_FORMAT, mtime: float = 0
) -> Path:
    """Writes files into a tar by their paths, as webdataset's writer does, and returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode, format=form) as tar:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), mtime
            tar.addfile(info, BytesIO(data))
    return path
