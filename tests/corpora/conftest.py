"""A tiny EmoSet folder in the official layout, built row by row, whole or damaged."""

import json
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.corpora.emoset import plan, read
from pipeline.corpora.records import Record, Reject

NAMES = {
    "scene": ["beach", "street"],
    "object": ["Alarm clock", "Tree"],
    "facial_expression": ["happy", "sad"],
    "human_action": ["waving"],
}
INFO = {attribute: {"label2idx": {name: i for i, name in enumerate(names)}} for attribute, names in NAMES.items()}


def picture(seed: int = 0, mode: str = "RGB", size: tuple[int, int] = (16, 12)) -> Image.Image:
    """Noise of one seed, so that two seeds never have equal bytes."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


def encoded(image: Image.Image, file_format: str = "JPEG", **options: Any) -> bytes:
    """The bytes of an image file."""
    buffer = BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


@dataclass
class TinyEmoSet:
    """Rows and files of one folder; `rows` may be edited before `write`."""

    root: Path
    rows: dict[str, list[Any]] = field(default_factory=lambda: {"train": [], "val": [], "test": []})
    num_pictures: int = 0

    def add(
        self,
        split: str = "train",
        emotion: str = "awe",
        image: bytes | None = None,
        columns: int = 3,
        **annotation: Any,
    ) -> str:
        """Adds a picture with its annotation and row; returns its stem."""
        stem = f"{emotion}_{self.num_pictures:05d}"
        self.num_pictures += 1
        paths = [f"image/{emotion}/{stem}.jpg", f"annotation/{emotion}/{stem}.json"]
        self.put(paths[0], encoded(picture(self.num_pictures)) if image is None else image)
        self.put(paths[1], json.dumps({"image_id": stem, "emotion": emotion, **annotation}).encode())
        self.rows[split].append([emotion, *([stem] if columns == 4 else []), *paths])
        return stem

    def annotate(self, data: bytes) -> None:
        """Replaces the annotation of the last train row by raw bytes."""
        self.put(self.rows["train"][-1][-1], data)

    def put(self, path: str, data: bytes) -> None:
        """Writes one file of the folder."""
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(data)

    def write(self, info: Any = INFO) -> Path:
        """Writes the split files and info.json (None: none) and returns the folder."""
        self.root.mkdir(parents=True, exist_ok=True)
        for split, rows in self.rows.items():
            (self.root / f"{split}.json").write_text(json.dumps(rows))
        if info is not None:
            (self.root / "info.json").write_text(json.dumps(info))
        return self.root

    def outcomes(self) -> list[Record | Reject]:
        """What the reader makes of the folder."""
        folder = self.write()
        return list(read(folder, plan(folder)))


@pytest.fixture
def emoset(tmp_path: Path) -> TinyEmoSet:
    """An empty folder to fill."""
    return TinyEmoSet(tmp_path / "emoset")
