"""`evoke curate FOLDER --out DIR`: an emotional corpus out of anybody's pictures, by the curation of the stage emoart.

Needs a CLIP and an emotion classifier, those of the pipeline by default; params.yaml where there is one says the rest.
"""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evoke.drawn import warn_of_drawings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

    from pipeline.corpora.curate import Unit
    from pipeline.corpora.selection import Selection
    from pipeline.params import Emoart
    from pipeline.work import WorkFolder

PARAMS = Path("params.yaml")
FOLDER = click.Path(path_type=Path)
SHARE, SPLIT_SHARE = click.FloatRange(0, 1), click.FloatRange(0, 0.5, max_open=True)


@dataclass(frozen=True)
class Models:
    """Folders of CLIP and classifier, and what is known of the classifier, as a card tells it."""

    clip: Path
    classifier: Path
    known: str


@click.command()
@click.argument("folder", type=FOLDER)
@click.option("--out", required=True, type=FOLDER, metavar="DIR", help="Where to; not there yet, or empty.")
@click.option("--clip", type=FOLDER, help="An open_clip folder.  [models/foundation/clip]")
@click.option("--classifier", type=FOLDER, help="A folder with the emotion head.  [models/emotion_classifier]")
@click.option("--min-confidence", type=SHARE, help="Least probability of the top emotion.")
@click.option("--min-emotion-frac", type=SHARE, help="Emotions rarer than this among the confident are dropped.")
@click.option("--val-frac", type=SPLIT_SHARE, help="Share of each emotion in the val split.")
@click.option("--test-frac", type=SPLIT_SHARE, help="Share of each emotion in the test split.")
@click.option("--batch-size", type=click.IntRange(1, 65536), help="Pictures in one forward pass.")
def curate(folder: Path, out: Path, clip: Path | None, classifier: Path | None, **given: Any) -> None:
    """Keep the pictures of FOLDER whose emotion is clear, as a data set of Hugging Face's kind in DIR.

    FOLDER holds JPEG, PNG or WebP at any depth, or a WikiArt (data/*.parquet). DIR gets data/ with a file or more for
    train, val and test, README.md (the dataset card), sheets/ (the surest pictures of each emotion), curation.parquet
    and rejects.parquet. What is not given is as emoart in params.yaml says, without one as CoEmoGen says.

    A run that was killed goes on where it was when the same command is given again; what it had finished waits beside
    DIR, in .NAME.work, until a run ends well.
    """
    from pipeline.corpora.curate import plan
    from pipeline.runtime import forbid_downloads

    forbid_downloads()
    _check_out(folder, out)
    models = _models(clip, classifier)
    if clip is None:
        warn_of_drawings("--clip and --classifier")
    settings, seed = _settings(folder, {name: value for name, value in given.items() if value is not None})
    name = re.sub(r"[^\w-]+", "_", out.resolve().name).strip("_") or "curated"
    units = plan(folder, name, settings.shard_images)
    work = _work_folder(out, name, units, models, settings, seed)
    found = _make(out.resolve(), name, units, models, settings, seed, work)
    _tell(found, out)


def _check_out(folder: Path, out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} is there and not an empty folder; name a folder that is not there yet")
    if out.resolve() == Path.cwd() or os.path.ismount(out):
        raise ValueError(f"{out} cannot be replaced as a whole; name a folder in it")
    if out.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{out} lies in {folder}, which would then hold its contact sheets; name a folder outside")


def _models(clip: Path | None, classifier: Path | None) -> Models:
    """The folders that are given, else the pipeline's. Raises ValueError where one is not there."""
    from pipeline.artifacts import EMOTION_CLASSIFIER, FOUNDATION_CLIP
    from pipeline.generation.folder import model_hash

    folders = {"clip": clip or Path(FOUNDATION_CLIP.path), "classifier": classifier or Path(EMOTION_CLASSIFIER.path)}
    for option, path in folders.items():
        if not path.is_dir():
            raise ValueError(f"{path}: there is no such folder; `dvc repro` makes it, or give yours by --{option}")
    accuracy = "not known" if clip or classifier else _accuracy()
    hashes = ", ".join(f"{option} {model_hash(path)}" for option, path in folders.items())
    return Models(**folders, known=f"its accuracy is {accuracy} (hashes of the models: {hashes})")


def _accuracy() -> str:
    """Of the pipeline's own classifier on its own CLIP, if it has been measured."""
    from pipeline.artifacts import METRICS, read_json

    report = Path(METRICS.path.replace("{unit}", "emotion_classifier"))
    found = read_json(report) if report.exists() else {}
    accuracy, number = found.get("accuracy"), found.get("n_test")
    if not isinstance(accuracy, float) or not isinstance(number, int):
        return "not known"
    return f"{accuracy:.1%} of the {number:,} test pictures of the corpus that it learnt from"


def _settings(folder: Path, given: dict[str, Any]) -> "tuple[Emoart, int]":
    """The section emoart with what is given, and the seed; of params.yaml, or CoEmoGen's. Rejects stop nothing here."""
    from pipeline.params import Emoart, load_own_params

    params = load_own_params(PARAMS, "emoart")
    if params:
        settings, seed = params.emoart, params.seed
    else:
        seed = 0
        settings = Emoart(
            folder=str(folder), min_confidence=0.75, min_emotion_frac=0.01, val_frac=0.05, test_frac=0.15,
            batch_size=100, shard_images=1000, max_reject_frac=1.0,
        )  # fmt: skip
    return settings.model_copy(update=given | {"folder": str(folder), "max_reject_frac": 1.0}), seed


def _work_folder(
    out: Path, name: str, units: "list[Unit]", models: Models, settings: "Emoart", seed: int
) -> "WorkFolder":
    """Beside DIR, for the pieces of this command on these pictures, models and code."""
    import pipeline
    from pipeline.closure import code_of
    from pipeline.runtime import numbers
    from pipeline.work import WorkFolder, fingerprint

    params = {"settings": settings.model_dump(mode="json"), "seed": seed, "name": name, "units": repr(units)}
    code = code_of(Path("evoke/curate.py"), Path(pipeline.__path__[0]).parent)
    deps = [*sorted({path for unit in units for path in _files(unit)}), models.clip, models.classifier]
    mark = fingerprint("curate", params, code, deps, numbers())
    return WorkFolder("curate", mark, out.resolve().with_name(f".{out.resolve().name}.work"))


def _files(unit: "Unit") -> "Iterator[Path]":
    """What a unit reads, but what is refused by its name or kind already."""
    from pipeline.corpora.wikiart import RowGroups

    if isinstance(unit, RowGroups):
        yield unit.file
    else:
        yield from (unit.folder / file.path for file in unit.files if file.reject is None)


def _make(
    out: Path, name: str, units: "list[Unit]", models: Models, settings: "Emoart", seed: int, work: "WorkFolder"
) -> "Selection":
    """Curates and gives DIR its name when it is whole. Of the work folder finished pieces alone outlive an error."""
    from pipeline.corpora.curate import judge_all
    from pipeline.corpora.dataset import write_dataset
    from pipeline.foundation.clip import Clip, load_clip
    from pipeline.judges.head import EmotionHead, load_head
    from pipeline.runtime import device

    def load() -> tuple[Clip, EmotionHead]:
        return load_clip(models.clip, device()), load_head(models.classifier, device())

    with work.lock():
        try:
            pieces = judge_all(units, load, settings, work)
            found = _selected(pieces, settings, seed, work)
            write_dataset(work.outs / name, name, found, lambda: pieces("confident"), settings, models.known)
            os.replace(work.outs / name, out)
            work.finish()
        finally:
            shutil.rmtree(work.outs, ignore_errors=True)
            if not any(work.stage_folder.glob("*/parts/*/*")):
                shutil.rmtree(work.stage_folder)
                work.stage_folder.parent.rmdir()
    return found


def _selected(
    pieces: "Callable[[str], Iterator[pa.Table]]", settings: "Emoart", seed: int, work: "WorkFolder"
) -> "Selection":
    """The second pass. Where it raises ValueError the pieces go too, as it would again."""
    from pipeline.corpora.selection import select
    from pipeline.runtime import numpy_generator

    try:
        return select(pieces("judged"), pieces("rejects"), settings, numpy_generator(seed, "curate", "splits"))
    except ValueError:
        work.finish()
        raise


def _tell(found: "Selection", out: Path) -> None:
    """What was kept, dropped and refused, in four lines at most."""
    from collections import Counter

    from pipeline.corpora.pack import told
    from pipeline.corpora.records import KEPT

    kept = Counter(
        row["emotion"] for row in found.judged.select(["emotion", "reason"]).to_pylist() if row["reason"] == KEPT
    )
    num_collected = len(found.judged) + len(found.rejects)
    click.echo(f"{out}: {len(found.splits)} of {num_collected} pictures are kept")
    click.echo(f"  {', '.join(f'{number} {emotion}' for emotion, number in kept.most_common())}")
    if found.dropped:
        click.echo(f"  dropped as too rare: {', '.join(found.dropped)}")
    if len(found.rejects):
        click.echo(f"  refused: {told(found.rejects)}")
