"""Items made ahead: in order, whatever the number of workers; errors in their turn; and no more than a few wait."""

import itertools
import math
import signal
from collections.abc import Iterator

import pytest

from pipeline import runtime
from pipeline.ahead import AHEAD, ahead


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_the_order_is_that_of_the_items(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVOKE_WORKERS", str(workers))
    assert list(ahead(math.sqrt, (number**2 for number in range(20)))) == list(range(20))
    assert list(ahead(math.sqrt, [])) == []


def test_an_error_comes_when_its_item_has_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVOKE_WORKERS", "1")
    made = ahead(math.sqrt, [4, -1, 9])
    assert next(made) == 2
    with pytest.raises(ValueError, match=r"math domain|nonnegative"):
        next(made)


def test_items_are_taken_only_a_few_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVOKE_WORKERS", "1")
    taken = []

    def numbers() -> Iterator[int]:
        for number in itertools.count():
            taken.append(number)
            yield number

    made = ahead(math.sqrt, numbers())
    assert [next(made) for _ in range(5)] == [math.sqrt(number) for number in range(5)]
    assert len(taken) <= 5 + AHEAD


def test_a_process_that_dies_is_one_line_and_the_next_call_starts_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """As by the killer of processes where memory runs out, before the first item or between two."""
    monkeypatch.setenv("EVOKE_WORKERS", "1")
    for deadly in ([signal.SIGKILL], [signal.SIGCHLD, signal.SIGKILL, *[signal.SIGCHLD] * 9]):
        with pytest.raises(ValueError, match=r"possibly because memory ran out\. Set EVOKE_WORKERS"):
            list(ahead(signal.raise_signal, deadly))
        assert list(ahead(math.sqrt, [4, 9])) == [2, 3]


def test_a_wrong_number_of_workers_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVOKE_WORKERS", "two")
    with pytest.raises(ValueError, match="EVOKE_WORKERS = 'two': allowed is a whole number"):
        runtime.workers()
