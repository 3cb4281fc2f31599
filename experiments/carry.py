"""Carry the results of grids over to code that has been shown to compute the same.

An edit that changes no number changes the hash of a stage's code all the same, and with it the keys of all results. Two
files dvc.lock of one machine show what computes the same: a stage whose inputs, params and outs are equal in both.

    .venv/bin/python -m experiments.carry before/dvc.lock          # shown by that file and the present dvc.lock
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from experiments import cell as layout
from experiments.kept import path_of
from experiments.key import FINISHED, hash_of, hashes_of, params_hash, sections_of
from pipeline.params import read_yaml

CODE = "code/"
Shown = Mapping[str, tuple[str, str]]  # name of a stage's code -> MD5 of the old and of the new one


def same_code(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return the codes that differ between two locks, by name, where the stages of both show that they do the same.

    Stages are the same if their outs have the same paths, whatever they are called. Those that were given other inputs
    or params show nothing, nor do those in one of the locks alone; one with other outs of the same inputs refutes. Keys
    of params that only the new lock has count as no difference: equal outs show that their values stand for what was
    done before.
    """
    pairs = [(one, other) for one, other in _in_both(old, new) if one.was_given_as(other)]
    differ = {one.name for one, other in pairs if one.outs != other.outs}
    return {
        one.name: (one.code, other.code)
        for one, other in sorted(pairs, key=lambda pair: pair[0].name)
        if one.name and one.code != other.code and one.name not in differ
    }


def carried(key: dict[str, Any], shown: Shown) -> list[str]:
    """Give a key the hashes of new code that computes the same, in place, and return the names of that code."""
    moved = [name for name, (old, _) in shown.items() if key["code"].get(name) == old]
    key["code"].update({name: shown[name][1] for name in moved})
    return moved


@dataclass(frozen=True)
class _Unit:
    """A stage of a lock: the name and the MD5 of its code, and the MD5 of its other inputs and of its outs by path."""

    name: str
    code: str
    inputs: Mapping[str, str]
    params: Mapping[str, Any]
    outs: Mapping[str, str]

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(sorted(self.outs))

    def was_given_as(self, newer: "_Unit") -> bool:
        """Return True if the newer stage had the same inputs and params."""
        return self.inputs == newer.inputs and _within(self.params, newer.params)


def _within(old: object, new: object) -> bool:
    """Return True if all keys of nested dicts have the same values in the new one, which may have more keys."""
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return old == new
    return all(key in new and _within(value, new[key]) for key, value in old.items())


def _in_both(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[_Unit, _Unit]]:
    """Return the stages that are in both locks, recognised by the paths of their outs, as pairs of old and new."""
    before, after = ({unit.paths: unit for unit in map(_unit, lock["stages"].values())} for lock in (old, new))
    return [(before[paths], after[paths]) for paths in before.keys() & after.keys()]


def _unit(stage: Mapping[str, Any]) -> _Unit:
    deps = {dep["path"]: dep["md5"] for dep in stage.get("deps", [])}
    path = next((path for path in deps if path.startswith(CODE)), "")
    code, outs = deps.pop(path, ""), {out["path"]: out["md5"] for out in stage.get("outs", [])}
    return _Unit(Path(path).stem, code, deps, stage.get("params", {}), outs)


def added_keys(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, set[str]]:
    """Return the keys of each section of params that only the new lock has, of stages that are in both."""
    added: dict[str, set[str]] = defaultdict(set)
    for pair in _in_both(old, new):
        one, other = (unit.params.get("params.yaml", {}) for unit in pair)
        for section, values in other.items():
            if isinstance(values, Mapping) and isinstance(one.get(section), Mapping):
                added[section] |= values.keys() - one[section].keys()
    return {section: keys for section, keys in added.items() if keys}


def carried_params(key: dict[str, Any], params: Mapping[str, Any], added: Mapping[str, set[str]]) -> list[str]:
    """Give a key the hashes of the present params where they differ by added keys alone, and return the sections."""
    moved = []
    for section, keys in added.items():
        if key["params"].get(section) == hash_of(_without(params[section], keys)):
            key["params"][section] = hash_of(params[section])
            moved.append(section)
    return moved


def carried_table(key: dict[str, Any], cells: Sequence[Mapping[str, Any]], added: Mapping[str, set[str]]) -> bool:
    """Give a table's key the hash of its cells' present params where they differ by added keys alone; say if it did.

    cells: the sections of params on which each cell depends.
    """
    former = [
        {section: _without(values, added.get(section, set())) for section, values in each.items()} for each in cells
    ]
    if key.get("params") != params_hash(map(hashes_of, former)):
        return False
    key["params"] = params_hash(map(hashes_of, cells))
    return True


def _carried_grid(name: str, key: dict[str, Any], added: Mapping[str, set[str]]) -> bool:
    if not added or name not in layout.grid_names():
        return False
    return carried_table(key, [sections_of(cell) for cell in layout.cells(name, layout.read_grid(name))], added)


def _without(values: Any, keys: set[str]) -> Any:
    return {name: value for name, value in values.items() if name not in keys} if keys else values


@click.command()
@click.argument("old", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("new", type=click.Path(exists=True, dir_okay=False, path_type=Path), default=layout.ROOT / "dvc.lock")
def main(old: Path, new: Path) -> None:
    """Carry results of the code of the lock OLD over to that of the lock NEW; both must be of one machine."""
    locks = read_yaml(old), read_yaml(new)
    shown, added = same_code(*locks), added_keys(*locks)
    click.echo(f"computes the same as before: {', '.join(shown) or 'no code that has changed'}")
    for path in sorted(layout.RESULTS.glob("*.json")):
        result = json.loads(path.read_text())
        if not isinstance(result.get("key"), dict):
            continue
        moved = carried(result["key"], shown)
        if moved:
            result["carried"] = sorted({*result.get("carried", []), *moved})
        if _carried_grid(path.stem, result["key"], added) or moved:
            path.write_text(json.dumps(result, indent=2) + "\n")
            click.echo(f"{path.name}: {', '.join(moved) or 'params'}")
    for cell in (cell for name in layout.grid_names() for cell in layout.cells(name, layout.read_grid(name))):
        for path in filter(Path.is_file, (path_of(cell), cell.folder / FINISHED)):
            result = json.loads(path.read_text())
            if carried(result["key"], shown) + carried_params(result["key"], layout.params_of(cell), added):
                path.write_text(json.dumps(result, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
