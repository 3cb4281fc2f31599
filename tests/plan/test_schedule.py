"""Hours on devices: which limit counts, what several GPUs share, and where the speeds are from."""

import csv
import io
from collections.abc import Callable

import pytest

from pipeline.plan import rates
from pipeline.plan.costs import Cost
from pipeline.plan.rates import Device, Speed, device_of, known_devices, load_rates, name_of
from pipeline.plan.schedule import schedule, timed
from pipeline.plan.table import Plan, sums, to_csv
from pipeline.plan.work import Part, Setting, Stage
from pipeline.plan.workload import workload

Make = Callable[..., Setting]
AVX2_PROBE, AVX2_SECONDS = 95e9, 1300.0
SPEEDS = {
    (effort, precision): Speed(2e12, 1e12, "by hand")
    for effort in ("train", "infer", "answer")
    for precision in ("bf16", "fp32")
}
HAND = Device("by hand", SPEEDS, 1e-5, 10, 0.0, ())  # type: ignore[arg-type]


def stage(cost: Cost, spread: str = "one", pieces: int = 1, core_s: float = 0.0, number: int = 100) -> Stage:
    effort = "train" if spread == "processes" else "infer"
    return Stage(number, "steps", (Part(number, cost, effort, "bf16"),), core_s=core_s, spread=spread, pieces=pieces)  # type: ignore[arg-type]


def seconds(of: Stage, gpus: int = 1, device: Device = HAND) -> float:
    return timed(of, device, gpus).hours * 3600


def test_convolutions_and_products_take_their_own_time() -> None:
    assert seconds(stage(Cost(2e12, 3e12))) == pytest.approx(100 * (1 + 3))


def test_a_small_step_takes_as_long_as_its_launches() -> None:
    found = timed(stage(Cost(0, 1e6, 5000)), HAND)
    assert found.hours * 3600 == pytest.approx(100 * 0.05)
    assert "kernel launches" in found.bound


def test_decoding_goes_on_beside_the_device_where_there_are_processes_for_it() -> None:
    work = stage(Cost(0, 1e12), core_s=500)
    assert seconds(work) == pytest.approx(100)
    assert seconds(stage(Cost(0, 1e12), core_s=5000)) == pytest.approx(500)
    alone = Device("cpu", SPEEDS, 0.0, 0, 0.0, ())  # type: ignore[arg-type]
    assert seconds(work, device=alone) == pytest.approx(600)


def test_shards_are_shared_by_at_most_as_many_gpus() -> None:
    assert seconds(stage(Cost(0, 1e12), "shards", pieces=16), 8) == pytest.approx(100 / 8)
    assert timed(stage(Cost(0, 1e12), "shards", pieces=3), HAND, 8).gpus == 3


def test_a_training_of_one_picture_a_step_gains_nothing_and_launches_are_not_shared() -> None:
    assert timed(stage(Cost(0, 1e12), "processes", pieces=1), HAND, 8).gpus == 1
    assert timed(stage(Cost(0, 1e12), "processes", pieces=12), HAND, 8).gpus == 6
    assert seconds(stage(Cost(0, 1e12, 5e4), "processes", pieces=8), 8) == pytest.approx(100 * 0.5)


@pytest.mark.parametrize("gpus", [1, 4])
def test_the_processes_of_a_training_share_their_caches(gpus: int) -> None:
    unit = Stage(1, "steps", work_bytes=1e10, spread="processes", pieces=4)
    plan = Plan("", [timed(unit, HAND, gpus)], [])
    assert plan.work_bytes == 1e10
    assert "up to 10 GB in .work" in sums(plan)[1]
    assert next(csv.DictReader(io.StringIO(to_csv(plan))))["work_bytes"] == "10000000000"


def test_twice_the_steps_are_twice_the_hours(setting: Make) -> None:
    h200 = device_of("h200")
    section = setting("paper").params.textual_inversion
    before, after = (
        {row.stage.unit: row.hours * 3600 - h200.startup_s for row in schedule(workload(each), h200)}
        for each in (setting("paper"), setting("paper", textual_inversion={"steps": 2 * section.steps}))
    )
    changed = {unit for unit in before if after[unit] != pytest.approx(before[unit])}
    unit = "textual_inversion@emoset"
    assert changed == {unit}
    assert after[unit] == pytest.approx(2 * before[unit])


def test_a_faster_card_is_faster_and_more_of_them_too(setting: Make) -> None:
    found = list(workload(setting("paper")))
    hours = [
        sum(row.hours for row in schedule(found, device_of(name), gpus))
        for name, gpus in (("cpu", 1), ("a100", 1), ("h200", 1), ("h200", 8))
    ]
    assert hours == sorted(hours, reverse=True)


def test_a_cpu_has_shares_of_what_this_machine_reaches_in_a_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "probed", {"fp32": 100e9, "bf16": 300e9}.get)
    monkeypatch.setattr(rates, "precision_of", lambda wanted, _: wanted)
    native, shares = rates.cpu(), rates.load_rates().cpu_shares
    assert native.speeds["train", "bf16"].products == shares["train"].value * 300e9
    assert native.speeds["train", "fp32"].products == shares["train"].value * 100e9
    assert native.speeds["answer", "bf16"].products == shares["answer"].value * 100e9, "the captioner is in fp32"
    monkeypatch.setattr(rates, "precision_of", lambda *_: "fp32")
    assert rates.cpu().speeds["train", "bf16"].products == shares["train"].value * 100e9
    assert any("one thread; a probe of products and convolutions" in note for note in native.notes)


def test_a_probe_of_this_machine_is_a_speed() -> None:
    assert 1e9 < rates.probed("fp32") < 1e13


def test_the_plan_of_the_miniature_on_a_cpu_is_near_what_it_took(
    setting: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seconds of all stages on a CPU held back to AVX2, whose probe reached so much (docs/LOG.md)."""
    monkeypatch.setattr(rates, "probed", lambda _: AVX2_PROBE)
    rows = schedule(workload(setting("miniature")), device_of("cpu"))
    assert 0.7 * AVX2_SECONDS < sum(row.hours for row in rows) * 3600 < 1.3 * AVX2_SECONDS


def test_an_unknown_device_and_gpus_of_a_cpu_are_refused() -> None:
    with pytest.raises(ValueError, match=r"--device h2000: .* allowed are cpu, h200, h100, a100"):
        device_of("h2000")
    with pytest.raises(ValueError, match="--gpus 2"):
        schedule([], device_of("cpu"), 2)


def test_a_card_is_known_by_what_its_driver_calls_it() -> None:
    assert name_of("NVIDIA H200") == "h200"
    assert name_of("NVIDIA A100-SXM4-80GB") == "a100"
    assert name_of("NVIDIA GeForce RTX 4090") == "rtx4090"
    with pytest.raises(ValueError, match="Tesla K80: name what is nearest by --device"):
        name_of("Tesla K80")
    assert set(known_devices().split(", ")) == {"cpu", *load_rates().devices}
