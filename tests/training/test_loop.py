"""The loop: a resumed training equals an uninterrupted one, and what has no part in a batch stays as it is."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.params import Training
from pipeline.runtime import numpy_generator
from pipeline.training.checkpoints import Checkpoints
from pipeline.training.loop import Task, Trained, fit
from pipeline.training.optimization import optimization_of
from pipeline.training.rows import RowOrder, Shuffled

SETTINGS: dict[str, Any] = {
    "steps": 12, "batch_size": 4, "learning_rate": 0.05, "weight_decay": 0.1, "warmup_steps": 2, "schedule": "cosine",
    "max_grad_norm": 1.0, "ema_decay": 0.9, "precision": "fp32", "sampler": "plain", "sheet_steps": 0,
}  # fmt: skip


class KilledError(Exception):
    """Stands for the death of the process."""


class Toy(nn.Module):
    """Two linear layers, of which a batch trains one, by its sign."""

    def __init__(self, die_at: int | None = None) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.left, self.right = nn.Linear(3, 1), nn.Linear(3, 1)
        self.frozen = nn.Parameter(torch.ones(1), requires_grad=False)
        self.calls, self.die_at = 0, die_at

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        self.calls += 1
        if self.calls == self.die_at:
            raise KilledError
        layer = self.left if batch["side"][0] else self.right
        loss = (layer(batch["x"]) - 1).square().mean()
        return {"total": loss, "half": loss / 2}


def draw(rows: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    x = torch.randn(len(rows), 3, generator=generator) + rows[:, None]
    return {"x": x, "side": (rows[:1] % 2 == 0).expand(len(rows))}


def train(work: Path, die_at: int | None = None, key: str = "toy", **changes: Any) -> Trained:
    settings = Training.model_validate(SETTINGS | changes)
    order = RowOrder(np.arange(7, dtype=np.int64))
    return fit(Task("toy", Toy(die_at), order, draw, optimization_of(settings), {"left": 0.01}), 3, work, key)


def scored(work: Path, die_at: int | None = None, steps: int = 2, **changes: Any) -> Trained:
    """Scored by how near the left weights are to where they are after six of twelve steps."""
    settings = Training.model_validate(SETTINGS | {"schedule": "constant"} | changes)
    order, toy = RowOrder(np.arange(7, dtype=np.int64)), Toy(die_at)
    wanted = reference(**changes)

    def score() -> float:
        return -float((toy.left.weight - wanted).norm())

    given = Task("toy", toy, order, draw, optimization_of(settings), {"left": 0.01}, score=score, score_steps=steps)
    trained = fit(given, 3, work, "toy")
    assert all(torch.equal(trained.weights[name], p) for name, p in toy.named_parameters() if p.requires_grad)
    return trained


def reference(**changes: Any) -> Tensor:
    """The left weights after six steps; a constant rate knows nothing of the number of steps."""
    with tempfile.TemporaryDirectory() as folder:
        return train(Path(folder), **{"schedule": "constant", **changes, "steps": 6}).weights["left.weight"]


def assert_equal(one: Trained, other: Trained) -> None:
    assert (one.scores, one.best_step) == (other.scores, other.best_step)
    assert one.weights.keys() == other.weights.keys()
    assert all(torch.equal(one.weights[name], other.weights[name]) for name in one.weights)
    assert list(one.curve.items()) == list(other.curve.items())  # columns of curve.csv, in their order too


@pytest.mark.parametrize("die_at", [2, 7, 12])
def test_a_training_that_died_goes_on_to_the_same_end(
    die_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(tmp_path / "whole")
    monkeypatch.setenv("EVOKE_CHECKPOINT_SECONDS", "0")
    with pytest.raises(KilledError):
        train(tmp_path / "died", die_at)
    assert_equal(train(tmp_path / "died"), whole)


@pytest.mark.parametrize("ema_decay", [None, 0.9])
def test_the_best_weights_by_the_score_are_left_and_not_the_last(ema_decay: float | None, tmp_path: Path) -> None:
    trained, last = scored(tmp_path / "a", ema_decay=ema_decay), scored(tmp_path / "b", ema_decay=ema_decay, steps=12)
    assert trained.scores["step"] == [2, 4, 6, 8, 10, 12]
    assert trained.best_step == 6
    assert torch.equal(trained.weights["left.weight"], reference(ema_decay=ema_decay))
    assert (last.best_step, last.scores["score"]) == (12, trained.scores["score"][-1:])  # scoring disturbs nothing
    assert scored(tmp_path / "c", steps=5).scores["step"] == [5, 10, 12]


@pytest.mark.parametrize("ema_decay", [None, 0.9])
@pytest.mark.parametrize("die_at", [3, 6, 11])
def test_a_scored_training_that_died_goes_on_to_the_same_end(
    die_at: int, ema_decay: float | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = scored(tmp_path / "whole", ema_decay=ema_decay)
    monkeypatch.setenv("EVOKE_CHECKPOINT_SECONDS", "0")
    with pytest.raises(KilledError):
        scored(tmp_path / "died", die_at, ema_decay=ema_decay)
    assert_equal(scored(tmp_path / "died", ema_decay=ema_decay), whole)
    assert_equal(scored(tmp_path / "died", die_at=1, ema_decay=ema_decay), whole)


def test_equal_scores_leave_the_earliest_weights(tmp_path: Path) -> None:
    settings = Training.model_validate(SETTINGS)
    optimization, order = optimization_of(settings), RowOrder(np.arange(7))
    given = Task("toy", Toy(), order, draw, optimization, score=lambda: 1.0, score_steps=4)
    assert fit(given, 3, tmp_path, "toy").best_step == 4


def test_without_a_score_the_last_weights_are_left(tmp_path: Path) -> None:
    trained = train(tmp_path)
    assert (trained.best_step, trained.scores) == (12, {"step": [], "score": []})


def test_a_torn_newest_checkpoint_falls_back_to_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVOKE_CHECKPOINT_SECONDS", "0")
    with pytest.raises(KilledError):
        train(tmp_path, 9)
    newest = max((tmp_path / "checkpoints").glob("step-*"))
    newest.write_bytes(newest.read_bytes()[:-9])
    assert_equal(train(tmp_path), train(tmp_path / "whole"))


def test_one_that_is_asked_to_leave_ends_its_step_saves_and_goes_on_from_there(tmp_path: Path) -> None:
    """SIGTERM at the fifth step, as a cluster sends it before it takes the machine away."""
    whole, handler = train(tmp_path / "whole"), signal.getsignal(signal.SIGTERM)

    def asked(rows: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        calls.append(rows)
        if len(calls) == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return draw(rows, generator)

    calls: list[Tensor] = []
    order, optimization = RowOrder(np.arange(7, dtype=np.int64)), optimization_of(Training.model_validate(SETTINGS))
    given = Task("toy", Toy(), order, asked, optimization, {"left": 0.01})
    with pytest.raises(SystemExit) as left:
        fit(given, 3, tmp_path / "asked", "toy")
    assert left.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == handler
    resumed = Toy()
    again = Task("toy", resumed, order, draw, optimization, {"left": 0.01})
    assert_equal(fit(again, 3, tmp_path / "asked", "toy"), whole)
    assert resumed.calls == optimization.steps - 5


def test_processes_that_train_together_leave_together_and_save(tmp_path: Path) -> None:
    """One of two is asked; the other would wait for its gradients for ever."""
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "tests.training.leaver"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "EVOKE_DEVICE": "cpu"}
    done = subprocess.run([sys.executable, *launch, str(tmp_path)], env=environment, capture_output=True, text=True,
                          timeout=900, check=False)  # fmt: skip
    assert done.returncode, "both leave with the status of SIGTERM"
    assert "Connection closed by peer" not in done.stderr
    assert [path.name[:14] for path in tmp_path.rglob("step-*")] == ["step-000000005"], done.stderr[-2000:]


def test_a_finished_training_is_not_trained_again(tmp_path: Path) -> None:
    assert_equal(train(tmp_path), train(tmp_path, die_at=1))


def test_a_checkpoint_of_more_processes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(tmp_path)
    newest = max((tmp_path / "checkpoints").glob("step-*"))
    step, tensors = Checkpoints(tmp_path / "checkpoints", "toy", 0).newest(torch.device("cpu")) or (0, {})
    newest.unlink()
    Checkpoints(tmp_path / "checkpoints", "toy", 0).write(step, tensors | {"processes": torch.tensor(2)})
    with pytest.raises(ValueError, match="by 2 processes, this run has 1; start the same number as before, or delete"):
        train(tmp_path)


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    train(tmp_path)
    with pytest.raises(ValueError, match="another"):
        train(tmp_path, key="other")


def test_what_a_batch_leaves_out_keeps_its_bytes_and_frozen_parameters_are_not_trained(tmp_path: Path) -> None:
    """batch_size 7 starts every batch at row 0, which is even: the left layer alone is trained."""
    trained, fresh = train(tmp_path, batch_size=7, ema_decay=None), Toy()
    assert torch.equal(trained.weights["right.weight"], fresh.right.weight)
    assert not torch.equal(trained.weights["left.weight"], fresh.left.weight)
    assert set(trained.weights) == {"left.weight", "left.bias", "right.weight", "right.bias"}


def test_the_curve_has_every_loss_and_ends_at_the_last_step(tmp_path: Path) -> None:
    curve = train(tmp_path, steps=250).curve
    assert set(curve) == {"step", "total", "half", "rate_factor"}
    assert curve["step"][-1] == 250
    assert np.allclose(np.array(curve["total"]) / 2, curve["half"])
    assert np.mean(curve["total"][-10:]) < 0.5 * np.mean(curve["total"][:10])


def test_the_average_lags_behind_the_weights(tmp_path: Path) -> None:
    averaged, last = train(tmp_path / "a", schedule="constant"), train(tmp_path / "b", ema_decay=None)
    assert not torch.equal(averaged.weights["left.weight"], last.weights["left.weight"])


@pytest.mark.parametrize(("schedule", "factors"), [("constant", [0.5, 1, 1]), ("cosine", [0.5, 1, 0.0])])
def test_the_rate_warms_up_and_then_follows_its_schedule(schedule: str, factors: list[float]) -> None:
    settings = Training.model_validate(SETTINGS | {"steps": 1000, "schedule": schedule})
    assert [optimization_of(settings).rate_factor(step) for step in (0, 1, 999)] == pytest.approx(factors, abs=1e-4)


def test_shuffled_rows_are_all_rows_once_an_epoch_in_an_order_of_each_epoch() -> None:
    drawn = torch.cat([Shuffled(7).at(step, 4, seed=1) for step in range(7)]).view(4, 7)
    assert all(sorted(epoch.tolist()) == list(range(7)) for epoch in drawn)
    assert len({tuple(epoch.tolist()) for epoch in drawn}) == 4
    assert not torch.equal(Shuffled(7).at(0, 7, seed=2), drawn[0])


def test_weighted_rows_are_those_of_numpys_choice() -> None:
    weights = np.array([0.5, 0.0, 0.2, 0.3])
    wanted = numpy_generator(3, "rows", 5).choice(np.arange(4), 100, p=weights)
    assert RowOrder(np.arange(4), weights).at(5, 100, 3).tolist() == wanted.tolist()


class Normed(nn.Module):
    """A layer with running statistics, which training changes beside parameters."""

    def __init__(self, die_at: int | None = None) -> None:
        super().__init__()
        self.norm, self.calls, self.die_at = nn.BatchNorm1d(3), 0, die_at

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        self.calls += 1
        if self.calls == self.die_at:
            raise KilledError
        return {"total": (self.norm(batch["x"]) - 1).square().mean()}


def test_running_statistics_go_on_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order, optimization = RowOrder(np.arange(7, dtype=np.int64)), optimization_of(Training.model_validate(SETTINGS))
    whole, killed, resumed = Normed(), Normed(6), Normed()
    fit(Task("normed", whole, order, draw, optimization), 3, tmp_path / "whole", "key")
    monkeypatch.setenv("EVOKE_CHECKPOINT_SECONDS", "0")
    with pytest.raises(KilledError):
        fit(Task("normed", killed, order, draw, optimization), 3, tmp_path / "killed", "key")
    fit(Task("normed", resumed, order, draw, optimization), 3, tmp_path / "killed", "key")
    assert all(torch.equal(whole.state_dict()[name], tensor) for name, tensor in resumed.state_dict().items())


def test_each_step_counts_as_a_write_to_the_parameters(tmp_path: Path) -> None:
    """UniEmo fits its Gaussians anew if torch has counted a write; AdamW's fused step does not count its own."""
    order, optimization = RowOrder(np.arange(7, dtype=np.int64)), optimization_of(Training.model_validate(SETTINGS))
    toy, versions = Toy(), []

    def recorded(rows: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        versions.append(toy.left.weight._version)
        return draw(rows, generator)

    fit(Task("toy", toy, order, recorded, optimization), 3, tmp_path, "toy")
    assert len(set(versions)) == len(versions) == optimization.steps
