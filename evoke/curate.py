"""Define `evoke curate SOURCE --out DIR`, which makes an emotional corpus from any images.

It applies the curation of the stage emoart (CoEmoGen 3.1). CLIP and emotion classifier are by default the pipeline's
own (evoke/classifier.py); other settings come from params.yaml if there is one.
"""

import os
import re
import shutil
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evoke.classifier import HUB, Classifier, choose, classifier_option, clip_option, labelled_option
from evoke.drawn import NUM_CHECKED, check_drawn, is_miniature, miniature_option
from evoke.hub import Push, files_of, push_options, send

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


@click.command()
@click.argument("source")
@click.option(
    "--out", required=True, type=FOLDER, metavar="DIR", help="Output folder; must not exist yet, or be empty."
)
@clip_option
@classifier_option
@labelled_option
@click.option("--min-confidence", type=SHARE, help="Minimum probability of the most probable emotion.")
@click.option("--min-emotion-frac", type=SHARE, help="Drop emotions with a smaller share of the confident images.")
@click.option("--val-frac", type=SPLIT_SHARE, help="Share of each emotion in the val split.")
@click.option("--test-frac", type=SPLIT_SHARE, help="Share of each emotion in the test split.")
@click.option("--batch-size", type=click.IntRange(1, 65536), help="Images per forward pass.")
@click.option("--follow-links", is_flag=True, help="Follow links of images out of SOURCE, to any file or folder.")
@miniature_option
@push_options
def curate(
    source: str, out: Path, clip: str | None, classifier: Path | None, labelled: Path | None, follow_links: bool,
    miniature: bool, push_to_hub: Push | None, **options: Any,
) -> None:  # fmt: skip
    """Keep the images of SOURCE whose emotion is clear, as a Hugging Face data set in DIR.

    \b
    evoke curate photos --out mine --clip hub:OWNER/NAME@REVISION     zero-shot, without any training
    evoke curate drawings --out mine                                  by the pipeline's own classifier
    evoke curate hub:OWNER/NAME@REVISION --out mine --clip FOLDER     a data set of the hub, shard by shard

    SOURCE is a folder with JPEG, PNG, WebP, TIFF, BMP, GIF or AVIF files at any depth, or with shards: tars as
    webdataset and img2dataset write them, Parquet files with a column image, or what Dataset.save_to_disk wrote. It may
    be one such file, or a data set on the hub, whose shards are downloaded one at a time and deleted again.

    DIR gets data/ with one or more files for train, val and test, README.md (the dataset card), sheets/ (the surest
    images of each emotion), curation.parquet, and rejects.parquet, which names each refused file with its reason.
    Options that are not given are taken from emoart in params.yaml, or from CoEmoGen if there is no such file.

    Linked images out of SOURCE are refused, except files in DVC's cache, unless --follow-links is given.

    --push-to-hub ORG/NAME lists what would be sent to the Hugging Face Hub, and sends it with --yes. If DIR has a
    corpus already, it is sent as it is. The images keep their own rights; send only what you may.

    A run that was killed resumes when the same command is given again; its finished work is kept beside DIR, in
    .NAME.work, until a run succeeds.
    """
    if push_to_hub and (out / "README.md").is_file() and (out / "data").is_dir():
        send(push_to_hub, "dataset", out, files_of(out))
        return
    _check_out(source, out)
    settings, seed = _settings(source, {name: value for name, value in options.items() if value is not None})
    name = re.sub(r"[^\w-]+", "_", out.resolve().name).strip("_") or "curated"
    units = _units(source, name, settings.shard_images, follow_links)
    models = choose(clip, classifier)
    if is_miniature(models.clip):
        check_drawn(_sizes(units), models.clip, "--clip hub:OWNER/NAME@REVISION or --clip FOLDER", miniature)
    models = models.calibrated(labelled)
    work = _work_folder(out, name, units, models, settings, seed)
    selection = _make(out.resolve(), name, units, models, settings, seed, work)
    _tell(selection, out, models.news, {file.image_id for unit in units for file in getattr(unit, "files", ())})
    if push_to_hub:
        send(push_to_hub, "dataset", out, files_of(out))


def _units(source: str, name: str, shard_images: int, follow_links: bool) -> "Sequence[Unit]":
    """Return the runs of a source here or, if it is named as hub:OWNER/NAME@REVISION, on the hub."""
    from pipeline.corpora.curate import plan
    from pipeline.corpora.hub import HubData
    from pipeline.corpora.shards import plan_hub

    if not source.startswith("hub:"):
        return plan(Path(source), name, shard_images, follow_links)
    match = HUB.fullmatch(source)
    if not match:
        raise ValueError(
            f"{source}: wanted hub:OWNER/NAME@REVISION; REVISION is a commit of 40 hex digits, which the page of the "
            "data set lists under its files"
        )
    os.environ.setdefault("HF_HUB_OFFLINE", "0")  # else the loading of a CLIP from a folder forbids downloads
    return plan_hub(HubData(match[1], match[2]), name)


def _check_out(source: str, out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} exists and is not an empty folder; name a new or empty folder")
    if out.resolve() == Path.cwd() or os.path.ismount(out):
        raise ValueError(
            f"{out} is the current folder or a mount point and cannot be replaced; name a folder inside it"
        )
    if out.resolve().is_relative_to(Path(source).resolve()):
        raise ValueError(f"{out} lies inside the input folder {source}; name a folder outside it")


def _settings(source: str, options: dict[str, Any]) -> "tuple[Emoart, int]":
    """Return the emoart settings with the given values, and the seed, from params.yaml or else CoEmoGen's.

    Rejects never stop this command.
    """
    from pipeline.params import Emoart, load_own_params

    params = load_own_params(PARAMS, "emoart")
    if params:
        settings, seed = params.emoart, params.seed
    else:
        seed = 0
        settings = Emoart(
            folder=source, min_confidence=0.75, min_emotion_frac=0.01, val_frac=0.05, test_frac=0.15,
            batch_size=100, shard_images=1000, max_reject_frac=1.0,
        )  # fmt: skip
    return settings.model_copy(update=options | {"folder": source, "max_reject_frac": 1.0}), seed


def _work_folder(
    out: Path, name: str, units: "Sequence[Unit]", models: Classifier, settings: "Emoart", seed: int
) -> "WorkFolder":
    """Return a work folder beside DIR for the pieces of this command on these images, models and code."""
    import pipeline
    from pipeline.closure import code_of
    from pipeline.runtime import numbers
    from pipeline.work import WorkFolder, fingerprint

    params = {
        "settings": settings.model_dump(mode="json"), "seed": seed, "name": name, "units": repr(units),
        "temperature": models.temperature, "note": models.note,
    }  # fmt: skip
    code = code_of(Path(pipeline.__path__[0]).parent, Path("evoke/curate.py"))
    deps = [
        *sorted({path for unit in units for path in _files(unit)}),
        models.clip,
        *([models.head] if models.head else []),
    ]
    mark = fingerprint("curate", params, code, deps, numbers())
    return WorkFolder("curate", mark, out.resolve().with_name(f".{out.resolve().name}.work"))


def _sizes(units: "Sequence[Unit]") -> "Iterator[tuple[str, tuple[int, int]]]":
    """Yield names and sizes in px of the first images that can be read."""
    from pipeline.corpora.records import Reject

    pictures = (outcome for unit in units for outcome in unit.read() if not isinstance(outcome, Reject))
    for picture in islice(pictures, NUM_CHECKED):
        yield picture.path or picture.image_id, picture.pixels.size


def _note(models: Classifier) -> str:
    """Return what the dataset card says of the classifier, with the hashes of its models."""
    from pipeline.generation.folder import model_hash

    folders = {"clip": models.clip, **({"classifier": models.head} if models.head else {})}
    hashes = ", ".join(f"{option} {model_hash(path)}" for option, path in folders.items())
    return f"{models.note} (hashes of the models: {hashes})"


def _files(unit: "Unit") -> "Iterator[Path]":
    """Yield the files here that a unit reads, except those already refused by name or kind."""
    from pipeline.corpora.folder import Files
    from pipeline.corpora.shards import Shard
    from pipeline.corpora.wikiart import RowGroups

    if isinstance(unit, Files):
        yield from (unit.folder / file.path for file in unit.files if file.reject is None)
    elif isinstance(unit, RowGroups) or (isinstance(unit, Shard) and not unit.hub):
        yield unit.file


def _spooled(unit: "Unit", folder: Path) -> "Unit":
    """Return a unit that downloads into the folder, which the next run empties if this one is killed."""
    from pipeline.corpora.shards import Shard

    return replace(unit, spool=folder) if isinstance(unit, Shard) and unit.hub else unit


def _make(
    out: Path, name: str, units: "Sequence[Unit]", models: Classifier, settings: "Emoart", seed: int, work: "WorkFolder"
) -> "Selection":
    """Curate, and give DIR its name when it is whole.

    After an error only finished pieces stay in the work folder.
    """
    from evoke.corpus.dataset import write_dataset
    from pipeline.corpora.curate import judge_all

    with work.lock():
        try:
            spooled = [_spooled(unit, work.outs) for unit in units]
            pieces = judge_all(spooled, models.load, settings, work)
            selection = _selected(pieces, settings, seed, work)
            write_dataset(work.outs / name, name, selection, lambda: pieces("confident"), settings, _note(models))
            os.replace(work.outs / name, out)
            work.finish()
        finally:
            shutil.rmtree(work.outs, ignore_errors=True)
            if not any(work.stage_folder.glob("*/parts/*/*")):
                shutil.rmtree(work.stage_folder)
                work.stage_folder.parent.rmdir()
    return selection


def _selected(
    pieces: "Callable[[str], Iterator[pa.Table]]", settings: "Emoart", seed: int, work: "WorkFolder"
) -> "Selection":
    """Run the second pass. If it raises ValueError, the pieces are removed too, because it would fail again."""
    from pipeline.corpora.selection import select
    from pipeline.runtime import numpy_generator

    try:
        return select(pieces("judged"), pieces("rejects"), settings, numpy_generator(seed, "curate", "splits"))
    except ValueError:
        work.finish()
        raise


def refusals(rejects: "pa.Table", files: Collection[str]) -> str:
    """Return rejects as one line: the count of each reason, the most frequent first, each with its first file or row.

    files: the image_ids that stand for files; the detail of a file begins with its path, and a user knows no image_id.
    """
    first: dict[str, str] = {}
    for row in rejects.to_pylist():
        place = [] if row["image_id"] in files else [row["image_id"]]
        first.setdefault(row["reason"], ": ".join([*place, row["detail"]]))
    counts = Counter(rejects["reason"].to_pylist()).most_common()
    return ", ".join(f"{number} {reason} (first {first[reason]})" for reason, number in counts)


def _tell(selection: "Selection", out: Path, news: str, files: Collection[str]) -> None:
    """Print what was kept, dropped and rejected, and what is new of the classifier, in at most five lines."""
    from pipeline.corpora.records import KEPT

    counts = Counter(
        row["emotion"] for row in selection.judged.select(["emotion", "reason"]).to_pylist() if row["reason"] == KEPT
    )
    num_collected = len(selection.judged) + len(selection.rejects)
    click.echo(f"{out}: {len(selection.splits)} of {num_collected} images kept")
    click.echo(f"  {', '.join(f'{number} {emotion}' for emotion, number in counts.most_common())}")
    if selection.dropped:
        click.echo(f"  dropped as too rare: {', '.join(selection.dropped)}")
    if len(selection.rejects):
        click.echo(f"  rejected: {refusals(selection.rejects, files)}")
    if news:
        click.echo(news)
