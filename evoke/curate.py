"""`evoke curate FOLDER --out DIR`: an emotional corpus out of anybody's pictures, by the curation of the stage emoart.

Needs a CLIP and an emotion classifier, those of the pipeline by default; params.yaml where there is one says the rest.
"""

import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pipeline.corpora.curate import Unit
    from pipeline.corpora.selection import Selection
    from pipeline.params import Emoart

PARAMS = Path("params.yaml")
FOLDER = click.Path(path_type=Path)
SHARE, SPLIT_SHARE = click.FloatRange(0, 1), click.FloatRange(0, 0.5, max_open=True)


@dataclass(frozen=True)
class Models:
    """Folders of CLIP and classifier, and the classifier's accuracy on EmoSet's test split where it is known."""

    clip: Path
    classifier: Path
    accuracy: float | None


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
    """
    from pipeline.corpora.curate import plan
    from pipeline.runtime import forbid_downloads

    forbid_downloads()
    _check_out(folder, out)
    models = _models(clip, classifier)
    settings, seed = _settings(folder, {name: value for name, value in given.items() if value is not None})
    name = re.sub(r"[^\w-]+", "_", out.resolve().name).strip("_") or "curated"
    units = plan(folder, name, settings.shard_images)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".aside-", dir=out.parent) as aside:
        found = _make(Path(aside) / "out", name, units, models, settings, seed)
        os.replace(Path(aside) / "out", out)
    _tell(found, out)


def _check_out(folder: Path, out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} is there and not an empty folder; name a folder that is not there yet")
    if out.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{out} lies in {folder}, which would then hold its contact sheets; name a folder outside")


def _models(clip: Path | None, classifier: Path | None) -> Models:
    """The folders that are given, else the pipeline's. Raises ValueError where one is not there."""
    from pipeline.artifacts import EMOTION_CLASSIFIER, FOUNDATION_CLIP, METRICS, read_json

    report = Path(METRICS.path.replace("{unit}", "emotion_classifier"))
    accuracy = read_json(report).get("accuracy") if classifier is None and report.exists() else None
    models = Models(
        clip or Path(FOUNDATION_CLIP.path),
        classifier or Path(EMOTION_CLASSIFIER.path),
        accuracy if isinstance(accuracy, float) else None,
    )
    for option, path in (("clip", models.clip), ("classifier", models.classifier)):
        if not path.is_dir():
            raise ValueError(f"{path}: there is no such folder; `dvc repro` makes it, or give yours by --{option}")
    return models


def _settings(folder: Path, given: dict[str, Any]) -> "tuple[Emoart, int]":
    """The section emoart with what is given, and the seed; of params.yaml, or CoEmoGen's. Rejects stop nothing here."""
    from pipeline.params import Emoart, load_params

    if PARAMS.exists():
        params = load_params(PARAMS)
        settings, seed = params.emoart, params.seed
    else:
        seed = 0
        settings = Emoart(
            folder=str(folder), min_confidence=0.75, min_emotion_frac=0.01, val_frac=0.05, test_frac=0.15,
            batch_size=100, shard_images=1000, max_reject_frac=1.0,
        )  # fmt: skip
    return settings.model_copy(update=given | {"folder": str(folder), "max_reject_frac": 1.0}), seed


def _make(folder: Path, name: str, units: "list[Unit]", models: Models, settings: "Emoart", seed: int) -> "Selection":
    """Curates, and makes the whole of DIR in `folder`; pieces lie beside it."""
    from pipeline.corpora.curate import judge_all
    from pipeline.corpora.dataset import write_dataset
    from pipeline.corpora.selection import select
    from pipeline.foundation.clip import Clip, load_clip
    from pipeline.judges.head import EmotionHead, load_head
    from pipeline.runtime import device, numpy_generator
    from pipeline.work import WorkFolder

    def load() -> tuple[Clip, EmotionHead]:
        return load_clip(models.clip, device()), load_head(models.classifier, device())

    work = WorkFolder("curate", "pieces", folder.parent / "work")
    with work.lock():
        pieces = judge_all(units, load, settings, work)
        found = select(pieces("judged"), pieces("rejects"), settings, numpy_generator(seed, "curate", "splits"))
        write_dataset(folder, name, found, lambda: pieces("confident"), settings, models.accuracy)
    return found


def _tell(found: "Selection", out: Path) -> None:
    """What was kept, dropped and refused, in three lines at most."""
    from collections import Counter

    from pipeline.corpora.pack import told
    from pipeline.corpora.records import KEPT

    kept = Counter(
        row["emotion"] for row in found.judged.select(["emotion", "reason"]).to_pylist() if row["reason"] == KEPT
    )
    num_collected = len(found.judged) + len(found.rejects)
    click.echo(f"{out}: {len(found.splits)} of {num_collected} pictures are kept")
    click.echo(f"  {', '.join(f'{number} {emotion}' for emotion, number in kept.most_common())}")
    if len(found.rejects):
        click.echo(f"  refused: {told(found.rejects)}")
