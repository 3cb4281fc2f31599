"""`evoke repro --dry`: which param, code, input or output makes a stage run again."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from evoke.repro import stale_stages

YAML = """
stages:
  code:
    cmd: mkdir -p code && cp code.py code/first.txt
    deps: [code.py]
    outs: [code]
  first:
    cmd: cp in.txt out.txt
    deps: [in.txt, code/first.txt]
    params: [first]
    outs: [out.txt]
  second:
    cmd: cp out.txt end.txt
    deps: [out.txt]
    outs: [end.txt]
"""

CODE = "aaaa pipeline/one.py f\nbbbb pipeline/two.py g\ncccc pipeline/two.py H\ndddd pipeline/two.py\n"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two stages that have run, current."""
    files = {"dvc.yaml": YAML, "in.txt": "1", "code.py": CODE, "params.yaml": "first: {steps: 5, sub: {rate: 0.1}}\n"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    for words in (["init", "--no-scm", "-q"], ["repro", "-q"]):
        subprocess.run([sys.executable, "-m", "dvc", *words], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def reasons() -> dict[str, str]:
    return dict(stale_stages(()).reasons)


def test_each_kind_of_change_is_named(repository: Path) -> None:
    assert reasons() == {}
    Path("params.yaml").write_text("first: {steps: 6, sub: {rate: 0.2, new: true}}\n")
    assert reasons() == {
        "first": "param first.steps: 5 -> 6; param first.sub.new: nothing -> true; param first.sub.rate: 0.1 -> 0.2",
        "second": "after first",
    }
    Path("params.yaml").write_text("first: {steps: 5, sub: {rate: 0.1}}\n")
    Path("code.py").write_text(CODE.replace("aaaa", "eeee").replace("dddd", "eeee"))
    assert reasons()["first"] == "code pipeline/one.py: f, pipeline/two.py"
    Path("code.py").write_text(CODE.replace("bbbb", "eeee").replace("cccc", "eeee"))
    assert reasons()["first"] == "code pipeline/two.py: H, g"
    Path("code.py").write_text(CODE)
    Path("in.txt").write_text("2")
    assert reasons()["first"] == "input in.txt modified"
    Path("in.txt").write_text("1")
    Path("end.txt").unlink()
    assert reasons() == {"second": "end.txt missing"}
    Path("end.txt").write_text("edited")
    assert reasons() == {"second": "end.txt modified"}


def test_in_a_fresh_clone_everything_is_to_be_made(repository: Path) -> None:
    for name in ("out.txt", "end.txt"):
        Path(name).unlink()
    shutil.rmtree(".dvc/cache")
    shutil.rmtree("code")
    assert reasons() == {"first": "out.txt missing", "second": "end.txt missing; after first"}
