"""Foundation models in the shared loop: recipes as optimizer settings, resumed trainings, two processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from pipeline.foundation.recipes import Recipe
from pipeline.foundation.training.objective import Objective, optimization_of, train
from pipeline.training.rows import Shuffled

CPU = torch.device("cpu")
RECIPE = Recipe(
    num_pictures=1, steps=20, batch_size=4, learning_rate=0.05, warmup_steps=3, decay_frac=0.5, weight_decay=0.1, seed=5
)


class FailedError(Exception):
    """Stands for the death of the process."""


def squared(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    return ((model(inputs) - targets) ** 2).mean()


def trained(work: Path, fails_at: int | None = None, ema_decay: float | None = 0.9, recipe: Recipe = RECIPE) -> Tensor:
    """Return the weights of a line fitted to noise; the data fail at the given call."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Linear(3, 2)
    calls = iter(range(1000))

    def draw(rows: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        if next(calls) == fails_at:
            raise FailedError
        inputs, targets = torch.randn(len(rows), 3, generator=generator), torch.randn(len(rows), 2, generator=generator)
        return {"inputs": inputs + rows[:, None], "targets": targets}

    train(Objective(model, squared), Shuffled(9), draw, recipe, work, CPU, ema_decay)
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


@pytest.mark.parametrize("ema_decay", [None, 0.9])
def test_a_resumed_training_equals_an_uninterrupted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ema_decay: float | None
) -> None:
    whole = trained(tmp_path / "whole", None, ema_decay)
    monkeypatch.setenv("EVOKE_CHECKPOINT_SECONDS", "0")
    for fails_at in (7, 6):
        with pytest.raises(FailedError):
            trained(tmp_path / "killed", fails_at, ema_decay)
    assert torch.equal(trained(tmp_path / "killed", None, ema_decay), whole)
    assert torch.equal(trained(tmp_path / "killed", 0, ema_decay), whole), "a finished training is not trained again"


def test_the_checkpoint_of_another_recipe_is_refused(tmp_path: Path) -> None:
    trained(tmp_path)
    with pytest.raises(ValueError, match="another recipe"):
        trained(tmp_path, recipe=RECIPE.model_copy(update={"seed": 6}))


def test_the_learning_rate_warms_up_and_falls_to_zero() -> None:
    rates = [optimization_of(RECIPE).rate_factor(step) for step in range(20)]
    assert rates[0] == pytest.approx(1 / 3)
    assert rates[3:11] == [1.0] * 8
    assert rates[-1] == pytest.approx(0.1)
    cosine = optimization_of(RECIPE.model_copy(update={"decay_frac": 1.0, "warmup_steps": 0}))
    assert cosine.rate_factor(10) == pytest.approx(0.5)
    assert cosine.rate_factor(19) < 0.02


def test_matrices_decay_and_vectors_do_not() -> None:
    settings = optimization_of(RECIPE)
    assert settings.weight_decay_of(nn.Parameter(torch.ones(2, 2))) == 0.1
    assert settings.weight_decay_of(nn.Parameter(torch.ones(2))) == 0


def test_two_processes_train_as_one(tmp_path: Path) -> None:
    """Each takes its half of every batch; bf16 rounds the halves apart from the whole."""
    script = (
        "import sys, torch; from pathlib import Path; from tests.foundation.training.test_objective import trained; "
        "import os; torch.save(trained(Path(sys.argv[1]) / 'work'), sys.argv[1] + '/' + os.environ['RANK'] + '.pt')"
    )
    (tmp_path / "both.py").write_text(script)
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(tmp_path / "both.py")]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "EVOKE_DEVICE": "cpu"}
    subprocess.run([sys.executable, *launch, str(tmp_path)], env=environment, timeout=900, check=True)
    both, alone = [torch.load(tmp_path / f"{process}.pt") for process in range(2)], trained(tmp_path / "alone")
    assert torch.equal(*both)
    torch.testing.assert_close(both[0], alone, atol=5e-3, rtol=0)
