"""Key a cell's result by what it depends on: params, code, data and weights, each a hash by name.

A result counts only while its key is that of the present repository. Code is hashed as the pipeline does it
(pipeline/closure.py), data and weights by the MD5 that DVC records for them in dvc.lock.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from experiments import cell as layout
from experiments.cell import Cell, params_of, stages_of
from experiments.inputs import CODE, Unit, inputs_above, units_above
from pipeline.closure import code_of
from pipeline.stage import declaration_of

WEIGHTS = "models/"  # the inputs in this folder are weights, all others are data
FINISHED = "finished.json"
ABSENT = "absent"  # in place of the hash of an input that is not there


@dataclass(frozen=True)
class Key:
    """Hold the hashes of everything that a result depends on, by name.

    params: sections of params.yaml; code: stages, with item where each has code of its own; data, weights: paths.
    """

    params: Mapping[str, str]
    code: Mapping[str, str]
    data: Mapping[str, str]
    weights: Mapping[str, str]

    @property
    def digest(self) -> str:
        """Return the key as 16 hex digits."""
        return hash_of(asdict(self))

    def differences(self, other: "Key") -> list[str]:
        """Return what differs between two keys, such as "code coemogen".

        An input that is not there counts as no difference: a module of the queue writes it before the grid runs.
        """
        pairs = ((kind, getattr(self, kind), getattr(other, kind)) for kind in ("params", "code", "data", "weights"))
        return [
            f"{kind} {name}"
            for kind, one, two in pairs
            for name in sorted(one.keys() | two.keys())
            if one.get(name) != two.get(name) and ABSENT not in (one.get(name), two.get(name))
        ]


@dataclass(frozen=True)
class Finished:
    """The result of a finished cell: its metrics by file and key, and the key of what made them, if it has one."""

    metrics: Mapping[str, Any]
    key: Key | None

    def age(self, present: Key) -> str:
        """Return why the result is stale, or an empty string if it is of the present key."""
        if self.key is None:
            return "it has no key"
        changed = self.key.differences(present)
        return f"{', '.join(changed)} changed" if changed else ""


def key_of(cell: Cell, root: Path | None = None) -> Key:
    """Return the key of a cell for the code in `root`, by default the repository's."""
    root = root or layout.ROOT
    values, stages = params_of(cell), stages_of(root)
    units = units_above(cell.target, stages, values)
    inputs = input_hashes(inputs_above(cell.target, stages, values))
    return Key(
        params=hashes_of(_sections(units, values)),
        code=dict(code_hash(unit.stage, unit.item, root) for unit in units),
        data={path: md5 for path, md5 in inputs.items() if not path.startswith(WEIGHTS)},
        weights={path: md5 for path, md5 in inputs.items() if path.startswith(WEIGHTS)},
    )


def sections_of(cell: Cell) -> dict[str, Any]:
    """Return the sections of params on which a cell's result depends."""
    values = params_of(cell)
    return _sections(units_above(cell.target, stages_of(layout.ROOT), values), values)


def _sections(units: Iterable[Unit], values: Mapping[str, Any]) -> dict[str, Any]:
    return {section: values[section] for unit in units for section in unit.sections}


def hashes_of(sections: Mapping[str, Any]) -> dict[str, str]:
    """Return the hash of each section of params by name."""
    return {section: hash_of(values) for section, values in sections.items()}


@cache
def code_hash(stage: str, item: str, root: Path) -> tuple[str, str]:
    """Return the name of a unit's code and the MD5 of code/<name>.txt, which the stage `code` writes."""
    declaration = declaration_of(f"stages.{stage}")
    text = code_of(root, *declaration.code_files(item))
    return declaration.code_name(item), hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def input_hashes(paths: Iterable[str]) -> dict[str, str]:
    """Return the MD5 of files and folders as DVC computes it, which remembers those that have not changed."""
    return {path: _input_hash(layout.ROOT, path) for path in paths}


@cache
def _input_hash(root: Path, path: str) -> str:
    from dvc_data.hashfile.build import build

    if not (root / path).exists():
        return ABSENT
    repo = _repo(root)
    cache = repo.cache.local
    _, _, built = build(cache, str(root / path), cache.fs, "md5", dry_run=True, ignore=repo.dvcignore)
    return str(built.hash_info.value)


@cache
def _repo(root: Path) -> Any:
    from dvc.repo import Repo

    return Repo(str(root))


def read_finished(cell: Cell) -> Finished | None:
    """Return the result of a cell, or None if it is not finished."""
    path = cell.folder / FINISHED
    if not path.is_file():
        return None
    values = json.loads(path.read_text())
    if not isinstance(values.get("key"), dict) or not isinstance(values.get("metrics"), dict):
        return Finished(values, None)  # a result without a key counts as stale
    return Finished(values["metrics"], Key(**values["key"]))


def write_finished(cell: Cell, finished: Finished) -> None:
    """Write the result of a cell."""
    assert finished.key is not None
    values = {"key": asdict(finished.key), "metrics": dict(finished.metrics)}
    (cell.folder / FINISHED).write_text(json.dumps(values, indent=2, sort_keys=True) + "\n")


def merged(keys: Iterable[Key]) -> dict[str, Any]:
    """Return what a table records of its cells' keys: one hash of all params, and code, data and weights by name."""
    ordered = sorted(keys, key=lambda key: key.digest)
    names = {kind: {name: md5 for key in ordered for name, md5 in getattr(key, kind).items()}
             for kind in (CODE, "data", "weights")}  # fmt: skip
    return {"params": params_hash(key.params for key in ordered), **names}


def params_hash(of_cells: Iterable[Mapping[str, str]]) -> str:
    """Return one hash of the params of many cells, each with a hash by section, in any order."""
    return hash_of(sorted(hash_of(dict(hashes)) for hashes in of_cells))


def hash_of(value: Any) -> str:
    """Return a hash of plain values, 16 hex digits."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
