"""A checkout of EmoGen in small: every artefact under its published name, written by torch and pickle as EmoGen did."""

import io
import itertools
import pickle
import pickletools
import tracemalloc
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.emotions import EMOTIONS

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"ab" * 32 + b"\nsize 108913577\n"
CLASSIFIER = "weights/Clip_emotion_classifier/time_2023-11-12_03-29-best.pth"
ENCODER = "weights/image_encoder/2023-08-22-best.pth"
OBJECT_COEFFICIENTS = "dataset_balance/attr_coefficient_emotion_object.pkl"
SCENE_COEFFICIENTS = "dataset_balance/attr_coefficient_emotion_scene.pkl"
BALANCE = "dataset_balance/object_norepeat.pkl"
DOUBLED = b"Nq\x00" + b"".join(b"h%c\x86q%c" % (depth, depth + 1) for depth in range(60))  # t = (t, t), sixty times
OBJECTS = ("tower", "tree", "alarm_clock")
SCENES = ("tower", "beach")


class Calls:
    """Pickles as a call of anything, with any state."""

    def __init__(self, function: Any, *arguments: Any, state: Any = None) -> None:
        self.call = (function, arguments, state)[: 2 if state is None else 3]

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


@contextmanager
def little_memory() -> Iterator[None]:
    """Asserts that what runs inside allocates less than 64 MB at any time."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < 2**26
    finally:
        tracemalloc.stop()


def state_dict() -> dict[str, Tensor]:
    """EmoGen's classifier: one Linear(768, 8)."""
    random = torch.Generator().manual_seed(0)
    weight = torch.randn(8, 768, generator=random) * 0.05
    return {"fc.weight": weight, "fc.bias": torch.randn(8, generator=random)}


def saved(value: Any, device: str = "cpu") -> bytes:
    """What torch.save writes of a value that lies on `device`, which this machine need not have."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue() if device == "cpu" else rewritten(buffer.getvalue(), _text("cpu"), _text(device))


def rewritten(archive: bytes, old: bytes, new: bytes, entry: str = "data.pkl") -> bytes:
    """A torch archive in which an entry has `new` in the place of `old`, at least once."""
    entries = {info.filename: content for info, content in entries_of(archive)}
    (name,) = (name for name in entries if name.endswith(f"/{entry}"))
    assert old in entries[name]
    return archived(entries | {name: entries[name].replace(old, new)})


def entries_of(archive: bytes) -> list[tuple[zipfile.ZipInfo, bytes]]:
    """The entries of a zip file."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return [(info, opened.read(info)) for info in opened.infolist()]


def archived(entries: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """A zip file of these entries."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def pickled(value: Any, protocol: int = 4, core: str = "numpy.core") -> bytes:
    """A pickle whose arrays go by the module names of numpy 1 (numpy.core) or numpy 2 (numpy._core)."""
    data = pickle.dumps(value, protocol)
    starts = [*pickletools.genops(data), (None, None, len(data))]
    pieces = []
    for (opcode, argument, begin), (_, _, end) in itertools.pairwise(starts):
        piece = data[begin:end]
        if opcode.name in ("SHORT_BINUNICODE", "GLOBAL") and "numpy._core" in argument:
            name = argument.replace("numpy._core", core).encode()
            piece = b"c" + name.replace(b" ", b"\n") + b"\n" if opcode.name == "GLOBAL" else _short(name)
        pieces.append(b"" if opcode.name == "FRAME" else piece)  # a frame would have the wrong length
    return b"".join(pieces)


def probabilities(seed: int = 0) -> np.ndarray:
    """Eight that sum to 1."""
    return np.random.default_rng(seed).dirichlet(np.ones(8)).astype(np.float32)


def space() -> dict[str, Tensor]:
    """<emotion>_<mean or std> -> 768 values."""
    random = torch.Generator().manual_seed(1)
    return {
        f"{emotion}_{statistic}": torch.rand(768, generator=random)
        for emotion in EMOTIONS
        for statistic in ("mean", "std")
    }


def checkout(folder: Path) -> Path:
    """Writes all artefacts, the image encoder as the pointer that it is, and returns the folder."""
    objects = {name: probabilities(seed) for seed, name in enumerate(OBJECTS)}
    scenes = {name: probabilities(10 + seed) for seed, name in enumerate(SCENES)}
    files = {
        CLASSIFIER: saved(state_dict(), "cuda:4"),
        ENCODER: POINTER,
        OBJECT_COEFFICIENTS: pickled(objects),
        SCENE_COEFFICIENTS: pickled(scenes),
        "dataset_balance/object_attr.pkl": pickled({f"attr_{emotion}": ["tower", "tree"] for emotion in EMOTIONS}),
        "dataset_balance/scene_attr.pkl": pickled({f"attr_{emotion}": ["Beach"] for emotion in EMOTIONS}),
        "dataset_balance/all_attribute_object_scene.pkl": pickled(["tree", "tower", "alarm clock", "beach"]),
        BALANCE: pickled([f"/mnt/d/EmoSet/object/(12)Alarm clock/{emotion}_00001.jpg" for emotion in EMOTIONS]),
        "dataset_balance/scene_norepeat.pkl": pickled(["/mnt/d/EmoSet/scene/(3)beach/awe_00001.jpg"] * 2),
        **{f"emo_space/{name}_v2.pt": saved(value) for name, value in space().items()},
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def _text(word: str) -> bytes:
    """A word as protocol 2 pickles it."""
    return b"X" + len(word).to_bytes(4, "little") + word.encode()


def _short(name: bytes) -> bytes:
    return b"\x8c" + len(name).to_bytes(1, "little") + name
