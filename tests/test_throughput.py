"""What benchmarks.throughput times is what it says: a run that does something, or fails, is none with nothing to do."""

import sys

import pytest

from benchmarks.throughput import expected

UP_TO_DATE = "Data and pipelines are up to date."


@pytest.mark.parametrize(
    "code", [f"print({UP_TO_DATE!r}); raise SystemExit(255)", "print('Running stage emoset')", "1 / 0"]
)
def test_a_command_that_fails_or_has_work_to_do_is_not_timed(code: str) -> None:
    with pytest.raises(ValueError, match=r"exited with .* run `make repro` first"):
        expected([sys.executable, "-c", code], UP_TO_DATE)()


def test_what_is_expected_is_timed() -> None:
    expected([sys.executable, "-c", f"print({UP_TO_DATE!r})"], UP_TO_DATE)()
    expected([sys.executable, "-c", "raise SystemExit('no such input')"], "no such input", status=1)()


def test_dvc_says_so_where_nothing_is_to_do() -> None:
    from dvc.commands.status import CmdDataStatus

    assert CmdDataStatus.UP_TO_DATE_MSG == UP_TO_DATE
