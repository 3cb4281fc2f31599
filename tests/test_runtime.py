"""Number formats: what `precision` means on a device, forced both ways."""

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from pipeline import runtime
from pipeline.runtime import autocast, multiplies_bf16, numbers, precision_of

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _asked_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY", "EVOKE_DEVICE"):
        monkeypatch.delenv(name, raising=False)
    for answer in (precision_of, multiplies_bf16):
        answer.cache_clear()
    yield
    for answer in (precision_of, multiplies_bf16):
        answer.cache_clear()


def test_name_and_flags_of_the_cpu_are_read_from_one_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nmodel name\t: A CPU\nflags\t\t: fpu avx2\n\nmodel name\t: B\nflags\t\t: sse\n")
    monkeypatch.setattr(runtime, "CPU_INFO", info)
    runtime.cpu_flags.cache_clear()
    try:
        assert runtime.cpu_flags() == {"fpu", "avx2"}
        assert runtime.cpu_name() == "A CPU (avx2)"
        monkeypatch.setattr(runtime, "CPU_INFO", tmp_path / "none")
        runtime.cpu_flags.cache_clear()
        assert runtime.cpu_name().endswith("(no avx2)") or sys.platform == "darwin"
    finally:
        runtime.cpu_flags.cache_clear()


def has_flags(monkeypatch: pytest.MonkeyPatch, *flags: str, maker: str = "AuthenticAMD") -> None:
    monkeypatch.setattr(runtime, "cpu_flags", lambda: frozenset(flags))
    monkeypatch.setattr(runtime, "_cpu_field", lambda *names: maker if names == ("vendor_id",) else "")


@pytest.mark.parametrize(("flags", "wanted"), [(("avx512_bf16",), False), (("avx512_bf16", "amx_bf16"), True)])
def test_of_intel_only_amx_makes_bf16_faster(
    flags: tuple[str, ...], wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_flags(monkeypatch, "avx2", *flags, maker=runtime.INTEL)
    assert multiplies_bf16("cpu") is wanted


@pytest.mark.parametrize("flag", ["avx512_bf16", "amx_bf16", "bf16"])
def test_bf16_is_bf16_on_a_cpu_that_multiplies_it(flag: str, monkeypatch: pytest.MonkeyPatch) -> None:
    has_flags(monkeypatch, "avx2", flag)
    assert precision_of("bf16", "cpu") == "bf16"
    assert precision_of("fp32", "cpu") == "fp32"
    with autocast("bf16", CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
    with autocast("fp32", CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


def test_bf16_is_fp32_on_a_cpu_with_avx2_alone_and_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    has_flags(monkeypatch, "avx2", "fma")
    caplog.set_level(logging.INFO, "evoke")
    for _ in range(3):
        with autocast("bf16", CPU):
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
    assert caplog.messages == ["this device cannot multiply bf16 natively: computing in fp32"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("ONEDNN_MAX_CPU_ISA", "AVX2"), ("ONEDNN_MAX_CPU_ISA", "avx512_core"), ("ATEN_CPU_CAPABILITY", "avx2")],
)
def test_a_cpu_that_is_held_back_counts_as_the_lesser_one(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_flags(monkeypatch, "avx2", "avx512_bf16")
    monkeypatch.setenv(name, value)
    assert precision_of("bf16", "cpu") == "fp32"


def test_the_format_is_part_of_the_name_of_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVOKE_DEVICE", "cpu")
    has_flags(monkeypatch, "avx512_bf16")
    with_units = numbers()
    multiplies_bf16.cache_clear()
    has_flags(monkeypatch, "avx2")
    assert (with_units, numbers()) == ("cpu, bf16", "cpu, bf16 as fp32")


@pytest.mark.parametrize(("capability", "wanted"), [((7, 5), "fp32"), ((8, 0), "bf16"), ((9, 0), "bf16")])
def test_a_gpu_has_bf16_from_sm80_on(capability: tuple[int, int], wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: capability)
    assert precision_of("bf16", "cuda") == wanted


def test_what_this_cpu_says_agrees_with_what_torch_finds() -> None:
    if torch.backends.cpu.get_cpu_capability().startswith("AVX"):
        is_intel = runtime._cpu_field("vendor_id") == runtime.INTEL
        has_avx512 = torch.cpu._is_avx512_bf16_supported() and not is_intel
        assert multiplies_bf16("cpu") == bool(has_avx512 or torch.cpu._is_amx_tile_supported())
