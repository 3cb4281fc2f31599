"""Hours on devices: which limit counts, what several GPUs share, and where the speeds are from."""

import csv
import io
from collections.abc import Callable

import pytest

from evoke.plan import rates
from evoke.plan.costs import Cost
from evoke.plan.inputs import Setting
from evoke.plan.rates import Device, Figure, Speed, device_of, figure, known_devices, load_rates, name_of
from evoke.plan.table import Part, Stage, Timed, schedule, sums, timed, to_csv
from tests.evoke.plan.units import work_of

Make = Callable[..., Setting]
AVX2_PROBE, AVX2_SECONDS = 95e9, 1495.0
SPEEDS = {
    (effort, precision): Speed(2e12, 1e12, "by hand")
    for effort in ("train", "infer", "answer")
    for precision in ("bf16", "fp32")
}


def device(workers: int = 10, startup_s: float = 1e-9) -> Device:
    startup = Figure(value=startup_s, status="assumed", source="by hand")
    return Device("by hand", SPEEDS, 1e-5 if workers else 0.0, workers, startup)  # type: ignore[arg-type]


def a_pass(cost: Cost, gpus: int = 1, workers: int = 10, **work: float) -> Timed:
    return timed(Stage(100, "images", (Part(100, cost),), **work), device(workers), gpus)  # type: ignore[arg-type]


def a_training(cost: Cost, gpus: int, batch_size: int) -> Timed:
    part = Part(100 * batch_size, cost, "train", batch_size=batch_size)
    return timed(Stage(100, "steps", (part,), pieces=batch_size), device(), gpus)


def seconds(row: Timed) -> float:
    return row.hours * 3600


def test_convolutions_and_products_take_their_own_time() -> None:
    assert seconds(a_pass(Cost(2e12, 3e12))) == pytest.approx(100 * (1 + 3))


def test_a_small_step_takes_as_long_as_its_launches() -> None:
    found = a_pass(Cost(0, 1e6, 5000))
    assert seconds(found) == pytest.approx(100 * 0.05)
    assert found.bound == f"kernel launches, {figure('kernel_us').status}"


def test_decoding_goes_on_beside_the_device_where_there_are_processes_for_it() -> None:
    assert seconds(a_pass(Cost(0, 1e12), core_s=500)) == pytest.approx(100)
    waiting = a_pass(Cost(0, 1e12), core_s=5000)
    assert seconds(waiting) == pytest.approx(500)
    assert waiting.bound == f"decoding and drawing on CPU cores, {figure('decoding_ms').status}"
    assert seconds(a_pass(Cost(0, 1e12), core_s=500, workers=0)) == pytest.approx(600)


@pytest.mark.parametrize("name", ["h200", "cpu"])
def test_a_short_stage_is_bound_by_its_start_of_which_the_status_is_told(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rates, "probed", lambda _: AVX2_PROBE)
    startup = figure("cpu_startup_s" if name == "cpu" else "gpu_startup_s")
    row = timed(Stage(1, "rows"), device_of(name))
    assert row.bound == f"startup of the stage, {startup.status}"
    assert seconds(row) == pytest.approx(startup.value)


def test_shards_are_shared_by_at_most_as_many_gpus() -> None:
    assert seconds(a_pass(Cost(0, 1e12), 8, pieces=16)) == pytest.approx(100 / 8)
    assert a_pass(Cost(0, 1e12), 8, pieces=3).gpus == 3


def test_a_training_of_one_picture_a_step_gains_nothing_and_launches_are_not_shared() -> None:
    assert [a_training(Cost(0, 1e12), 8, size).gpus for size in (1, 12)] == [1, 6]
    assert seconds(a_training(Cost(0, 1e12), 8, 8)) == pytest.approx(100)
    assert seconds(a_training(Cost(0, 1e9, 5e4), 8, 8)) == pytest.approx(100 * 0.5)


def test_memory_is_a_column_and_its_peak_a_line() -> None:
    stages = [Stage(1, "steps", unit="large"), Stage(1, "rows", unit="small")]
    rows = schedule(stages, device(), memory=lambda unit: {"large": 11e9, "small": 0.0}[unit])
    assert [row["memory_bytes"] for row in csv.DictReader(io.StringIO(to_csv(rows)))] == ["11000000000", "0"]
    assert "GPU memory: up to 11 GB, in large" in sums(rows)
    assert not any("memory" in line for line in sums(schedule(stages, device())))


@pytest.mark.parametrize("gpus", [1, 4])
def test_the_processes_of_a_training_share_their_caches(gpus: int) -> None:
    rows = [timed(Stage(1, "steps", work_bytes=1e10, pieces=4), device(), gpus)]
    assert "up to 10 GB in .work" in sums(rows)[1]
    assert next(csv.DictReader(io.StringIO(to_csv(rows))))["work_bytes"] == "10000000000"


def test_a_faster_card_is_faster_and_more_of_them_too(setting: Make) -> None:
    found = work_of(setting("paper"))
    hours = [
        sum(row.hours for row in schedule(found, device_of(name), gpus))
        for name, gpus in (("cpu", 1), ("a100", 1), ("h200", 1), ("h200", 8))
    ]
    assert hours == sorted(hours, reverse=True)


def test_a_cpu_has_shares_of_what_this_machine_reaches_in_a_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "probed", {"fp32": 100e9, "bf16": 300e9}.get)
    monkeypatch.setattr(rates, "precision_of", lambda wanted, _: wanted)
    native, shares = rates.cpu(), load_rates().cpu_shares
    assert native.speeds["train", "bf16"].products == shares["bf16"]["train"].value * 300e9
    assert native.speeds["train", "fp32"].products == shares["fp32"]["train"].value * 100e9
    assert native.speeds["answer", "bf16"].products == shares["bf16"]["answer"].value * 100e9, (
        "the captioner is in fp32"
    )
    monkeypatch.setattr(rates, "precision_of", lambda *_: "fp32")
    assert rates.cpu().speeds["train", "bf16"].products == shares["fp32"]["train"].value * 100e9
    assert any("one thread; GFLOP/s in a probe of products and convolutions" in note for note in native.notes)


def test_a_probe_of_this_machine_is_a_speed() -> None:
    assert 1e9 < rates.probed("fp32") < 1e13


def test_the_plan_of_the_miniature_on_a_cpu_is_near_what_it_took(
    setting: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seconds of all stages on a CPU held back to AVX2, whose probe reached so much (docs/LOG.md)."""
    monkeypatch.setattr(rates, "probed", lambda _: AVX2_PROBE)
    monkeypatch.setattr(rates, "precision_of", lambda *_: "fp32")
    rows = schedule(work_of(setting("miniature")), device_of("cpu"))
    assert 0.7 * AVX2_SECONDS < sum(map(seconds, rows)) < 1.3 * AVX2_SECONDS


def test_a_card_is_known_by_what_its_driver_calls_it() -> None:
    assert name_of("NVIDIA H200") == "h200"
    assert name_of("NVIDIA A100-SXM4-80GB") == "a100"
    assert name_of("NVIDIA GeForce RTX 4090") == "rtx4090"
    assert name_of("NVIDIA GeForce RTX 3060") == "rtx3060-12gb"
    with pytest.raises(ValueError, match="RTX 3060 Ti"):
        name_of("NVIDIA GeForce RTX 3060 Ti")
    with pytest.raises(ValueError, match="Tesla K80; choose the most similar device with --device"):
        name_of("Tesla K80")
    assert set(known_devices().split(", ")) == {"cpu", *load_rates().devices}
