"""`evoke dag`: dvc.yaml against the code, where the stages declare what they read and write.

By hand: which stages, their order, desc, foreach. From the code: cmd, deps (inputs, stage file, import closure),
params, outs, metrics, plots.
"""

import difflib
import re
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import click
from ruamel.yaml.comments import CommentedMap

from evoke.preset import round_trip_yaml
from pipeline.artifacts import Artifact
from pipeline.closure import import_closure
from pipeline.params import Params
from pipeline.stage import Declaration, declaration_of
from pipeline.work import written_aside

FROM_CODE = ("cmd", "deps", "params", "outs", "metrics", "plots")


@click.command()
@click.option("--fix", is_flag=True, help="Write what differs into dvc.yaml; comments stay.")
def dag(fix: bool) -> None:
    """Lists what dvc.yaml says otherwise than the code, and fails if there is anything; --fix writes it."""
    path = Path("dvc.yaml")
    yaml = round_trip_yaml()
    document = yaml.load(path.read_text(encoding="utf-8"))
    problems = differences(document["stages"], Path())
    for problem in problems:
        click.echo(problem)
    if fix:
        fix_stages(document["stages"], Path())
        text = StringIO()
        yaml.dump(document, text)
        with written_aside(path) as aside:
            aside.write_text(_spaced(text.getvalue()), encoding="utf-8")
        problems = differences(document["stages"], Path())
    if problems:
        raise ValueError(
            f"dvc.yaml differs from the code in {len(problems)} place(s); `evoke dag --fix` writes the lists"
        )
    click.echo(f"dvc.yaml: {len(document['stages'])} stages agree with the code")


def differences(stages: Mapping[str, Any], root: Path) -> list[str]:
    """One line per difference between the stages of dvc.yaml and the modules in stages/, params and imports."""
    problems = [f"{name}: in stages/ and not in dvc.yaml" for name in sorted(_modules(root) - set(stages))]
    for name, entry in stages.items():
        if name not in _modules(root):
            problems.append(f"{name}: in dvc.yaml and there is no stages/{name}.py")
            continue
        declaration = declaration_of(f"stages.{name}")
        if (declaration.item is not None) != ("foreach" in entry):
            problems.append(f"{name}: item = {declaration.item!r} in the code, foreach in dvc.yaml or not must agree")
        problems += [
            f"{name}: params.yaml has no {key}" for key in declaration.sections if key not in Params.model_fields
        ]
        problems += _body_differences(name, _body(entry), expected_body(declaration, root))
    return problems


def fix_stages(stages: CommentedMap, root: Path) -> None:
    """Writes into the stages of dvc.yaml what the code says and they say otherwise, in place."""
    for name in [name for name in stages if name in _modules(root)]:
        body = _body(stages[name])
        for key, value in expected_body(declaration_of(f"stages.{name}"), root).items():
            if not value:
                body.pop(key, None)
            elif not _equal(body.get(key), value):
                body[key] = value
        for key in ("desc", *FROM_CODE):
            if key in body:
                body.move_to_end(key)


def expected_body(declaration: Declaration, root: Path) -> dict[str, Any]:
    """What dvc.yaml must say of a stage: cmd and the five lists, empty ones too."""
    name, is_foreach = declaration.stage, declaration.item is not None
    file = Path("stages") / f"{name}.py"
    code = [path.as_posix() for path in (file, *import_closure(file, root))]

    def paths(artifacts: tuple[Artifact, ...], *kinds: str) -> list[str]:
        return [artifact.template(name, is_foreach) for artifact in artifacts if not kinds or artifact.kind in kinds]

    return {
        "cmd": f"python -m stages.{name}" + (" --item ${item}" if is_foreach else ""),
        "deps": [*paths(declaration.reads), *code],
        "params": list(declaration.sections),
        "outs": paths(declaration.writes, "folder", "file", "shards", "table"),
        "metrics": [{path: {"cache": False}} for path in paths(declaration.writes, "metrics")],
        "plots": paths(declaration.writes, "plots"),
    }


def _spaced(text: str) -> str:
    """The text of dvc.yaml with one empty line before each stage but the first, and no other behind `stages:`."""
    head, stages, body = text.partition("stages:\n")
    body = re.sub(r"\n\s*\n", "\n", body)
    return head + stages + re.sub(r"(?<=\n)(?=  \w+:)", "\n", body)


def _body(entry: Any) -> Any:
    return entry["do"] if "foreach" in entry else entry


def _modules(root: Path) -> set[str]:
    return {path.stem for path in (root / "stages").glob("*.py") if not path.stem.startswith("_")}


def _body_differences(name: str, body: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    problems = [f"{name}.{key}: not a key of a stage here" for key in body if key not in ("desc", *FROM_CODE)]
    if not body.get("desc"):
        problems.append(f"{name}.desc: missing")
    for key, value in wanted.items():
        if _equal(body.get(key), value):
            continue
        changes = difflib.ndiff(_lines(body.get(key)), _lines(value))
        shown = "; ".join(line for line in changes if line[0] in "+-")
        problems.append(f"{name}.{key}: {shown}")
    return problems


def _equal(found: Any, wanted: Any) -> bool:
    return _lines(found) == _lines(wanted)


def _lines(value: Any) -> list[str]:
    """A command or a list as sorted lines; order is for the reader. Entries with options count with them."""
    if isinstance(value, str):
        return [value]
    return sorted(
        str({key: dict(more) for key, more in entry.items()}) if isinstance(entry, Mapping) else entry
        for entry in value or []
    )
