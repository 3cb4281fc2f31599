"""An image whose EXIF block says that it lies on its side is turned once, by whatever reads it."""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from PIL import Image

from evoke import EmotionReader
from evoke.cli import main
from pipeline.corpora.labelled import Sample
from pipeline.emotions import EMOTIONS
from pipeline.features import pictures
from pipeline.report.sources import look
from pipeline.understanding.parts import parts_of
from pipeline.understanding.readers import understood
from pipeline.uniemo.pictures import cached_squares
from pipeline.work import WorkFolder
from tests.uniemo.test_reader import random_understanding

UPRIGHT = Image.fromarray(np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)).resize((96, 64))
LAID = (
    None, Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_180, Image.Transpose.FLIP_TOP_BOTTOM,
    Image.Transpose.TRANSPOSE, Image.Transpose.ROTATE_90, Image.Transpose.TRANSVERSE, Image.Transpose.ROTATE_270,
)  # fmt: skip


def laid(orientation: int) -> bytes:
    """A file that looks like UPRIGHT once its orientation, 1 to 8, is applied."""
    exif, how, buffer = Image.Exif(), LAID[orientation - 1], io.BytesIO()
    exif[0x0112] = orientation
    (UPRIGHT if how is None else UPRIGHT.transpose(how)).save(buffer, "PNG", exif=exif)
    return buffer.getvalue()


FILES = [laid(orientation) for orientation in range(1, 9)]


def rows() -> pa.Table:
    """An EmoSet of the eight files, an emotion each."""
    return pa.Table.from_pylist([
        {"image_id": f"emoset/{index}", "image": {"bytes": data, "path": f"{index}.png"}, "emotion": emotion,
         "split": "test"}
        for index, (data, emotion) in enumerate(zip(FILES, EMOTIONS, strict=True))
    ])  # fmt: skip


@pytest.fixture(scope="module")
def reader(models: Path) -> EmotionReader:
    folder, _ = random_understanding(models, "uniemo_orientation")
    return EmotionReader.from_pretrained(folder, device="cpu")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_read(reader: EmotionReader, orientation: int, tmp_path: Path) -> None:
    path = tmp_path / "one.png"
    path.write_bytes(FILES[orientation - 1])
    wanted = reader(UPRIGHT)
    for image in (path, Image.open(path)):
        reading = reader(image)
        assert reading.emotions == pytest.approx(wanted.emotions, abs=1e-6)
        for kind, drawn in reader.overlay(image, reading).items():
            assert np.array_equal(np.asarray(drawn), np.asarray(reader.overlay(UPRIGHT, reading)[kind]))


def test_the_command_read(reader: EmotionReader, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVOKE_DEVICE", "cpu")
    paths = [tmp_path / f"{index}.png" for index in range(8)]
    for path, data in zip(paths, FILES, strict=True):
        path.write_bytes(data)
    options = ["--model", models / "uniemo_orientation", "--out", tmp_path / "out", "--json"]
    result = CliRunner().invoke(main, ["read", "--miniature", *map(str, paths), *map(str, options)])
    assert result.exit_code == 0, result.output
    for line in result.stdout.splitlines():
        assert json.loads(line)["emotions"] == pytest.approx(reader(UPRIGHT).emotions, abs=1e-6)
    for kind in reader.kinds:
        assert len({Image.open(tmp_path / f"out/{index}-{kind}.png").tobytes() for index in range(8)}) == 1


def test_understanding_scores(reader: EmotionReader, tmp_path: Path) -> None:
    fi = tmp_path / "fi/emotion_dataset"
    for index, (data, emotion) in enumerate(zip(FILES, EMOTIONS, strict=True)):
        (fi / emotion).mkdir(parents=True)
        (fi / emotion / f"{index}.png").write_bytes(data)
    parts = parts_of(
        "emoset", [Path()], lambda _, columns: rows().select(columns), {"fi": tmp_path / "fi"}, None,
        lambda _: np.random.default_rng(0),
    )  # fmt: skip
    images = [sample.picture.pixels for part in parts for sample in part.samples() if isinstance(sample, Sample)]
    assert len(images) == 16
    wanted = understood(reader.understanding, [UPRIGHT]).probabilities
    assert np.abs(understood(reader.understanding, images).probabilities - wanted).max() < 1e-6


def test_report(reader: EmotionReader) -> None:
    seen = look(reader, pictures(rows()), EMOTIONS)
    assert len({tuple(figure.uri for figure in one.figures) for one in seen}) == 1
    wanted = reader(UPRIGHT).emotions
    assert [one.probability for one in seen] == pytest.approx([max(wanted.values())] * 8, abs=1e-6)


def test_training_sees_what_is_read(tmp_path: Path) -> None:
    squares = cached_squares(WorkFolder("toy", "a", tmp_path), [rows()], 32)
    assert (squares == squares[0]).all()
    assert squares[0].std() > 20
