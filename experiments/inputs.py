"""Resolve dvc.yaml for given params: the units that a target needs, and what they read that no stage makes."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import click

from evoke.dag import stage_items

CODE = "code"  # the stage that all others need, and the folder that it writes


@dataclass(frozen=True)
class Unit:
    """One stage, or one item of a foreach stage, with all names and params filled in."""

    name: str
    stage: str
    item: str
    deps: tuple[str, ...]
    sections: tuple[str, ...]
    outs: tuple[str, ...]


def units_of(stages: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Unit]:
    """Return every unit of dvc.yaml by name, such as scores@coemogen_emoset."""
    units = {}
    for stage, entry in stages.items():
        body = entry.get("do", entry)
        for item in stage_items(entry, values):
            name = f"{stage}@{item}" if item else stage
            outs = [path for key in ("outs", "metrics", "plots") for path in _filled(body, key, item, values)]
            deps, sections = _filled(body, "deps", item, values), _filled(body, "params", item, values)
            units[name] = Unit(name, stage, item, tuple(deps), tuple(sections), tuple(outs))
    return units


def units_above(target: str, stages: Mapping[str, Any], values: Mapping[str, Any]) -> list[Unit]:
    """Return the target's unit and all units that it needs, without the stage `code`.

    Raises ClickException if dvc.yaml has no such unit with these params.
    """
    units = {name: unit for name, unit in units_of(stages, values).items() if unit.stage != CODE}
    if target not in units:
        raise click.ClickException(f"with these params dvc.yaml has no {target}")
    needed: dict[str, Unit] = {}
    waiting = [target]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed[name] = units[name]
            waiting += [other.name for other in units.values() if _meet(other.outs, units[name].deps)]
    return [unit for name, unit in units.items() if name in needed]


def needs_of(units: Iterable[Unit]) -> dict[str, list[str]]:
    """Return the names of the units whose outs each of these units reads, directly."""
    listed = list(units)
    return {unit.name: [other.name for other in listed if other is not unit and _meet(other.outs, unit.deps)]
            for unit in listed}  # fmt: skip


def inputs_above(target: str, stages: Mapping[str, Any], values: Mapping[str, Any]) -> list[str]:
    """Return the paths that a target's units read and that no stage makes: data sets, overrides, bundled weights."""
    outs_of_stages = [unit.outs for unit in units_of(stages, values).values()]
    read = {dep for unit in units_above(target, stages, values) for dep in unit.deps}
    return sorted(dep for dep in read if not any(_meet(outs, (dep,)) for outs in outs_of_stages))


def _filled(body: Mapping[str, Any], key: str, item: str, values: Mapping[str, Any]) -> list[str]:
    """Return the paths of one list of a stage with ${item}, ${corpus} and ${section.key} filled in."""

    def value_of(match: re.Match[str]) -> str:
        section, _, name = match[1].partition(".")
        return item if section == "item" else str(values[section][name] if name else values[section])

    entries = (entry if isinstance(entry, str) else next(iter(entry)) for entry in body.get(key, []))
    return [re.sub(r"\$\{([\w.]+)\}", value_of, entry) for entry in entries]


def _meet(outs: Iterable[str], deps: Iterable[str]) -> bool:
    """Return True if an out is a dependency, or one lies in the other, as DVC ties stages."""
    return any(f"{out}/".startswith(f"{dep}/") or f"{dep}/".startswith(f"{out}/") for out in outs for dep in deps)
