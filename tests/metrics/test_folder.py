"""Anyone's folder: every file is scored or a reject with its reason, and a folder that cannot be one is one line."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from evoke.png import png_bytes
from evoke.scored_folder import judge_folder, plan_emotions, reject_counts
from pipeline.corpora.images import read_image, to_rgb
from pipeline.emotions import EMOTIONS
from pipeline.metrics.columns import matrix
from pipeline.metrics.emogen import opened, stored
from pipeline.metrics.judgement import Bench, load_bench
from tests.metrics.bench import encoded, laid_down, models_of_chance, picture, settings, write_folder


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    torch.set_num_threads(1)
    return load_bench(models_of_chance(tmp_path_factory.mktemp("models")), settings())


def test_every_file_is_scored_or_a_reject_with_its_reason(bench: Bench, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "mine", range(16))
    (folder / "awe/deep").mkdir()
    (folder / "awe/deep/1.png").write_bytes(encoded(picture(1)))
    (folder / "fear/cut.png").write_bytes(encoded(picture(6))[:300])
    (folder / "fear/page.jpg").write_bytes(b"<html>404</html>")
    (folder / "stray.png").write_bytes(encoded(picture(0)))
    (folder / "notes.txt").write_text("no picture")
    planned = plan_emotions(folder)
    assert planned.emotions == list(EMOTIONS)
    found = judge_folder(planned, bench, 5, generated=True)
    assert len(found.scores) == len(found.hashes) == 17
    assert found.scores["emotion"].to_pylist().count("awe") == 3
    for row in found.scores.select(["image_id", "emotion"]).to_pylist():
        assert row["image_id"].split("/")[1] == row["emotion"]
    assert reject_counts(found.rejects) == {
        "rejects": 3, "rejects/truncated_image": 1, "rejects/unknown_emotion": 1, "rejects/unsupported_format": 1,
    }  # fmt: skip


def test_contact_sheets_are_no_images_of_a_folder(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "mine", range(8))
    (folder / "awe/awe-sheet.png").write_bytes(png_bytes(np.zeros((10, 20, 3), np.uint8), {"seed": [1, 2]}))
    (folder / "awe/my-sheet.png").write_bytes(encoded(picture(3)))  # anyone's file of such a name is an image
    planned = plan_emotions(folder)
    assert planned.sheets == ("awe/awe-sheet.png",)
    assert sorted(file.path for file in planned.files if file.path.startswith("awe/"))[-1] == "awe/my-sheet.png"
    assert len(planned.files) == 9


def test_pictures_are_taken_again_by_row_and_png_of_generated_ones_goes_through_jpeg(
    bench: Bench, tmp_path: Path
) -> None:
    folder = write_folder(tmp_path / "mine", range(8))
    (folder / "awe/1.png").write_bytes(b"<html>")
    jpeg = folder / "awe/9.jpg"
    jpeg.write_bytes(encoded(picture(9), "JPEG"))
    for generated in (True, False):
        found = judge_folder(plan_emotions(folder), bench, 3, generated)
        row = found.scores["emotion"].to_pylist().index("fear")
        assert found.take([row], "clean") == [picture(6)]
        assert found.take([row], "emogen") == [stored(picture(6)) if generated else picture(6)]
        row = found.scores["emotion"].to_pylist().index("awe")
        assert found.take([row], "clean") == found.take([row], "emogen")


def test_emogen_opens_real_pictures_and_generated_jpegs_as_published(bench: Bench, tmp_path: Path) -> None:
    data, exif = laid_down(1), Image.Exif()
    exif[0x0112] = 6
    jpeg = encoded(picture(1, (96, 48)), "JPEG", exif=exif)
    upright, lying = ([convert(read_image(one)) for one in (data, jpeg)] for convert in (to_rgb, opened))
    (tmp_path / "awe").mkdir()
    (tmp_path / "awe/1.png").write_bytes(data)
    (tmp_path / "awe/2.jpg").write_bytes(jpeg)
    for generated, seen in ((True, [stored(upright[0]), lying[1]]), (False, lying)):
        found = judge_folder(plan_emotions(tmp_path), bench, 2, generated)
        assert found.take([0, 1], "clean") == upright
        assert found.take([0, 1], "emogen") == seen
        wanted = bench.judges.judge(seen).emotions
        assert matrix(found.scores, "stored_judge") == pytest.approx(wanted, abs=1e-5)


def test_a_file_that_is_changed_while_a_folder_is_scored_is_one_line(bench: Bench, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "mine", range(8))
    judged = judge_folder(plan_emotions(folder), bench, 4, generated=True)
    row = judged.scores["emotion"].to_pylist().index("fear")
    for content in (b"<html>", None):
        (folder / "fear/6.png").write_bytes(content) if content else (folder / "fear/6.png").unlink()
        with pytest.raises(ValueError, match=r"fear/6.* changed while the folder was scored .*; run again"):
            judged.take([row], "clean")


def test_a_folder_that_cannot_be_one_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not exist"):
        plan_emotions(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty has no images"):
        plan_emotions(tmp_path / "empty")
    flat = tmp_path / "flat"
    flat.mkdir()
    (flat / "1.png").write_bytes(encoded(picture(1)))
    with pytest.raises(ValueError, match=r"has no subfolders; expected one per emotion, such as .*awe"):
        plan_emotions(flat)
    folder = write_folder(tmp_path / "mine", range(8))
    (folder / ".cache").mkdir()
    (folder / "anger").rename(folder / "angry")
    with pytest.raises(
        ValueError, match=r"angry is not named after an emotion; did you mean 'anger'\? Allowed are amusement,"
    ):
        plan_emotions(folder)
    (folder / "angry").rename(folder / "joy")
    with pytest.raises(ValueError, match=r"joy is not .*; did you mean 'amusement', 'contentment' or 'excitement'\?"):
        plan_emotions(folder)
    (folder / "joy").rename(folder / "anger")
    (folder / "anger/4.png").unlink()
    with pytest.raises(ValueError, match="anger has no images; add images"):
        plan_emotions(folder)
    (folder / "anger").rmdir()
    (tmp_path / "elsewhere").mkdir()
    (folder / "anger").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=r"anger has no images; .*link to outside the folder"):
        plan_emotions(folder)


def test_a_folder_of_damaged_pictures_says_what_is_wrong(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "awe").mkdir()
    (tmp_path / "awe/1.png").write_bytes(b"<html>")
    with pytest.raises(ValueError, match="none of 1 images can be read: 1 unsupported_format"):
        judge_folder(plan_emotions(tmp_path), bench, 4, generated=True)
