"""Carry the results of grids over to code that has been shown to compute the same.

An edit that changes no number changes the hash of a stage's code all the same, and with it the keys of all results. Two
files dvc.lock of one machine show what computes the same: a stage whose inputs, params and outs are equal in both.

    .venv/bin/python -m experiments.carry before/dvc.lock          # shown by that file and the present dvc.lock
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from experiments import cell as layout
from experiments.key import FINISHED
from pipeline.params import read_yaml

CODE = "code/"
Shown = Mapping[str, tuple[str, str]]  # name of a stage's code -> MD5 of the old and of the new one


def same_code(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return the codes that differ between two locks, by name, where the stages of both show that they compute the same.

    Stages that stand in one of the locks alone show nothing.
    """
    changed: dict[str, tuple[str, str]] = {}
    differs: dict[str, bool] = defaultdict(bool)
    for unit in old["stages"].keys() & new["stages"].keys():
        (name, before, *rest), (_, after, *now) = (_parts(lock["stages"][unit]) for lock in (old, new))
        changed[name] = before, after
        differs[name] |= rest != now
    return {name: pair for name, pair in sorted(changed.items()) if name and pair[0] != pair[1] and not differs[name]}


def carried(key: dict[str, Any], shown: Shown) -> list[str]:
    """Give a key the hashes of new code that computes the same, in place, and return the names of that code."""
    moved = [name for name, (old, _) in shown.items() if key["code"].get(name) == old]
    key["code"].update({name: shown[name][1] for name in moved})
    return moved


def _parts(stage: Mapping[str, Any]) -> tuple[str, str, Any, Any, Any]:
    """Return a stage's name and MD5 of its code, its other inputs, its params and its outs."""
    deps = {dep["path"]: dep["md5"] for dep in stage.get("deps", [])}
    path = next((path for path in deps if path.startswith(CODE)), "")
    outs = {out["path"]: out["md5"] for out in stage.get("outs", [])}
    return Path(path).stem, deps.pop(path, ""), deps, stage.get("params"), outs


@click.command()
@click.argument("old", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("new", type=click.Path(exists=True, dir_okay=False, path_type=Path), default=layout.ROOT / "dvc.lock")
def main(old: Path, new: Path) -> None:
    """Carry results of the code of the lock OLD over to that of the lock NEW; both must be of one machine."""
    shown = same_code(read_yaml(old), read_yaml(new))
    click.echo(f"computes the same as before: {', '.join(shown) or 'no code that has changed'}")
    for path in [*sorted(layout.RESULTS.glob("*.json")), *sorted(layout.CELLS.glob(f"*/*/{FINISHED}"))]:
        result = json.loads(path.read_text())
        if isinstance(result.get("key"), dict) and (moved := carried(result["key"], shown)):
            if path.name != FINISHED:
                result["carried"] = sorted({*result.get("carried", []), *moved})
            path.write_text(json.dumps(result, indent=2) + "\n")
            click.echo(f"{path.relative_to(layout.ROOT)}: {len(moved)} codes")


if __name__ == "__main__":
    main()
