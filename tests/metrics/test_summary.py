"""The file of all metrics: every figure overall and per emotion, real images beside, nothing dropped in silence."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from pipeline.emotions import EMOTIONS
from pipeline.metrics.coherence import Plausibility
from pipeline.metrics.columns import matrix, vectors
from pipeline.metrics.emotion_accuracy import asked
from pipeline.metrics.fid import fid_of_real
from pipeline.metrics.judgement import judged, load_bench, taker
from pipeline.metrics.real import Content, Real, fid_features, load_real, real_fid, references_of, save_real
from pipeline.metrics.summary import Yardstick, fid_results, method_metrics, real_metrics, yardstick_of
from pipeline.runtime import numpy_generator
from tests.metrics.bench import models_of_chance, rows, settings

OWN, REAL, REST = rows(range(48)), rows(range(100, 180)), rows(range(200, 240))
PLAUSIBILITY = Plausibility(("none", "sea", "wood"), ("none", "boat", "tree"), np.arange(9.0).reshape(3, 3) / 3)
GENERATOR = partial(numpy_generator, 0)
FID = ("fid/clip_miniature/clean", "fid/judge_small/clean", "fid/judge_small/emogen")
PER_PROTOCOL = ("feature_distance/judge_small", "sem_d_cosine/clip_miniature", "sem_d_mse/clip_miniature")
OVERALL = (
    *FID, "sem_c/judge_small/clean", "coherence/judge_small/clean", "sem_c/judge_small/emogen",
    "emo_a/classifier/emogen", "emo_a/judge/emogen",
    *(f"{name}/{protocol}" for name in PER_PROTOCOL for protocol in ("clean", "emogen")),
)  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    torch.set_num_threads(1)
    files = models_of_chance(tmp_path_factory.mktemp("models"))
    chosen = settings(num_pairs=4)
    bench = load_bench(files, chosen)
    yardstick = yardstick_of(bench, chosen, files.pretrained, None, PLAUSIBILITY)
    own, real, rest = (judged(table, bench, 16, table is OWN) for table in (OWN, REAL, REST))
    content = Content(["a"], ["a", "b"], files.hashes(None))
    references = references_of(real, lambda: [rest, rest.slice(0, 0)], yardstick.names, content)
    beside = real_metrics(real, taker(REAL.take, False), yardstick, references, GENERATOR)
    known = Real(references, PLAUSIBILITY, real.select, beside)
    return {"own": own, "real": real, "rest": rest, "yardstick": yardstick, "known": known}


@pytest.fixture(scope="module")
def found(world: dict[str, Any]) -> dict[str, Any]:
    return method_metrics(world["own"], taker(OWN.take, True), world["yardstick"], world["known"], GENERATOR)


def test_every_figure_has_n_an_interval_its_emotions_and_real_images_beside(found: dict[str, Any]) -> None:
    assert found["n"] == 48
    for key in OVERALL:
        assert found[f"{key}/low"] <= found[key] <= found[f"{key}/high"], key
        assert found[f"real/{key}"] is not None, key
        assert found[f"{key}/as_published"] is False
        for emotion in EMOTIONS:
            assert found[f"{key}/{emotion}"] is not None, key
            assert found[f"{key}/{emotion}/n"] > 0
            assert f"real/{key}/{emotion}" in found
    assert {key.removesuffix("/as_published") for key in found if key.endswith("/as_published")} == {
        *OVERALL, *(f"real/{key}" for key in FID),
    }  # fmt: skip


def test_without_scenes_and_objects_there_is_no_sem_c_and_all_else_keeps_its_bits(
    world: dict[str, Any], found: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    def cleared(table: pa.Table) -> pa.Table:
        for name in ("clarity", "stored_clarity"):
            table = table.set_column(table.schema.get_field_index(name), name, pa.nulls(len(table), pa.float32()))
        return table

    own, real, yardstick = cleared(world["own"]), cleared(world["real"]), world["yardstick"]
    with caplog.at_level("INFO", "evoke"):
        beside = real_metrics(real, taker(REAL.take, False), yardstick, world["known"].references, GENERATOR)
        known = Real(world["known"].references, PLAUSIBILITY, real.select, beside)
        metrics = method_metrics(own, taker(OWN.take, True), yardstick, known, GENERATOR)
    assert metrics == {key: value for key, value in found.items() if "sem_c/" not in key} != found
    assert caplog.text.count("No Sem-C: the judges know no scene and no object") == 1


def test_emo_a_keeps_its_names_beside_the_gap_of_the_judges(found: dict[str, Any]) -> None:
    assert found["emo_a/gap"] == pytest.approx(found["emo_a/classifier"] - found["emo_a/judge"])
    for name in ("emo_a/classifier", "emo_a/judge", "emo_a/gap", "luminance", "chroma"):
        assert found[f"{name}/low"] <= found[name] <= found[f"{name}/high"]
        assert found[f"{name}/n"] == 48
        assert f"real/{name}" in found


def test_emotion_and_clarity_under_emogen_are_of_its_own_columns(world: dict[str, Any], found: dict[str, Any]) -> None:
    own = world["own"]
    clarity = own["stored_clarity"].to_numpy()
    means = [clarity[asked(own) == index].mean() for index in range(8)]
    assert found["sem_c/judge_small/emogen"] == pytest.approx(np.mean(means), abs=1e-6)
    share = (matrix(own, "stored_classifier").argmax(1) == asked(own)).mean()
    assert found["emo_a/classifier/emogen"] == pytest.approx(share)


def test_real_images_beside_are_as_many_as_the_method_has(world: dict[str, Any], found: dict[str, Any]) -> None:
    assert [found[f"real/{key}/n"] for key in FID] == [40, 40, 40]  # half of ten real ones where a method has six
    real, counts = world["real"], dict.fromkeys(range(8), 6)
    generator = GENERATOR("real_fid", "feature")
    wanted = fid_of_real(fid_features(real, "feature"), asked(real), counts, generator, "x")[0].value
    assert found[f"real/{FID[0]}"] == pytest.approx(wanted)
    few = real_fid(real.select, world["known"].references, {0: 3}, GENERATOR)
    assert [result.n for result in few if result.emotion is None] == [3, 3, 3]


def test_real_images_beside_are_of_the_emotions_that_the_method_has(world: dict[str, Any]) -> None:
    known: Real = world["known"]
    rows_of = np.flatnonzero(np.isin(asked(world["own"]), [1, 4]))
    table, images = world["own"].take(rows_of), OWN.take(rows_of)
    found = method_metrics(table, taker(images.take, True), world["yardstick"], known, GENERATOR)
    for key in ("emo_a/classifier", "chroma", "sem_c/judge_small/clean", "sem_d_mse/clip_miniature/clean"):
        of_two = [known.metrics[f"{key}/{emotion}"] for emotion in ("awe", "anger")]
        assert [found[f"real/{key}/awe"], found[f"real/{key}/anger"]] == of_two
        assert found[f"real/{key}"] == pytest.approx(np.mean(of_two))
        assert found[f"real/{key}"] != known.metrics[key]
        assert f"real/{key}/fear" not in found
    assert "real/sem_d_mse/clip_miniature/emogen" not in found  # its pairs of awe would be of amusement, too


def test_fid_is_from_the_test_split_under_clean_and_from_all_splits_under_emogen(world: dict[str, Any]) -> None:
    references = world["known"].references
    assert {name: sum(part.n for part in each.parts.values()) for name, each in references.items()} == {
        "feature": 80, "judge_feature": 80, "squashed_judge_feature": 120,
    }  # fmt: skip
    total = sum(part.total for part in references["squashed_judge_feature"].parts.values())
    both = [matrix(world[name], "squashed_judge_feature").astype(float).sum(0) for name in ("real", "rest")]
    assert total == pytest.approx((both[0] + both[1])[:192], rel=1e-5)  # the means over places, not the maxima
    assert len({each.key for each in references.values()}) == 3


def test_an_emotion_without_real_pictures_has_no_fid_and_says_so(world: dict[str, Any]) -> None:
    real = world["real"].filter(asked(world["real"]) != 6)
    references = references_of(real, lambda: (), world["yardstick"].names)
    found = fid_results(world["own"], references, GENERATOR)
    overall = [result for result in found if result.emotion is None]
    assert [result.n for result in overall] == [42, 42, 42]
    assert all(np.isnan(result.value) and result.n == 6 for result in found if result.emotion == "fear")


def test_one_image_of_each_emotion_has_figures_that_are_null_and_no_error(world: dict[str, Any]) -> None:
    table = world["own"].slice(0, 48).take(list(range(0, 48, 6)))
    images = OWN.take(list(range(0, 48, 6)))
    assert len(set(table["emotion"].to_pylist())) == 8
    found = method_metrics(table, taker(images.take, True), world["yardstick"], world["known"], GENERATOR)
    assert found["sem_d_mse/clip_miniature/clean"] is None
    assert found["fid/judge_small/clean/awe"] is None
    assert found["fid/judge_small/clean"] is not None


def test_protocols_that_are_not_asked_for_are_absent_and_change_nothing_else(world: dict[str, Any]) -> None:
    whole: Yardstick = world["yardstick"]
    own = world["own"]
    clean = Yardstick(whole.names, whole.networks, None, settings(num_pairs=4, protocols=("clean",)))
    references = {name: each for name, each in world["known"].references.items() if not name.startswith("squashed")}
    known = Real(references, None, world["known"].read, world["known"].metrics)
    found = method_metrics(own, taker(OWN.take, True), clean, known, GENERATOR)
    both = method_metrics(own, taker(OWN.take, True), whole, world["known"], GENERATOR)
    assert not [key for key in found if "emogen" in key or "coherence" in key]
    assert {key: both[key] for key in found} == found


def test_what_is_known_of_real_pictures_comes_back_from_its_folder(world: dict[str, Any], tmp_path: Path) -> None:
    known: Real = world["known"]
    save_real(tmp_path, known.references, PLAUSIBILITY)
    again = load_real(tmp_path, known.read, known.metrics)
    assert again.references.keys() == known.references.keys()
    assert again.plausibility is not None
    assert (again.plausibility.scores == PLAUSIBILITY.scores).all()
    assert again.plausibility.scenes == PLAUSIBILITY.scenes
    (tmp_path / "feature.safetensors").write_bytes(b"{}")
    with pytest.raises(ValueError, match=r"feature\.safetensors"):
        load_real(tmp_path, known.read, known.metrics)


def test_a_table_of_nulls_has_no_column_for_fid(world: dict[str, Any]) -> None:
    nulls = pa.nulls(len(world["real"]), pa.list_(pa.float32()))
    index = world["real"].column_names.index("squashed_judge_feature")
    table = world["real"].set_column(index, "squashed_judge_feature", nulls)
    assert set(references_of(table, lambda: (), world["yardstick"].names)) == {"feature", "judge_feature"}


def test_emogen_pools_images_of_emotions_that_have_unequally_many(world: dict[str, Any]) -> None:
    places = np.flatnonzero((asked(world["own"]) != 1) | (np.arange(48) % 3 == 0))
    table = world["own"].take(places)
    assert set(np.bincount(asked(table))) == {2, 6}
    found = method_metrics(table, taker(OWN.take(places).take, True), world["yardstick"], world["known"], GENERATOR)
    right = matrix(table, "stored_judge").argmax(1) == asked(table)
    assert found["emo_a/judge/emogen"] == pytest.approx(right.mean())
    assert found["sem_c/judge_small/emogen"] == pytest.approx(table["stored_clarity"].to_numpy().mean(), abs=1e-6)
    numbers, real = np.bincount(asked(table)), world["known"].metrics
    beside = np.average([real[f"sem_c/judge_small/emogen/{emotion}"] for emotion in EMOTIONS], weights=numbers)
    assert found["real/sem_c/judge_small/emogen"] == pytest.approx(beside)


def test_clean_fid_is_fid_by_inception_from_the_test_split_alone(world: dict[str, Any]) -> None:
    def with_features(name: str) -> pa.Table:
        table = world[name]
        place = table.schema.get_field_index("clean_fid_feature")
        features = vectors(np.random.default_rng(len(table)).normal(size=(len(table), 3)))
        return table.set_column(place, "clean_fid_feature", features)

    own, real = with_features("own"), with_features("real")
    whole: Yardstick = world["yardstick"]
    yardstick = Yardstick(whole.names, whole.networks, None, settings(num_pairs=4, protocols=("clean", "clean-fid")))
    weights = {"clip": "a", "judge": "b", "inception": "c"}
    references = references_of(real, lambda: [world["rest"]], whole.names, Content(["a"], ["a", "b"], weights))
    known = Real(references, None, real.select, world["known"].metrics)
    found = method_metrics(own, taker(OWN.take, True), yardstick, known, GENERATOR)
    assert {key for key in found if key.endswith("/clean-fid")} == {
        "fid/inception/clean-fid", "real/fid/inception/clean-fid",
    }  # fmt: skip
    assert found["fid/inception/clean-fid"] is not None
    assert sum(part.n for part in references["clean_fid_feature"].parts.values()) == len(real)
