"""Explain why a stage would run: which param, input, code or output differs from its last run, according to DVC."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.artifacts import CODE

if TYPE_CHECKING:
    from dvc.stage import Stage

GONE = ("deleted", "not in cache")
MOST_NEEDS = 3  # number of stages that are named


def reasons(stage: "Stage", status: Any, needs: set[str]) -> str:
    """Return one line that says why a stage would run.

    status: DVC's status of the stage, a list of words and of {"changed deps" or "changed outs": {path: how}}; None if
    the stage would run only because others run before it. needs: those other stages.
    """
    parts: list[str] = []
    for entry in status or ():
        if not isinstance(entry, Mapping):
            parts.append(str(entry))
            continue
        for path, how in entry.get("changed deps", {}).items():
            if isinstance(how, Mapping):
                parts += changed_params(stage)
            elif path.startswith(f"{CODE.path}/"):
                parts.append(f"code {', '.join(changed_code(stage, path)) or how}")
            elif how not in GONE or not needs:
                parts.append(f"input {path} {how}")
        outs = entry.get("changed outs", {})
        missing = [path for path, how in outs.items() if how in GONE]
        parts += [f"{', '.join(missing)} missing"] if missing else []
        parts += [f"{path} {how}" for path, how in outs.items() if path not in missing]
    if needs:
        named = sorted(needs)[:MOST_NEEDS]
        more = f" and {len(needs) - len(named)} more" if len(needs) > len(named) else ""
        parts.append(f"after {', '.join(named)}{more}")
    return "; ".join(parts)


def changed_code(stage: "Stage", path: str) -> list[str]:
    """Return what has changed of the code since the last run, by file, such as "pipeline/rows.py: shuffled, Rows".

    The list is empty if DVC's cache no longer holds the state of the last run.
    """
    recorded = next((dep.hash_info.value for dep in stage.deps if dep.def_path == path and dep.hash_info), None)
    before = Path(stage.repo.cache.local.oid_to_path(recorded)) if recorded else None
    if before is None or not before.is_file() or not Path(path).is_file():
        return []
    lines = (set(file.read_text(encoding="utf-8").splitlines()) for file in (before, Path(path)))
    names: dict[str, set[str]] = {}
    for line in set.symmetric_difference(*lines):
        _, file, *defined = line.split(" ", 2)
        names.setdefault(file, set()).update(defined)
    return [": ".join(filter(None, (file, ", ".join(sorted(names[file]))))) for file in sorted(names)]


def changed_params(stage: "Stage") -> list[str]:
    """Return the params of a stage that differ from those of its last run, with both values."""
    from dvc.dependency.param import ParamsDependency

    changes: list[str] = []
    for dep in stage.deps:
        if isinstance(dep, ParamsDependency):
            before, now = (flat(values) for values in (dep.hash_info.value or {}, dep.read_params()))
            changes += [
                f"param {key}: {shown(before.get(key))} -> {shown(now.get(key))}"
                for key in sorted(before.keys() | now.keys())
                if before.get(key) != now.get(key)
            ]
    return changes


def flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested sections as one level of dotted keys."""
    return dict(_flat(values, ""))


def _flat(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def shown(value: Any) -> str:
    """Return a value as JSON, and a missing value as `nothing`."""
    return "nothing" if value is None else json.dumps(value)
