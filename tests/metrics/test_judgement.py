"""One pass over images: a row each, with what every metric needs, and nothing of what is not asked for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image

from pipeline.artifacts import encode_words
from pipeline.corpora.images import read_image, to_rgb
from pipeline.features import pictures
from pipeline.metrics.columns import matrix
from pipeline.metrics.emogen import opened, stored, twice_rescaled_features
from pipeline.metrics.emogen import squashed as emogen_square
from pipeline.metrics.judgement import Bench, judged, load_bench, luminance_and_chroma, names, squashed, taker
from pipeline.schemas import SCORES_SCHEMA, check_table
from tests.metrics.bench import encoded, laid_down, models_of_chance, rows, settings

IMAGES = rows(range(10), (96, 64))
NULLABLE = ("inception_feature", "clean_fid_feature", "squashed_feature", "squashed_judge_feature",
            "squashed_inception_feature", "stored_classifier", "stored_judge", "stored_clarity")  # fmt: skip


class Corner(torch.nn.Module):
    """In place of Inception: the pixels of a square's upper left corner, as it is given them."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))

    def forward(self, squares: torch.Tensor) -> torch.Tensor:
        return squares[:, :2, :2].flatten(1).float() * self.scale


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    torch.set_num_threads(1)
    return load_bench(models_of_chance(tmp_path_factory.mktemp("models")), settings())


def test_the_table_is_of_the_schema_and_its_norm_gives_the_raw_feature_back(bench: Bench) -> None:
    table = judged(IMAGES, bench, 4, generated=True)
    check_table(encode_words(table, SCORES_SCHEMA), SCORES_SCHEMA)
    raw = bench.clip.encode_images(pictures(IMAGES), normalize=False).numpy()
    assert matrix(table, "feature") * table["norm"].to_numpy()[:, None] == pytest.approx(raw, abs=1e-4)
    assert np.linalg.norm(matrix(table, "feature"), axis=1) == pytest.approx(1, abs=1e-5)
    for name in ("inception_feature", "clean_fid_feature", "squashed_inception_feature"):
        assert table[name].null_count == 10


def test_what_no_protocol_asks_for_is_null(bench: Bench) -> None:
    table = judged(IMAGES, replace(bench, protocols=("clean",)), 4, generated=True)
    check_table(encode_words(table, SCORES_SCHEMA), SCORES_SCHEMA)
    assert all(table[name].null_count == len(table) for name in NULLABLE)
    assert not table["judge_feature"].null_count


def test_emogen_sees_generated_pictures_as_jpeg_and_real_ones_as_they_come(bench: Bench) -> None:
    found = {generated: judged(IMAGES, bench, 4, generated) for generated in (True, False)}
    images = pictures(IMAGES)
    for generated, seen in ((True, [stored(image) for image in images]), (False, images)):
        wanted = twice_rescaled_features(bench.clip, seen)
        assert matrix(found[generated], "squashed_feature") == pytest.approx(wanted, abs=1e-5)
    assert (matrix(found[True], "judge_feature") == matrix(found[False], "judge_feature")).all()


def test_emotion_and_clarity_under_emogen_are_of_the_files_that_published_code_writes(bench: Bench) -> None:
    found = {generated: judged(IMAGES, bench, 4, generated) for generated in (True, False)}
    verdicts = bench.judges.judge([stored(image) for image in pictures(IMAGES)])
    assert matrix(found[True], "stored_judge") == pytest.approx(verdicts.emotions, abs=1e-5)
    assert found[True]["stored_clarity"].to_numpy() == pytest.approx(bench.judges.clarity(verdicts), abs=1e-5)
    for name in ("classifier", "judge"):
        assert np.abs(matrix(found[True], f"stored_{name}") - matrix(found[True], name)).max() > 1e-5
        assert matrix(found[False], f"stored_{name}") == pytest.approx(matrix(found[False], name), abs=1e-6)


def test_emogen_squashes_what_clean_crops(bench: Bench) -> None:
    wide = Image.new("RGB", (96, 64))
    wide.paste((255, 255, 255), (0, 0, 10, 64))
    one = IMAGES.slice(0, 1).set_column(2, "image", pa.array([{"bytes": encoded(wide), "path": None}]))
    table = judged(one, replace(bench, inception=Corner()), 4, generated=False)
    assert matrix(table, "inception_feature").max() < 10
    assert matrix(table, "squashed_inception_feature").min() > 245
    squashing = judged(one, replace(bench, inception=Corner(), protocols=("clean-fid",)), 4, generated=True)
    assert matrix(squashing, "clean_fid_feature").min() > 245
    assert squashing["inception_feature"].null_count == squashing["squashed_inception_feature"].null_count == 1
    assert np.abs(matrix(table, "judge_feature") - matrix(table, "squashed_judge_feature")).max() > 1e-3


def test_emogen_opens_real_pictures_without_turning_them_and_clean_sees_them_upright(bench: Bench) -> None:
    files = [laid_down(number) for number in range(4)]
    images = pa.array([{"bytes": data, "path": None} for data in files])
    some = IMAGES.slice(0, 4).set_column(2, "image", images)
    upright, lying = ([convert(read_image(data)) for data in files] for convert in (to_rgb, opened))
    assert [image.size for image in (upright[0], lying[0])] == [(48, 96), (96, 48)]
    found = {generated: judged(some, bench, 3, generated) for generated in (True, False)}
    for generated, seen in ((True, [stored(image) for image in upright]), (False, lying)):
        table, verdicts = found[generated], bench.judges.judge(seen)
        assert matrix(table, "stored_judge") == pytest.approx(verdicts.emotions, abs=1e-5)
        squares = bench.judges.judge([emogen_square(image, 64) for image in seen])
        assert matrix(table, "squashed_judge_feature") == pytest.approx(squares.features, abs=1e-4)
        assert matrix(table, "squashed_feature") == pytest.approx(twice_rescaled_features(bench.clip, seen), abs=1e-5)
        assert matrix(table, "judge") == pytest.approx(bench.judges.judge(upright).emotions, abs=1e-5)
        assert taker(some.take, generated)([2], "emogen") == [seen[2]]
        assert taker(some.take, generated)([2], "clean") == [upright[2]]
    rest = squashed(some, bench, 3)
    wanted = matrix(found[False], "squashed_judge_feature")
    assert matrix(rest, "squashed_judge_feature") == pytest.approx(wanted, abs=1e-4)


def test_of_other_splits_there_is_what_emogen_measures_fid_by(bench: Bench) -> None:
    whole, part = judged(IMAGES, bench, 4, generated=False), squashed(IMAGES, bench, 3)
    assert part["emotion"].to_pylist() == IMAGES["emotion"].to_pylist()
    wanted = matrix(whole, "squashed_judge_feature")
    assert matrix(part, "squashed_judge_feature") == pytest.approx(wanted, abs=1e-4)
    assert len(squashed(IMAGES.slice(0, 0), bench, 3)) == 0


def test_pictures_are_taken_by_row_as_a_protocol_finds_them() -> None:
    def read(wanted: list[int]) -> pa.Table:
        return IMAGES.take(wanted)

    images = pictures(IMAGES)
    assert taker(read, generated=True)([7, 2], "clean") == [images[7], images[2]]
    assert taker(read, generated=True)([7], "emogen") == [stored(images[7])]
    assert taker(read, generated=False)([7], "emogen") == [images[7]]


@pytest.mark.parametrize("key", ["inception_weights", "alexnet_weights", "lpips_heads"])
def test_a_missing_file_is_named_before_anything_is_loaded(key: str, tmp_path: Path) -> None:
    files = models_of_chance(tmp_path / "models")
    for file in files.clip.iterdir():
        file.unlink()  # to load it would be an error of its own
    with pytest.raises(
        ValueError, match=rf"scores\.{key} = 'gone\.safetensors': .*gone\.safetensors does not exist; .* to null"
    ):
        load_bench(files, settings(**{key: "gone.safetensors"}))


def test_luminance_and_chroma_of_plain_colours() -> None:
    assert luminance_and_chroma(Image.new("RGB", (4, 4), "white")) == pytest.approx((1.0, 0.0), abs=1e-5)
    assert luminance_and_chroma(Image.new("RGB", (4, 4), (255, 0, 0)))[1] > 0.5
    assert names(("none", "beach"), np.array([[0.2, 0.8], [0.9, 0.1]])).to_pylist() == ["beach", "none"]
