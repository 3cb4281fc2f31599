"""The training loop: resumed equals uninterrupted, schedules."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import multiprocessing, nn

from pipeline.foundation.recipes import Recipe
from pipeline.foundation.training.trainer import Batch, Task, fit, learning_rate, step_seed

CPU = torch.device("cpu")
RECIPE = Recipe(
    num_pictures=1, steps=20, batch_size=4, learning_rate=0.05, warmup_steps=3, decay_frac=0.5, weight_decay=0.1, seed=5
)


def task(fails_at: int | None = None, ema_decay: float | None = 0.9) -> Task:
    """A line fitted to noise; the data fail at the given call."""
    torch.manual_seed(0)
    model, calls = nn.Linear(3, 2), iter(range(1000))

    def sample(generator: torch.Generator) -> Batch:
        if next(calls) == fails_at:
            raise KeyboardInterrupt
        return torch.randn(4, 3, generator=generator), torch.randn(4, 2, generator=generator)

    def loss(inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return ((model(inputs) - targets) ** 2).mean()

    return Task(model, sample, loss, ema_decay)


def weights(task: Task) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in task.module.parameters()])


@pytest.mark.parametrize("ema_decay", [None, 0.9])
def test_a_resumed_training_equals_an_uninterrupted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ema_decay: float | None
) -> None:
    whole = task(ema_decay=ema_decay)
    fit(whole, RECIPE, tmp_path / "whole", CPU)
    monkeypatch.setenv("EVOKE_CHECKPOINT_SECONDS", "0")
    for fails_at in (7, 6):
        with pytest.raises(KeyboardInterrupt):
            fit(task(fails_at, ema_decay), RECIPE, tmp_path / "killed", CPU)
    resumed = task(ema_decay=ema_decay)
    fit(resumed, RECIPE, tmp_path / "killed", CPU)
    assert torch.equal(weights(whole), weights(resumed))


def test_a_finished_training_is_not_trained_again(tmp_path: Path) -> None:
    first, again = task(), task(fails_at=0)
    fit(first, RECIPE, tmp_path, CPU)
    fit(again, RECIPE, tmp_path, CPU)
    assert torch.equal(weights(first), weights(again))


def test_the_checkpoint_of_another_recipe_is_refused(tmp_path: Path) -> None:
    fit(task(), RECIPE, tmp_path, CPU)
    with pytest.raises(ValueError, match="another recipe"):
        fit(task(), RECIPE.model_copy(update={"seed": 6}), tmp_path, CPU)


def test_the_learning_rate_warms_up_and_falls_to_zero() -> None:
    rates = [learning_rate(RECIPE, step) for step in range(20)]
    assert rates[0] == pytest.approx(0.05 / 3)
    assert rates[3:10] == [0.05] * 7
    assert rates[-1] == pytest.approx(0.005)
    cosine = RECIPE.model_copy(update={"decay_frac": 1.0, "warmup_steps": 0})
    assert learning_rate(cosine, 10) == pytest.approx(0.025)
    assert learning_rate(cosine, 19) < 0.001


def test_every_step_has_its_own_seed() -> None:
    assert len({step_seed(seed, step) for seed in range(3) for step in range(1000)}) == 3000


def of_two(process: int, address: str, work: Path) -> None:
    """One of two processes that train together."""
    dist.init_process_group("gloo", init_method=address, rank=process, world_size=2)
    trained = task()
    fit(trained, RECIPE, work / "work", CPU)
    torch.save(weights(trained), work / f"{process}.pt")
    dist.destroy_process_group()


def test_two_processes_train_as_one_on_both_batches(tmp_path: Path) -> None:
    multiprocessing.spawn(of_two, (f"file://{tmp_path}/meeting", tmp_path), nprocs=2)
    together, process, step = task(), iter((0, 1) * 20), iter(np.repeat(range(20), 2))

    def both(generator: torch.Generator) -> Batch:
        halves = []
        for _ in range(2):
            generator.manual_seed(step_seed(RECIPE.seed, int(next(step)), next(process)))
            halves.append(task().sample(generator))
        inputs, targets = zip(*halves, strict=True)
        return torch.cat(inputs), torch.cat(targets)

    fit(Task(together.module, both, together.loss, together.ema_decay), RECIPE, tmp_path / "one", CPU)
    alone = task()
    fit(alone, RECIPE, tmp_path / "alone", CPU)
    found = [torch.load(tmp_path / f"{process}.pt") for process in range(2)]
    assert torch.equal(*found)
    apart = (found[0] - weights(together)).abs().max()  # bf16 rounds the halves apart from the whole
    assert apart < 2e-3 < 0.1 * (weights(alone) - weights(together)).abs().max()
