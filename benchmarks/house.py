"""Measure the house itself: how much there is to read, and what an edit reruns. `python -m benchmarks.house`.

An edit of a definition reruns the stages whose code holds it (pipeline/closure.py). Items of a foreach count singly.
"""

import ast
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import mean

import click
import networkx as nx
import numpy as np

from evoke.dag import stage_items
from pipeline.closure import PLUMBING, used_parts
from pipeline.params import read_yaml
from pipeline.source import Part, Source, source_of
from pipeline.stage import declaration_of

ROOT = Path(__file__).parents[1]
CONSTANTS = {  # constants whose edit should reach few, or the right, units, and where they are
    "a plot's color": ("pipeline/figure.py", "KEPT_COLOR"),
    "BETA_START of UniEmo's queries": ("pipeline/uniemo/queries.py", "BETA_START"),
    "ATTRIBUTE_KINDS": ("pipeline/attributes.py", "ATTRIBUTE_KINDS"),
    "FEEDBACK_REASONS": ("pipeline/feedback/reasons.py", "FEEDBACK_REASONS"),
}
Used = Mapping[Path, list[Part]]


def units() -> dict[str, Used]:
    """Return the code of every unit of the default run, such as images@uniemo_joint: the parts in use by file."""
    params = read_yaml(ROOT / "params.yaml")
    code_of_units: dict[str, Used] = {}
    for name, entry in read_yaml(ROOT / "dvc.yaml")["stages"].items():
        declaration = declaration_of(f"stages.{name}")
        for item in stage_items(entry, params) if name != "code" else ():
            code_of_units[f"{name}@{item}" if item else name] = used_parts(ROOT, *declaration.code_files(item))
    return code_of_units


def edits(used_by: Mapping[str, Used]) -> dict[str, float]:
    """Return how many units, and how many trainings, an edit of one definition reruns.

    Both are means over the files of pipeline/ of the mean over what a file defines.
    """
    trains = {unit for unit in used_by if declaration_of(f"stages.{unit.split('@')[0]}").trains}
    means = []
    for file in files():
        if file.as_posix() not in PLUMBING:
            parts = [part for part in source(file).parts if part.kind != "import"]
            reached = [reached_by(used_by, file, part) for part in parts] or [set()]
            means.append((mean(len(units) for units in reached), mean(len(units & trains) for units in reached)))
    return {
        "units rerun by an edit of one definition": mean(units for units, _ in means),
        "trainings rerun by an edit of one definition": mean(trainings for _, trainings in means),
    }


def reached_by(used_by: Mapping[str, Used], file: Path, part: Part) -> set[str]:
    """Return the units that use a part of a file."""
    return {unit for unit, used in used_by.items() if any(part is one for one in used.get(file, ()))}


def files() -> list[Path]:
    """Return the files of pipeline/, relative to the repository."""
    return [path.relative_to(ROOT) for path in sorted((ROOT / "pipeline").rglob("*.py"))]


def source(file: Path) -> Source:
    """Return the parts of a file."""
    return source_of((ROOT / file).read_text(encoding="utf-8"), file)


def functions() -> Iterator[int]:
    """Yield the number of lines of each function of pipeline/, stages/ and evoke/."""
    for folder in ("pipeline", "stages", "evoke"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.FunctionDef):
                    yield (node.end_lineno or node.lineno) - node.lineno + 1


def import_circles() -> int:
    """Return the number of groups of files of pipeline/ that import each other in a circle, as imports are executed."""
    graph = nx.DiGraph()
    for own in files():
        for one in (one for part in source(own).parts for one in part.imports):
            names = (".".join(one.origin[:length]) for length in range(1, len(one.origin) + 1))
            graph.add_edges_from((_module(own), name) for name in names if name != _module(own))
    return sum(len(group) > 1 for group in nx.strongly_connected_components(graph))


def _module(file: Path) -> str:
    return ".".join(file.with_suffix("").parts).removesuffix(".__init__")


@click.command()
def main() -> None:
    """Print the figures as JSON."""
    used_by = units()
    lengths = np.array(list(functions()))
    figures: dict[str, float] = {
        "lines of dvc.yaml": len((ROOT / "dvc.yaml").read_text().splitlines()),
        "lines of dvc.lock": len((ROOT / "dvc.lock").read_text().splitlines()),
        "files of pipeline/": len(files()),
        "lines of pipeline/": sum(len(path.read_text().splitlines()) for path in map(ROOT.joinpath, files())),
        "lines of a function: median": float(np.median(lengths)),
        "lines of a function: 90th percentile": float(np.quantile(lengths, 0.9)),
        "lines of a function: longest": int(lengths.max()),
        "import circles": import_circles(),
        **edits(used_by),
    }
    for constant, (file, name) in CONSTANTS.items():
        part = source(Path(file)).parts[source(Path(file)).binding[name][0]]
        figures[f"units changed by {constant}"] = len(reached_by(used_by, Path(file), part))
    click.echo(json.dumps({name: round(value, 2) for name, value in figures.items()}, indent=2))


if __name__ == "__main__":
    main()
