"""The work of every stage: held against dvc.yaml, against figures by hand, and moved by the params that it follows."""

from collections.abc import Callable

import pytest

from evoke.plan.inputs import Setting
from evoke.plan.rates import device_of, figure
from evoke.plan.stages import STAGES
from evoke.plan.table import Stage, schedule
from pipeline.params import read_yaml
from tests.evoke.plan.units import DAG, ROOT, work_of

Make = Callable[..., Setting]


def by_unit(setting: Setting) -> dict[str, Stage]:
    return {stage.unit: stage for stage in work_of(setting)}


def test_every_stage_of_the_dag_has_a_line_in_running_order() -> None:
    assert ["code", *STAGES] == list(DAG)


@pytest.mark.parametrize("preset", ["miniature", "smoke", "paper"])
def test_units_are_those_that_dvc_expands(setting: Make, preset: str) -> None:
    values = setting(preset).params.model_dump(mode="json")
    units = []
    for name in STAGES:
        section, _, key = DAG[name].get("foreach", "").strip("${}").partition(".")
        items = (values[section][key] if key else values[section]) if section else None
        units += [name] if items is None else [f"{name}@{item}" for item in items]
    assert [stage.unit for stage in work_of(setting(preset))] == units


def test_the_paper_preset_has_the_published_numbers_of_pictures(setting: Make) -> None:
    found = by_unit(setting("paper"))
    assert not any(unit.startswith(("miniature", "truth_checks")) for unit in found)
    numbers = {
        "features@emoset": 118_102, "latents@emoset": 94_481, "emoart@emoart": 81_444, "captions@emoart": 13_634,
        "images@coemogen_emoset": 8_000, "images@coemogen_emoart": 6_000,
    }  # fmt: skip
    assert {unit: found[unit].number for unit in numbers} == numbers


def test_bytes_follow_from_schemas_and_shapes(setting: Make) -> None:
    found = by_unit(setting("paper"))
    assert found["latents@emoset"].num_bytes == pytest.approx(94_481 * 4 * (4 * 64 * 64) * 2, rel=0.001)
    assert found["features@emoset"].num_bytes == pytest.approx(118_102 * 768 * 4, rel=0.02)
    assert found["images@dreambooth"].num_bytes == pytest.approx(8_000 * 450_000, rel=0.02)
    assert found["foundation_diffusion"].download_bytes == pytest.approx(4.26e9, rel=0.01)
    assert found["emoart@emoart"].download_bytes == pytest.approx(37e9, rel=0.01)


def test_bytes_of_the_miniature_are_those_that_dvc_noted(setting: Make) -> None:
    lock = read_yaml(ROOT / "dvc.lock")["stages"]
    found = by_unit(setting("miniature"))
    for unit in ("foundation_clip", "foundation_diffusion", "foundation_captioner", "features@emoset", "emoset@emoset",
                 "images@uniemo_joint", "scores@uniemo_joint", "judges", "uniemo_understanding"):  # fmt: skip
        noted = sum(out.get("size", 0) for out in lock[unit]["outs"])
        assert found[unit].num_bytes == pytest.approx(noted, rel=0.25), unit


def test_an_image_is_two_passes_a_solver_step_and_the_decoder(setting: Make) -> None:
    found = by_unit(setting("paper"))["images@stable_diffusion"]
    assert found.flops_each == pytest.approx((50 * 2 * 803.3 + 2514.5 + 13.3) * 1e9, rel=0.001)


@pytest.mark.parametrize("section", ["coemogen", "textual_inversion"])
def test_twice_the_steps_are_twice_the_work_and_hours_of_that_stage_alone(setting: Make, section: str) -> None:
    steps, h200 = getattr(setting("paper").params, section).steps, device_of("h200")
    startup = figure("gpu_startup_s").value
    before, after = (
        {row.stage.unit: row for row in schedule(work_of(each), h200)}
        for each in (setting("paper"), setting("paper", **{section: {"steps": 2 * steps}}))
    )
    for unit in before:
        times = 2 if unit.startswith(f"{section}@") else 1
        assert after[unit].stage.flops == pytest.approx(times * before[unit].stage.flops), unit
        seconds = [row[unit].hours * 3600 - startup for row in (before, after)]
        assert seconds[1] == pytest.approx(times * seconds[0], abs=1e-6), unit


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


def test_clean_fid_is_one_more_look_by_inception(setting: Make) -> None:
    plain, more = (
        by_unit(setting("paper", scores={"protocols": protocols}))["scores@emogen"].flops
        for protocols in (("clean", "emogen"), ("clean", "emogen", "clean-fid"))
    )
    assert plain < more < 1.5 * plain
