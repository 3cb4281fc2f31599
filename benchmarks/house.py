"""Measure the house itself: how much there is to read, and what an edit reruns. `python -m benchmarks.house`.

An edit of a file reruns the stages whose code holds it (pipeline/closure.py); items of a foreach count one by one.
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
from pipeline.closure import PLUMBING, code_of, imported_files
from pipeline.params import read_yaml
from pipeline.stage import declaration_of

ROOT = Path(__file__).parents[1]
CONSTANTS = {  # files that hold a constant whose edit should reach few, or the right, units
    "a plot's color": "pipeline/colors.py",
    "BETA_START of UniEmo's queries": "pipeline/uniemo/queries.py",
    "ATTRIBUTE_KINDS": "pipeline/attributes.py",
    "FEEDBACK_REASONS": "pipeline/feedback/reasons.py",
}


def units() -> dict[str, set[str]]:
    """Return the files of the code of every unit of the default run, such as images@uniemo_joint."""
    params, files_of = read_yaml(ROOT / "params.yaml"), {}
    for name, entry in read_yaml(ROOT / "dvc.yaml")["stages"].items():
        declaration = declaration_of(f"stages.{name}")
        for item in stage_items(entry, params) if name != "code" else ():
            lines = code_of(ROOT, *declaration.code_files(item)).splitlines()
            files_of[f"{name}@{item}" if item else name] = {line.split()[1] for line in lines}
    return files_of


def edits(files_of: Mapping[str, set[str]]) -> dict[str, float]:
    """Return how many units, and how many trainings, an edit of one file of pipeline/ reruns, the mean over files."""
    files = [path.relative_to(ROOT).as_posix() for path in (ROOT / "pipeline").rglob("*.py")]
    trains = {unit for unit in files_of if declaration_of(f"stages.{unit.split('@')[0]}").trains}
    reached = [[unit for unit, code in files_of.items() if file in code] for file in files if file not in PLUMBING]
    return {
        "units rerun by an edit of one file": mean(len(units) for units in reached),
        "trainings rerun by an edit of one file": mean(sum(unit in trains for unit in units) for units in reached),
    }


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
    for path in (ROOT / "pipeline").rglob("*.py"):
        own = path.relative_to(ROOT)
        graph.add_edges_from((own, other) for other in imported_files(own, ROOT))
    return sum(len(group) > 1 for group in nx.strongly_connected_components(graph))


@click.command()
def main() -> None:
    """Print the figures as JSON."""
    files_of = units()
    lengths = np.array(list(functions()))
    files = list((ROOT / "pipeline").rglob("*.py"))
    figures: dict[str, float] = {
        "lines of dvc.yaml": len((ROOT / "dvc.yaml").read_text().splitlines()),
        "lines of dvc.lock": len((ROOT / "dvc.lock").read_text().splitlines()),
        "files of pipeline/": len(files),
        "lines of pipeline/": sum(len(path.read_text().splitlines()) for path in files),
        "lines of a function: median": float(np.median(lengths)),
        "lines of a function: 90th percentile": float(np.quantile(lengths, 0.9)),
        "lines of a function: longest": int(lengths.max()),
        "import circles": import_circles(),
        **edits(files_of),
    }
    figures |= {
        f"units changed by {constant}": sum(file in code for code in files_of.values())
        for constant, file in CONSTANTS.items()
    }
    click.echo(json.dumps({name: round(value, 2) for name, value in figures.items()}, indent=2))


if __name__ == "__main__":
    main()
