"""Define `evoke dag`, which compares dvc.yaml with the inputs and outs that the stages declare, and shows the graph."""

import difflib
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import click

from pipeline.artifacts import CODE, Artifact
from pipeline.params import Params, load_params, read_yaml
from pipeline.stage import Declaration, declaration_of

BY_HAND = ("desc",)
FROM_CODE = ("cmd", "deps", "params", "outs", "metrics", "plots")


@click.command()
def dag() -> None:
    """Check that dvc.yaml agrees with what the stages declare, and show which stage needs which."""
    stages = read_yaml(Path("dvc.yaml"))["stages"]
    problems = differences(stages, Path())
    for problem in problems:
        click.echo(problem)
    if problems:
        raise ValueError(
            f"dvc.yaml differs from stages/ in {len(problems)} place(s), listed above; edit dvc.yaml by hand"
        )
    for name, needs in graph_of(stages, load_params(Path("params.yaml")).corpus).items():
        click.echo(f"{name} <- {', '.join(needs)}" if needs else name)


def graph_of(stages: Mapping[str, Any], corpus: str) -> dict[str, list[str]]:
    """Return the stages of dvc.yaml, each with the stages whose outputs it reads, if `corpus` is the labelled corpus.

    The stage `code`, which all others need, is left out of these lists.
    """
    outs = {name: [*_paths(entry, "outs"), *_paths(entry, "metrics"), *_paths(entry, "plots")]
            for name, entry in stages.items() if name != "code"}  # fmt: skip
    return {
        name: [
            other
            for other, other_outs in outs.items()
            if other != name and _meets(other_outs, (dep.replace("${corpus}", corpus) for dep in _paths(entry, "deps")))
        ]
        for name, entry in stages.items()
    }


def stage_items(entry: Mapping[str, Any], params: Mapping[str, Any]) -> list[str]:
    """Return the items of a stage of dvc.yaml by its `foreach` and the params; [""] for a stage that runs once."""
    if "foreach" not in entry:
        return [""]
    section, _, key = entry["foreach"].strip("${}").partition(".")
    return list(params[section][key] if key else params[section])


def differences(stages: Mapping[str, Any], root: Path) -> list[str]:
    """Return one line for each difference between the stages of dvc.yaml and the modules in stages/."""
    problems = [f"{name}: stages/{name}.py has no entry in dvc.yaml" for name in sorted(_modules(root) - set(stages))]
    for name, entry in stages.items():
        if name not in _modules(root):
            problems.append(f"{name}: the entry in dvc.yaml has no stages/{name}.py")
            continue
        declaration = declaration_of(f"stages.{name}")
        if (declaration.item is not None) != ("foreach" in entry):
            problems.append(
                f"{name}: item = {declaration.item!r} in the code; foreach in dvc.yaml is required with an item only"
            )
        problems += [
            f"{name}: params.yaml has no {key}" for key in declaration.sections if key not in Params.model_fields
        ]
        problems += _body_differences(name, _body(entry), expected_body(declaration))
    return problems


def expected_body(declaration: Declaration) -> dict[str, Any]:
    """Return what dvc.yaml must contain for a stage: cmd and the five lists, including empty ones.

    Metrics and the summary stay in git, out of DVC's cache. The summary alone is what DVC calls metrics, so that
    `dvc metrics diff` is a page. What DVC calls plots are images; tables are drawn as the end of dvc.yaml says.
    """
    name, is_foreach = declaration.stage, declaration.item is not None

    def paths(artifacts: tuple[Artifact, ...], *kinds: str) -> list[str]:
        return [artifact.template(name, is_foreach) for artifact in artifacts if not kinds or artifact.kind in kinds]

    def in_git(kind: str) -> list[dict[str, Any]]:
        return [{path: {"cache": False}} for path in paths(declaration.writes, kind)]

    code = [] if CODE in declaration.writes else [f"{CODE.path}/{declaration.code_name('${item}')}.txt"]
    return {
        "cmd": f"python -m stages.{name}" + (" --item ${item}" if is_foreach else ""),
        "deps": [*code, *paths(declaration.reads)],
        "params": list(declaration.sections),
        "outs": [*paths(declaration.writes, "folder", "file", "shards", "table", "plots"), *in_git("metrics")],
        "metrics": in_git("summary"),
        "plots": paths(declaration.writes, "figures"),
    }


def _body(entry: Any) -> Any:
    return entry["do"] if "foreach" in entry else entry


def _modules(root: Path) -> set[str]:
    return {path.stem for path in (root / "stages").glob("*.py") if not path.stem.startswith("_")}


def _paths(entry: Mapping[str, Any], key: str) -> Iterator[str]:
    """Yield the paths of one list of a stage, with ${item} as written."""
    for path in _body(entry).get(key, []):
        yield path if isinstance(path, str) else next(iter(path))


def _meets(outs: list[str], deps: Iterator[str]) -> bool:
    """Return True if, for some item, an out is a dependency or lies in a folder that is one."""
    read = [_pattern(dep) for dep in deps]
    return any(_lies_in(_pattern(out), dep) for out in outs for dep in read)


def _pattern(path: str) -> list[str]:
    return path.replace("${item}", "*").split("/")


def _lies_in(out: list[str], dep: list[str]) -> bool:
    pairs = list(zip(out, dep, strict=False))
    return len(out) >= len(dep) and all(fnmatch(part, other) or fnmatch(other, part) for part, other in pairs)


def _body_differences(name: str, body: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    problems = [f"{name}.{key}: this key is not allowed" for key in body if key not in (*BY_HAND, *FROM_CODE)]
    if not body.get("desc"):
        problems.append(f"{name}.desc: missing")
    for key, value in expected.items():
        actual, lines = _lines(body.get(key)), _lines(value)
        if actual != lines:
            difference = "; ".join(line for line in difflib.ndiff(actual, lines) if line[0] in "+-")
            problems.append(f"{name}.{key}: {difference}")
    return problems


def _lines(value: Any) -> list[str]:
    """Return a command or a list as sorted lines; the order in dvc.yaml serves only the reader.

    Entries with options are compared together with their options.
    """
    if isinstance(value, str):
        return [value]
    return sorted(
        str({key: dict(more) for key, more in entry.items()}) if isinstance(entry, Mapping) else entry
        for entry in value or []
    )
