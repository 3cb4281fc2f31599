"""The work of every stage: held against dvc.yaml, against figures by hand, and moved by the params that it follows."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline.params import read_yaml
from pipeline.plan.counts import Curated, count_art, count_emoset, counts_of
from pipeline.plan.work import Setting, Stage
from pipeline.plan.workload import ITEMS, STAGES, workload

ROOT = Path(__file__).parents[2]
Make = Callable[..., Setting]


def by_unit(setting: Setting) -> dict[str, Stage]:
    return {stage.unit: stage for stage in workload(setting)}


def test_every_stage_of_the_dag_has_a_line_in_running_order() -> None:
    dag: dict[str, Any] = read_yaml(ROOT / "dvc.yaml")["stages"]
    assert ["code", *STAGES] == list(dag)
    assert set(ITEMS) == {name for name, entry in dag.items() if "foreach" in entry}


@pytest.mark.parametrize("preset", ["miniature", "smoke", "paper"])
def test_items_are_those_that_dvc_expands(setting: Make, preset: str) -> None:
    params = setting(preset).params
    values = params.model_dump(mode="json")
    for name, entry in read_yaml(ROOT / "dvc.yaml")["stages"].items():
        if "foreach" in entry:
            section, _, key = entry["foreach"].strip("${}").partition(".")
            assert list(ITEMS[name](params)) == (values[section][key] if key else values[section])


def test_the_paper_preset_has_the_published_numbers_of_pictures(setting: Make) -> None:
    found = by_unit(setting("paper"))
    assert not any(unit.startswith(("miniature", "truth_checks")) for unit in found)
    assert found["features@emoset"].number == 118_102
    assert found["latents@emoset"].number == 94_481
    assert found["emoart"].number == 81_444
    assert found["captions@emoart"].number == pytest.approx(13_633, abs=1)
    assert found["images@coemogen_emoset"].number == 8_000
    assert found["images@coemogen_emoart"].number == 6_000


def test_bytes_follow_from_schemas_and_shapes(setting: Make) -> None:
    found = by_unit(setting("paper"))
    assert found["latents@emoset"].num_bytes == pytest.approx(94_481 * 4 * (4 * 64 * 64) * 2, rel=0.001)
    assert found["features@emoset"].num_bytes == pytest.approx(118_102 * 768 * 4, rel=0.02)
    assert found["images@dreambooth"].num_bytes == pytest.approx(8_000 * 450_000, rel=0.02)
    assert found["foundation_diffusion"].download_bytes == pytest.approx(4.26e9, rel=0.01)
    assert found["emoart"].download_bytes == pytest.approx(37e9, rel=0.01)


def test_bytes_of_the_miniature_are_those_that_dvc_noted(setting: Make) -> None:
    lock = read_yaml(ROOT / "dvc.lock")["stages"]
    found = by_unit(setting("miniature"))
    for unit in ("foundation_clip", "foundation_diffusion", "foundation_captioner", "features@emoset", "emoset",
                 "images@uniemo_joint", "scores@uniemo_joint", "judges", "uniemo_understanding"):  # fmt: skip
        noted = sum(out.get("size", 0) for out in lock[unit]["outs"])
        assert found[unit].num_bytes == pytest.approx(noted, rel=0.25), unit


def test_an_image_is_two_passes_a_solver_step_and_the_decoder(setting: Make) -> None:
    found = by_unit(setting("paper"))["images@stable_diffusion"]
    assert found.flops_each == pytest.approx((50 * 2 * 803.3 + 2514.5 + 13.3) * 1e9, rel=0.001)


def test_twice_the_steps_are_twice_the_work_of_that_stage_alone(setting: Make) -> None:
    section = setting("paper").params.coemogen
    before = by_unit(setting("paper"))
    after = by_unit(setting("paper", coemogen={"steps": 2 * section.steps}))
    for unit in before:
        times = 2 if unit.startswith("coemogen@") else 1
        assert after[unit].flops == pytest.approx(times * before[unit].flops), unit


def test_more_images_cost_more_and_no_guidance_costs_half(setting: Make) -> None:
    images = [
        by_unit(setting("paper", images=changes))["images@emogen"].flops
        for changes in ({}, {"num_per_emotion": 2000}, {"guidance": 1.0})
    ]
    assert images[1] == pytest.approx(2 * images[0])
    assert images[2] == pytest.approx(images[0] / 2, rel=0.04)


def test_what_params_switch_off_is_not_counted(setting: Make) -> None:
    before = by_unit(setting("paper"))
    plain = by_unit(setting("paper", scores={"protocols": ("clean",)}, judges={"scene_weights": None}))
    assert plain["scores@emogen"].flops < 0.5 * before["scores@emogen"].flops
    assert plain["real_scores"].number == 17_716
    assert by_unit(setting("paper", emotion_classifier={"source": "imported"}))["emotion_classifier"].flops == 0


def test_emoset_is_counted_where_it_is_and_published_where_it_is_not(tmp_path: Path) -> None:
    assert "published" in count_emoset(tmp_path).source
    (tmp_path / "image/awe").mkdir(parents=True)
    Image.new("RGB", (80, 40)).save(tmp_path / "image/awe/awe_00001.jpg")
    for split, number in (("train", 8), ("val", 1), ("test", 3)):
        (tmp_path / f"{split}.json").write_text(json.dumps([["awe", "image/awe/awe_00001.jpg", "x"]] * number))
    found = count_emoset(tmp_path)
    assert (found.train, found.val, found.test, found.total) == (8, 1, 3, 12)
    assert (found.width_px, found.height_px) == (80, 40)
    assert found.picture_bytes == (tmp_path / "image/awe/awe_00001.jpg").stat().st_size
    assert "counted in" in found.source
    assert not found.is_missing


def test_art_may_be_any_folder_of_pictures_and_damaged_ones_still_count(tmp_path: Path) -> None:
    Image.new("RGB", (30, 20)).save(tmp_path / "a.png")
    (tmp_path / "b.jpg").write_bytes(b"no picture")
    found = count_art(tmp_path)
    assert (found.total, found.width_px) == (2, 30)


def test_what_the_last_run_kept_counts_if_it_was_of_as_many(setting: Make) -> None:
    params = setting("miniature").params
    drawn = Path("data/miniature")
    assert counts_of(params, drawn, Curated(8000, 0.21, 8)).emoart.total == 1680
    assert counts_of(params, drawn, Curated(7000, 0.21, 8)).emoart.total == 1339
