"""The optimizer of a section: AdamW as before, or in 8 bits, refused in one line where it cannot run."""

import importlib.util
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor

from pipeline.params import Coemogen
from pipeline.training.loop import Task, Trained, fit
from pipeline.training.optimization import Optimization, optimization_of, optimizer_of, restored_state, saved_state
from pipeline.training.rows import RowOrder

PARAMETER = torch.nn.Parameter(torch.arange(12.0).reshape(3, 4))


def groups() -> list[dict[str, object]]:
    return [{"params": [PARAMETER], "lr": 0.1, "weight_decay": 0.01}]


def test_the_default_is_adamw_and_a_section_may_take_the_other() -> None:
    assert optimization_of(Coemogen()).optimizer == "adamw"
    assert optimization_of(Coemogen(optimizer="adamw_8bit")).optimizer == "adamw_8bit"
    assert type(optimizer_of(Optimization(1, 1, 0.1, 0.0), groups())) is torch.optim.AdamW


def test_8_bits_are_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    settings = Optimization(1, 1, 0.1, 0.0, optimizer="adamw_8bit")
    with pytest.raises(ValueError, match=r"optimizer = 'adamw_8bit': bitsandbytes is not installed; run `pip") as error:
        optimizer_of(settings, groups())
    assert "\n" not in str(error.value)


def test_a_checkpoint_holds_what_adamw_keeps_of_a_parameter() -> None:
    optimizer = optimizer_of(Optimization(1, 1, 0.1, 0.0), groups())
    PARAMETER.grad = torch.ones_like(PARAMETER)
    optimizer.step()
    state = optimizer.state[PARAMETER]
    assert all(torch.equal(restored_state("adamw", saved_state(state), PARAMETER)[key], state[key]) for key in state)


def test_a_checkpoint_can_be_written_of_parameters_that_share_the_values_of_8_bits() -> None:
    values = torch.linspace(-1, 1, 256)
    states = [saved_state({"state1": torch.ones(1), "qmap1": values, "qmap2": values}) for _ in range(2)]
    saved = load(save({f"{key}/{name}": state[key] for name, state in enumerate(states) for key in state}))
    assert all(torch.equal(saved[f"{key}/{name}"], values) for key in ("qmap1", "qmap2") for name in range(2))


@pytest.mark.skipif(importlib.util.find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed")
def test_a_resumed_training_in_8_bits_equals_an_uninterrupted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVOKE_CHECKPOINT_SECONDS", "0")
    whole = fitted(tmp_path / "whole")
    with pytest.raises(RuntimeError, match="killed"):
        fitted(tmp_path / "killed", die_at=4)
    resumed = fitted(tmp_path / "killed")
    assert all(torch.equal(whole.weights[name], resumed.weights[name]) for name in whole.weights)
    assert not torch.equal(whole.weights["0.weight"], fitted(tmp_path / "plain", optimizer="adamw").weights["0.weight"])


def fitted(work: Path, die_at: int = 0, optimizer: Literal["adamw", "adamw_8bit"] = "adamw_8bit") -> Trained:
    """Train two layers of 4,096 weights for six steps, the fourth of which may raise RuntimeError."""
    torch.manual_seed(0)
    module = Layers(torch.nn.Linear(64, 64), torch.nn.Linear(64, 64))
    module.die_at = die_at
    settings = Optimization(6, 2, 0.01, 0.1, precision="fp32", optimizer=optimizer)
    task = Task("toy", module, RowOrder(np.arange(4, dtype=np.int64)), drawn, settings)
    return fit(task, 0, work, "toy")


class Layers(torch.nn.Sequential):
    die_at = calls = 0

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        self.calls += 1
        if self.calls == self.die_at:
            raise RuntimeError("killed")
        return {"total": super().forward(batch["x"]).square().mean()}


def drawn(rows: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    return {"x": torch.randn(len(rows), 64, generator=generator)}


def test_a_checkpoint_holds_what_8_bits_keep_with_scales_or_of_a_small_tensor_without() -> None:
    """As bitsandbytes lays it out: tensors below 4,096 numbers keep their moments in fp32."""
    large = {
        "step": 3, "state1": torch.ones(3, 4, dtype=torch.uint8), "state2": torch.zeros(3, 4, dtype=torch.uint8),
        "qmap1": torch.linspace(-1, 1, 256), "qmap2": torch.linspace(0, 1, 256), "absmax1": torch.ones(1),
        "absmax2": torch.ones(1),
    }  # fmt: skip
    small = {"step": 3, "state1": torch.ones(3, 4), "state2": torch.zeros(3, 4)}
    for state in (large, small):
        restored = restored_state("adamw_8bit", saved_state(state), PARAMETER)
        assert restored.keys() == state.keys()
        assert restored["step"] == 3
        assert isinstance(restored["step"], int)
        assert all(torch.equal(restored[key], state[key]) for key in state if key != "step")
        assert all(restored[key].dtype == state[key].dtype for key in state if key != "step")
