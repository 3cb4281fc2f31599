"""Keep manifest.csv beside images that were made for a user: how each was made, enough to make it again."""

import csv
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from pipeline.generation.request import Request
from pipeline.generation.sampling import Sampling
from pipeline.work import written_aside

MANIFEST = "manifest.csv"


@dataclass(frozen=True)
class Entry:
    """One row of the manifest.

    `seed` is the seed of the image, not of the run. `emotions` has the form that the command line takes. `model` is the
    hash of the model's folder.
    """

    file: str
    emotions: str
    prompt: str
    seed: str
    strength: str
    steps: str
    guidance: str
    solver: str
    source: str
    model: str
    negative_prompt: str = ""


COLUMNS = tuple(field.name for field in fields(Entry))
OLDER = COLUMNS[:-1]  # before there were negative prompts


def entry(file: str, request: Request, sampling: Sampling, source: str, model: str) -> Entry:
    """Return the manifest row of one image."""
    return Entry(
        file, request.label, request.prompt, str(request.seed), f"{request.strength:g}", str(sampling.steps),
        f"{sampling.guidance:g}", sampling.solver, source, model, sampling.negative_prompt,
    )  # fmt: skip


def read_manifest(folder: Path) -> dict[str, Entry]:
    """Return the rows of a folder's manifest by file; none if there is no manifest.

    Raises ValueError if the file is not a manifest of this project.
    """
    path = folder / MANIFEST
    if not path.exists():
        return {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            header, *rows = list(csv.reader(file)) or [[]]
    except (UnicodeDecodeError, csv.Error):
        header, rows = [], []
    if any(len(row) != len(header) for row in rows) or tuple(header) not in (COLUMNS, OLDER):
        raise ValueError(
            f"{path} is not a manifest of images: expected are the columns {','.join(COLUMNS)}; choose another folder"
        )
    return {entry.file: entry for entry in (Entry(*row) for row in rows)}


def add_to_manifest(folder: Path, entries: Iterable[Entry]) -> None:
    """Write rows into the manifest of a folder, sorted by file; they replace older rows of the same files."""
    rows = read_manifest(folder) | {row.file: row for row in entries}
    with written_aside(folder / MANIFEST) as aside, aside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(rows[name]) for name in sorted(rows))
