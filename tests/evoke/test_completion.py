"""The shell completes commands, emotions, models, stages and presets, quickly; every command answers -h."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner

from evoke.cli import COMMANDS, main

ROOT = Path(__file__).parents[2]
HEAVY = "torch pyarrow dvc transformers diffusers"


def completions(*words: str) -> list[str]:
    """Return what the shell would offer for the last word."""
    complete = BashComplete(main, {}, "evoke", "_EVOKE_COMPLETE")
    return [item.value for item in complete.get_completions(list(words[:-1]), words[-1])]


def test_commands_are_completed_and_an_unknown_one_is_no_error() -> None:
    assert completions("ex") == ["export"]
    assert set(completions("")) == set(COMMANDS)
    assert set(completions("nothing", "")) == set(COMMANDS)  # no error in the middle of a line


def test_emotions_are_completed_once_each() -> None:
    assert completions("generate", "a") == ["amusement", "awe", "anger"]
    assert completions("generate", "awe=0.5", "a") == ["amusement", "anger"]
    assert completions("export", "--seed", "3", "dis") == ["disgust"]


def test_models_are_those_that_are_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("coemogen_emoset", "uniemo_joint", "foundation"):
        Path("models", name).mkdir(parents=True)
    for name in ("coemogen_emoset", "uniemo_joint"):
        Path("models", name, "meta.json").touch()
    assert completions("generate", "awe", "--model", "") == ["models/coemogen_emoset", "models/uniemo_joint"]
    assert completions("read", "--model", "models/u") == ["models/uniemo_joint"]
    (item,) = BashComplete(main, {}, "evoke", "").get_completions(["read", "--model"], "/far")
    assert item.type == "dir"  # any other folder is left to the shell


def test_stages_with_their_items_and_presets_are_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert completions("repro", "caption_fea") == [
        "caption_features",
        "caption_features@emoart",
        "caption_features@emoset",
    ]
    assert "paper-literal" in completions("preset", "pa")


@pytest.mark.parametrize("words", [("",), ("generate", "a"), ("repro", "co"), ("read", "--model", "")])
def test_nothing_heavy_is_imported_while_a_shell_waits(words: tuple[str, ...]) -> None:
    code = (
        "import sys\nfrom evoke.cli import main\nfrom click.shell_completion import BashComplete\n"
        f"BashComplete(main, {{}}, 'evoke', '').get_completions({list(words[:-1])!r}, {words[-1]!r})\n"
        f"heavy = set({HEAVY.split()!r}) & set(sys.modules)\nassert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=ROOT, check=True)


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_the_line_of_the_readme_completes_in_bash(tmp_path: Path) -> None:
    """Bash runs `evoke` from the path, so a script of this name runs this checkout."""
    (tmp_path / "evoke").write_text(f"#!{sys.executable}\nfrom evoke.cli import main\nmain()\n")
    (tmp_path / "evoke").chmod(0o755)
    script = (
        'eval "$(evoke completion bash)"; COMP_WORDS=(evoke generate am); COMP_CWORD=2; '
        '_evoke_completion evoke am generate; echo "${COMPREPLY[@]}"'
    )
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-c", script], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "amusement", done.stderr
    for shell in ("zsh", "fish"):
        assert "_EVOKE_COMPLETE" in CliRunner().invoke(main, ["completion", shell]).output


@pytest.mark.parametrize("words", [(), ("generate",), ("captions", "export"), ("study", "make")])
def test_every_command_answers_h(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, [*words, "-h"])
    assert result.exit_code == 0
    assert "-h, --help" in result.output
