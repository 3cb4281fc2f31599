"""Record a finished cell as a DVC experiment, so that `dvc exp show` lists it beside all others.

A cell does not run as one: `dvc exp run` would make a new folder for every try, which loses the checkpoints of a killed
cell, and would run one stage after another. Here only the result becomes what DVC calls an experiment: a commit below
HEAD with the params.yaml, dvc.lock and metrics of the cell, under a name in refs/exps, and with their summary,
which is what DVC lists and which most cells end too early to write. Branch, index and files stay as they are. `dvc exp
apply NAME` then brings the cell's params and, from the shared cache, its models into the repository.
"""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from experiments.cell import Cell, params_of
from pipeline.artifacts import ALL_METRICS, SUMMARY, write_json
from pipeline.report.summary import all_metrics, headlines

NOTED = ("params.yaml", "dvc.yaml", "dvc.lock")


def record(cell: Cell, root: Path) -> str | None:
    """Record a cell in the repository at `root` and return the name of the experiment.

    Returns None where the repository is not one of git, or has no commit. An experiment of that name is replaced.
    """
    head = git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    if head is None:
        return None
    with tempfile.TemporaryDirectory() as scratch:
        index = {"GIT_INDEX_FILE": str(Path(scratch) / "index")}
        git(root, "read-tree", "HEAD", **index)
        git(root, "rm", "-r", "--quiet", "--cached", "--ignore-unmatch", "metrics", **index)
        summary, corpus = Path(scratch) / "summary.json", params_of(cell)["corpus"]
        write_json(summary, headlines(all_metrics(cell.folder / ALL_METRICS.path), corpus))
        files = {path.as_posix(): cell.folder / path for path in noted(cell.folder)} | {SUMMARY.path: summary}
        for name, file in files.items():
            blob = git(root, "hash-object", "-w", str(file))
            git(root, "update-index", "--add", "--cacheinfo", f"100644,{blob},{name}", **index)
        tree = git(root, "write-tree", **index)
    author = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER")
              for key, value in (("NAME", "evoke"), ("EMAIL", "evoke@localhost"))}  # fmt: skip
    commit = git(root, "commit-tree", str(tree), "-p", head, "-m", f"experiment {cell.name}", **author)
    git(root, "update-ref", f"refs/exps/{head[:2]}/{head[2:]}/{cell.name}", str(commit))
    return cell.name


def noted(folder: Path) -> Iterator[Path]:
    """Yield the files of a cell that its experiment holds, relative to its folder."""
    yield from (Path(name) for name in NOTED if (folder / name).is_file())
    yield from (path.relative_to(folder) for path in sorted((folder / "metrics").rglob("*.json")))


def git(root: Path, *arguments: str, **environment: str) -> str | None:
    """Return the output of a git command in `root`, or None if it fails or there is no git."""
    try:
        ended = subprocess.run(["git", *arguments], cwd=root, env={**os.environ, **environment}, capture_output=True,
                               text=True, check=True)  # fmt: skip
    except (subprocess.CalledProcessError, FileNotFoundError):
        return None
    return ended.stdout.strip()
