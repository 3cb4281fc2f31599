"""What benchmarks.endurance kills and where: the last commit, and what has no figure of as many kills yet."""

import json
import subprocess
from pathlib import Path

import pytest

from benchmarks import endurance


def commit(repository: Path, text: str) -> None:
    (repository / "file").write_text(text)
    author = ("-c", "user.name=a", "-c", "user.email=a@b")
    for arguments in (("add", "."), (*author, "commit", "--quiet", "-m", text)):
        subprocess.run(["git", "-C", str(repository), *arguments], check=True)


def test_the_clone_is_at_the_last_commit_and_the_repository_around_it_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, clone = tmp_path, tmp_path / ".work/endurance"
    monkeypatch.setattr(endurance, "ROOT", root)
    monkeypatch.setattr(endurance, "CLONE", clone)
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    (root / ".gitignore").write_text(".work/\n")
    commit(root, "first")
    endurance.update()
    (clone / "file").write_text("preset")
    (clone / ".work").mkdir()
    (clone / ".work/piece").write_text("kept")
    commit(root, "second")
    (root / "file").write_text("not committed")
    endurance.update()
    assert (clone / "file").read_text() == "second"
    assert (clone / ".work/piece").exists()
    assert (root / "file").read_text() == "not committed"


def test_a_unit_is_finished_by_a_figure_of_any_file_with_as_many_kills(tmp_path: Path) -> None:
    figures = {
        "2026-01-02": {"emoset": {"kills": 100}, "judges of dvc": {"kills": 20}},
        "2026-01-03": {"emoset": {"kills": 8}, "judges": {"kills": 99}},
    }
    for day, found in figures.items():
        (tmp_path / f"{day}-endurance.json").write_text(json.dumps(found))
    paths = sorted(tmp_path.iterdir())
    assert list(endurance.passes(["emoset", "judges"], 100, paths)) == [
        ("emoset of dvc", "emoset", "dvc", 20),
        ("judges", "judges", "stage", 100),
    ]
    assert len(list(endurance.passes(["emoset"], 100, paths[1:]))) == 2
    assert [number for *_, number in endurance.passes(["emogen"], 3, paths)] == [3, 1]
