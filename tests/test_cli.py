"""`evoke`: help without libraries, one line for what a user can mend."""

import importlib
import os
import resource
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from evoke.cli import COMMANDS, main

ROOT = Path(__file__).parents[1]


def test_help_lists_every_command() -> None:
    output = CliRunner().invoke(main, ["--help"]).output
    for name, (_, short) in COMMANDS.items():
        assert name in output
        assert short.split()[0] in output


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_table_exists(name: str) -> None:
    module, _, attribute = COMMANDS[name][0].partition(":")
    command = getattr(importlib.import_module(module), attribute)
    assert isinstance(command, click.Command)
    assert CliRunner().invoke(main, [name, "--help"]).exit_code == 0


def cpu_seconds() -> float:
    """Return the CPU seconds of all children that have ended, which a busy machine does not prolong."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_help_is_fast_and_imports_nothing_heavy(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(tmp_path)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    seconds = []
    for _ in range(4):
        begin = cpu_seconds()
        subprocess.run(
            [sys.executable, "-m", "evoke", "--help"], env=environment, cwd=ROOT, check=True, capture_output=True
        )
        seconds.append(cpu_seconds() - begin)
    assert min(seconds) < 0.3
    code = (
        "import sys\nfrom evoke.cli import main\nmain(['--help'], standalone_mode=False)\n"
        "heavy = {'torch', 'numpy', 'pyarrow', 'pydantic', 'ruamel.yaml', 'dvc', 'transformers'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, check=True, capture_output=True)


def test_an_unknown_command_is_told_the_nearest() -> None:
    result = CliRunner().invoke(main, ["prset"])
    assert result.exit_code == 2
    assert "did you mean 'preset'?" in result.output


def test_a_user_error_is_one_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["params", str(tmp_path / "none.yaml")])
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert "there is no such file" in result.output


def test_the_params_of_the_repository_are_valid() -> None:
    assert CliRunner().invoke(main, ["params", str(ROOT / "params.yaml")]).output.endswith("valid\n")


def installed(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `evoke` as its entry point does, from this checkout, in another current folder."""
    code = f"import sys; sys.path[0] = {str(ROOT)!r}; from evoke.cli import main; main()"
    return subprocess.run([sys.executable, "-c", code, *words], cwd=folder, capture_output=True, text=True, check=False)


def test_an_installed_command_in_another_checkout_says_that_it_runs_its_own_code(tmp_path: Path) -> None:
    assert installed(tmp_path, "params", "none.yaml").stderr.count("\n") == 1
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "evoke").mkdir()
    (tmp_path / "evoke/cli.py").write_text("raise SystemExit('the code of the current folder has run')\n")
    told, error = installed(tmp_path, "params", "none.yaml").stderr.splitlines()
    assert told == f"This runs the code in {ROOT}, not that of this folder, which `python -m evoke` runs."
    assert error.startswith("Error: ")
    assert "This runs the code" not in installed(ROOT, "params", "none.yaml").stderr
