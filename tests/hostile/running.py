"""Commands in process, and in a process of their own where exit status, memory or time is the point."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner, Result

from evoke.cli import main

ROOT = Path(__file__).parents[2]
SPECIAL: dict[str, Callable[[Path], object]] = {  # what stands in the place of a file and is none
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to a device that never ends": lambda path: path.symlink_to("/dev/zero"),
    "a link to a device of nothing": lambda path: path.symlink_to("/dev/null"),
    "a link to nothing": lambda path: path.symlink_to("nowhere"),
}


def run(*words: object) -> Result:
    """A command of evoke. Fails where it ends by anything but an exit status: that would be a traceback."""
    result = CliRunner().invoke(main, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise AssertionError(f"a traceback: {result.exception!r}") from result.exception
    return result


def refusal(*words: object) -> str:
    """The one line of a command that must end with exit status 1."""
    result = run(*words)
    assert result.exit_code == 1, result.output
    (line,) = result.output.splitlines()
    assert line.isprintable()
    assert len(line) < 2000
    return line


@dataclass(frozen=True)
class Ended:
    """A process: its exit status, and what it wrote on either channel."""

    code: int
    output: str


def process(*words: object, limit_mb: int = 4000) -> Ended:
    """`python WORDS` in the current folder. More memory than the limit, of addresses, is a MemoryError in it."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (limit_mb << 20, limit_mb << 20))

    threads = dict.fromkeys(("EVOKE_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    done = subprocess.run(
        [sys.executable, *map(str, words)], capture_output=True, text=True, check=False, preexec_fn=limit, timeout=900,
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], **threads},
    )  # fmt: skip
    return Ended(done.returncode, done.stdout + done.stderr)
