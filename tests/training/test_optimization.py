"""The optimizer of a section: AdamW as before, or in 8 bits, refused in one line where it cannot run."""

import importlib.util

import pytest
import torch

from pipeline.params import Coemogen
from pipeline.training.optimization import Optimization, optimization_of, optimizer_of, restored_state, saved_state

CPU, GPU = torch.device("cpu"), torch.device("cuda")
PARAMETER = torch.nn.Parameter(torch.arange(12.0).reshape(3, 4))


def groups() -> list[dict[str, object]]:
    return [{"params": [PARAMETER], "lr": 0.1, "weight_decay": 0.01}]


def test_the_default_is_adamw_and_a_section_may_take_the_other() -> None:
    assert optimization_of(Coemogen()).optimizer == "adamw"
    assert optimization_of(Coemogen(optimizer="adamw_8bit")).optimizer == "adamw_8bit"
    assert type(optimizer_of(Optimization(1, 1, 0.1, 0.0), groups(), CPU)) is torch.optim.AdamW


@pytest.mark.parametrize(
    ("device", "message"),
    [(CPU, "it runs on a GPU only; set optimizer to adamw"), (GPU, "bitsandbytes is not installed; run `pip install")],
)
def test_8_bits_are_refused_in_one_line(device: torch.device, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    settings = Optimization(1, 1, 0.1, 0.0, optimizer="adamw_8bit")
    with pytest.raises(ValueError, match=r"optimizer = 'adamw_8bit': " + message) as error:
        optimizer_of(settings, groups(), device)
    assert "\n" not in str(error.value)


def test_a_checkpoint_holds_what_adamw_keeps_of_a_parameter() -> None:
    optimizer = optimizer_of(Optimization(1, 1, 0.1, 0.0), groups(), CPU)
    PARAMETER.grad = torch.ones_like(PARAMETER)
    optimizer.step()
    state = optimizer.state[PARAMETER]
    assert all(torch.equal(restored_state("adamw", saved_state(state), PARAMETER)[key], state[key]) for key in state)


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
