"""Define `evoke read IMAGE...`, which reads the emotion and contents of images and shows where the model looks."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evoke.classifier import ClassifierReader, choose, classifier_option, clip_folder, clip_option, labelled_option
from evoke.completion import models
from evoke.drawn import NUM_CHECKED, check_drawn, is_miniature, miniature_option
from pipeline.foundation.recipes import IMAGE_PX

if TYPE_CHECKING:
    from pipeline.uniemo.reader import EmotionReader, Reading

FOLDER = click.Path(path_type=Path, file_okay=False)
MODEL = Path("models/uniemo_understanding")


@click.command()
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...", type=click.Path(path_type=Path))
@click.option(
    "--model", type=FOLDER, shell_complete=models,
    help="Folder of a UniEmo model, with --clip the one that it was trained on.  [models/uniemo_understanding, unless "
    "--clip or --classifier is given]",
)  # fmt: skip
@clip_option
@classifier_option
@labelled_option
@click.option(
    "--out", type=FOLDER, metavar="DIR", help="Folder for overlays of attention; none are written without it."
)
@click.option("--overwrite", is_flag=True, help="Replace overlays with the same names.")
@miniature_option
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object per line, with everything except the maps."
)
def read(
    images: tuple[Path, ...], model: Path | None, clip: str | None, classifier: Path | None, labelled: Path | None,
    out: Path | None, overwrite: bool, miniature: bool, as_json: bool,
) -> None:  # fmt: skip
    """Read the emotion of images: probabilities, and the nearest scenes and objects of the training set.

    \b
    evoke read photo.jpg
    evoke read *.jpg --out overlays      where scene and object queries look: photo-scene.png, photo-object.png
    evoke read *.jpg --json              for other programs
    evoke read *.jpg --clip hub:OWNER/NAME@REVISION      zero-shot, without any training: emotions alone

    For an image that `evoke generate` has made, the recipe in its file is printed too; its contact sheets are left out.

    A file that is not a whole image gives one line on standard error; the others are read, and the exit status is 1.
    Overlays of images whose names differ only in the suffix have it in their names: photo.png-scene.png.
    """
    from evoke.emotion_model import check_new

    images = without_sheets(images)
    reader: EmotionReader | ClassifierReader
    if model is None and (clip or classifier):
        if out:
            raise ValueError("--out draws where a UniEmo model looks, and a classifier has no attention; leave it out")
        reader = _classifier_reader(images, clip, classifier, labelled, miniature)
    elif classifier or labelled:
        raise ValueError("--classifier and --labelled concern a classifier on CLIP features; leave out --model")
    else:
        reader = _uniemo_reader(images, model or MODEL, clip_folder(clip), miniature)
    overlays = _overlays(images, out, reader.kinds) if out else {}
    check_new([path for paths in overlays.values() for path in paths], overwrite)
    refused = [image for image in images if not _tell(reader, image, overlays.get(image, []), as_json)]
    if refused:
        raise click.exceptions.Exit(1)


def without_sheets(images: Sequence[Path]) -> tuple[Path, ...]:
    """Return the images that are no contact sheets of `evoke generate`, and name those that are on standard error.

    Raises ValueError if all are.
    """
    from evoke.png import is_sheet

    sheets = [image for image in images if is_sheet(image)]
    if len(sheets) == len(images):
        raise ValueError(f"{', '.join(map(str, sheets))}: nothing but contact sheets; name the images themselves")
    for sheet in sheets:
        click.echo(f"{sheet}: a contact sheet, left out", err=True)
    return tuple(image for image in images if image not in sheets)


def _uniemo_reader(images: Sequence[Path], model: Path, clip: Path | None, miniature: bool) -> "EmotionReader":
    """Load a UniEmo model. Raises ValueError if it is the miniature's and an image is not drawn."""
    from evoke.emotion_model import at_hand
    from pipeline.uniemo.reader import EmotionReader

    model = at_hand(model, "uniemo_joint")
    if not model.is_dir():
        raise ValueError(f"{model} does not exist; run `dvc repro {MODEL.name}`, or give --clip to read zero-shot")
    reader = EmotionReader.from_pretrained(model, clip)
    if max(reader.understanding.chain.backbone.image_size) <= IMAGE_PX:
        check_drawn(_sizes(images), model, "another --model, or --clip without --model for zero-shot", miniature)
    return reader


def _classifier_reader(
    images: Sequence[Path], clip: str | None, classifier: Path | None, labelled: Path | None, miniature: bool
) -> ClassifierReader:
    """Load a classifier on CLIP features, and say how good it is on standard error. Raises as `_uniemo_reader`."""
    models = choose(clip, classifier)
    if is_miniature(models.clip):
        check_drawn(_sizes(images), models.clip, "--clip hub:OWNER/NAME@REVISION or --clip FOLDER", miniature)
    models = models.calibrated(labelled)
    if models.news:
        click.echo(models.news, err=True)
    return ClassifierReader(*models.load())


def _sizes(images: Sequence[Path]) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield names and sizes in px of the first images, leaving out those that cannot be read."""
    from pipeline.corpora.records import RejectedError
    from pipeline.uniemo.reader import opened

    for image in images[:NUM_CHECKED]:
        with suppress(RejectedError):
            yield str(image), opened(image).size


def _tell(reader: "EmotionReader | ClassifierReader", image: Path, overlays: list[Path], as_json: bool) -> bool:
    """Print one reading, write its overlays and return True.

    For a file that is not an image, write a line to standard error and return False.
    """
    from evoke.png import recipe_of
    from pipeline.corpora.records import RejectedError
    from pipeline.work import written_aside

    try:
        reading = reader(image)
    except RejectedError as error:
        click.echo(f"{image}: {error}", err=True)
        return False
    recipe = recipe_of(image.read_bytes())
    click.echo(_json(image, reading, recipe) if as_json else _table(image, reading, recipe))
    drawings = reader.overlay(image, reading).values() if overlays else ()
    for path, drawing in zip(overlays, drawings, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_aside(path) as aside:
            drawing.save(aside, format="PNG")
    return True


def _table(image: Path, reading: "Reading", recipe: Mapping[str, Any] | None) -> str:
    """Return a reading as text: emotions from the most probable on, polarities, nearest attributes, and the recipe."""
    from pipeline.corpora.records import shown

    lines = [str(image)]
    for name, probability in sorted(reading.emotions.items(), key=lambda item: -item[1]):
        lines.append(f"  {name:<12} {probability:5.1%}  {'#' * round(30 * probability)}".rstrip())
    lines.append("  " + ", ".join(f"{name} {probability:.1%}" for name, probability in reading.polarities.items()))
    for kind, nearest in reading.attributes.items():
        lines.append(f"  {kind + 's':<8} " + ", ".join(f"{name} ({cosine:.2f})" for name, cosine in nearest))
    if recipe:
        lines.append(f"  recipe   {shown(', '.join(f'{key} {value}' for key, value in recipe.items()), 400)}")
    return "\n".join(lines)


def _json(image: Path, reading: "Reading", recipe: Mapping[str, Any] | None) -> str:
    fields = {
        "image": str(image), "emotions": dict(reading.emotions), "polarities": dict(reading.polarities),
        "attributes": dict(reading.attributes), **({"recipe": recipe} if recipe else {}),
    }  # fmt: skip
    return json.dumps(fields, ensure_ascii=False).encode(errors="replace").decode()


def _overlays(images: Sequence[Path], out: Path, kinds: Sequence[str]) -> dict[Path, list[Path]]:
    """Return the overlay files of each image, one for each kind.

    They are named after the stem of the image, after its whole name if another image has this stem, and with a number
    if another image in another folder has this name: a-scene.png, a.jpg-scene.png, a.jpg-2-scene.png.
    """
    from pipeline.corpora.folder import unique

    distinct = list(dict.fromkeys(images))
    stems = Counter(image.stem for image in distinct)
    names = unique(image.name if stems[image.stem] > 1 else image.stem for image in distinct)
    return {image: [out / f"{name}-{kind}.png" for kind in kinds] for image, name in zip(distinct, names, strict=True)}
