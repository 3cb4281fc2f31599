"""Give every number its receipt: the file and the command that it is from, seeds, n, judges, hashes and params.

A receipt belongs to a unit of the pipeline, such as scores@coemogen_emoset, whose numbers are in one file of metrics/,
or to an experiment. The page shows it when a number is chosen.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.params import Params
from pipeline.report.measured import Measured
from pipeline.report.sources import Method

COUNTS = ("n", "n_test", "num_images", "num_rows", "num_train")  # keys of metrics that say how many images there were
SECTIONS = {"real_scores": "scores", "emoart_funnel": "emoart"}  # of stages without one of their own
GENERATING = ("images", "scores", "content", "grids")  # stages whose images depend on the section images


@dataclass(frozen=True)
class Receipt:
    """Where the numbers of a unit or of an experiment come from; `params` are the sections of its own."""

    unit: str
    command: str
    file: str
    digest: str
    seeds: str
    n: str
    judges: str
    model: str
    params: tuple[str, ...]
    note: str = ""


def receipts(measured: Measured, metrics: Path, results: Path, methods: Sequence[Method]) -> list[Receipt]:
    """Return the receipts of all units with metrics or images, and of all experiments."""
    return [
        *_of_units(measured, metrics, {method.name: method for method in methods}),
        *(_of_images(method, measured.params) for method in methods if method.models),
        *_of_experiments(measured, results),
    ]


def _of_units(measured: Measured, folder: Path, methods: Mapping[str, Method]) -> Iterator[Receipt]:
    for name, values in measured.metrics.items():
        stage, _, item = name.partition("/")
        unit = name.replace("/", "@")
        path = folder / f"{name}.json"
        n = next((f"{values[key]:,}" for key in COUNTS if isinstance(values.get(key), int)), "")
        judges = "; ".join(str(value) for key, value in values.items() if key.startswith("judge/"))
        models = ", ".join(methods[item].models) if item in methods else ""
        yield Receipt(
            unit, f"evoke repro {unit}", path.as_posix(), _digest(path), str(values.get("seed", measured.params.seed)),
            n, judges, models, _sections(stage, item, measured.params),
        )  # fmt: skip


def _of_images(method: Method, params: Params) -> Receipt:
    unit = f"images@{method.name}"
    prompt = f"prompt {', '.join(method.prompts)}"
    return Receipt(
        unit, f"evoke repro {unit}", f"data/images/{method.name}", "", f"{params.seed}; each image has its own",
        f"{method.num_images:,}", "", ", ".join(method.models), _sections("images", method.name, params), prompt,
    )  # fmt: skip


def _of_experiments(measured: Measured, folder: Path) -> Iterator[Receipt]:
    for name, grid in measured.grids.items():
        path = folder / f"{name}.json"
        n = grid.get("images_per_seed") or grid.get("num_pictures")
        notes = [f"outdated: {grid['outdated']}"] if grid.get("outdated") else []
        notes += [f"{key} = {value}" for key, value in grid.get("base", {}).items()]
        seeds = ", ".join(map(str, grid.get("seeds", ())))
        command = f"python -m experiments.run {name}"
        yield Receipt(name, command, path.as_posix(), _digest(path), seeds, f"{n:,} per seed" if n else "", "", "", (),
                      "; ".join(notes))  # fmt: skip


def _sections(stage: str, item: str, params: Params) -> tuple[str, ...]:
    """Return the sections of params.yaml of a stage's own, of the images that it makes, and of the item's training."""
    names = type(params).model_fields
    trained = max((name for name in names if item.startswith(name)), key=len, default="") if item else ""
    wanted = ("seed", "images" if stage in GENERATING and item else "", SECTIONS.get(stage, stage), trained)
    return tuple(dict.fromkeys(name for name in wanted if name in names))


def _digest(path: Path) -> str:
    """Return the first 16 hex digits of the SHA-256 of a file; "" if it is absent."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.is_file() else ""


def as_details(receipt: Receipt) -> list[tuple[str, Any]]:
    """Return the fields of a receipt that have a value, with their titles."""
    fields = [
        ("command", receipt.command), ("file", receipt.file), ("SHA-256 of the file", receipt.digest),
        ("seeds", receipt.seeds), ("images", receipt.n), ("judges", receipt.judges),
        ("hash of the model", receipt.model), ("note", receipt.note),
    ]  # fmt: skip
    return [(name, value) for name, value in fields if value]
