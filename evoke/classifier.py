"""Choose CLIP and emotion classifier for `evoke curate`, `read` and `score`: the pipeline's, yours, or zero-shot.

`--clip` is a folder or hub:OWNER/NAME@REVISION. A CLIP without a classifier reads emotions zero-shot, by prompts.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

if TYPE_CHECKING:
    from PIL import Image

    from pipeline.corpora.picture import Picture
    from pipeline.foundation.clip import Clip
    from pipeline.judges.head import EmotionHead
    from pipeline.uniemo.reader import Reading

FOLDER = click.Path(path_type=Path)
HUB = re.compile(r"hub:([\w.-]+/[\w.-]+)@([0-9a-f]{40})")
ZERO_SHOT = (
    "it is zero-shot: it compares images with prompts and was trained on no emotion, and published probes of this kind "
    "read EmoSet's eight emotions right for 40-50 % of the images"
)
BATCH = 32

clip_option = click.option(
    "--clip", metavar="FOLDER|hub:OWNER/NAME@REVISION",
    help="An open_clip folder, or a hub model at a commit of 40 hex digits.  [models/foundation/clip]",
)  # fmt: skip
classifier_option = click.option(
    "--classifier", type=FOLDER,
    help="A folder with the emotion head, such as one by `evoke import-emogen`.  [zero-shot if --clip is given, else "
    "models/emotion_classifier]",
)  # fmt: skip
labelled_option = click.option(
    "--labelled", type=FOLDER,
    help="Images with one subfolder per emotion, on which the classifier's confidence is calibrated and its accuracy "
    "measured.",
)  # fmt: skip


@dataclass(frozen=True)
class Classifier:
    """The folders of CLIP and emotion head (None: zero-shot), its temperature if it was fitted, and what is known.

    `note` is a clause on the classifier's accuracy, and `news` the same as a sentence if a user must be told.
    """

    clip: Path
    head: Path | None
    note: str
    temperature: float | None = None

    @property
    def news(self) -> str:
        return f"On the classifier: {self.note}." if self.head is None or self.temperature is not None else ""

    def load(self) -> "tuple[Clip, EmotionHead]":
        """Load both onto the device."""
        from evoke.zero_shot import zero_shot_head
        from pipeline.foundation.clip import load_clip
        from pipeline.judges.head import load_head
        from pipeline.runtime import device

        clip = load_clip(self.clip, device())
        head = load_head(self.head, device()) if self.head else zero_shot_head(clip)
        if self.temperature is not None:
            head.temperature.fill_(self.temperature)
        return clip, head

    def calibrated(self, labelled: Path | None) -> "Classifier":
        """Return this classifier with the temperature that fits labelled images best, and its accuracy on them.

        Returns it unchanged without a folder. Raises ValueError if no image of the folder can be read.
        """
        if labelled is None:
            return self
        from pipeline.judges.calibration import fit_temperature, wilson_interval

        clip, head = self.load()
        logits, emotions = [], []
        for emotion, features, norms in _features(clip, labelled):
            logits.append(head.logits(features, norms))
            emotions.append(emotion)
        if not logits:
            raise ValueError(f"{labelled}: none of its images can be read; `evoke score` names the reason for each")
        scores, targets = np.concatenate(logits), np.concatenate(emotions)
        num_right, num = int((scores.argmax(1) == targets).sum()), len(targets)
        low, high = wilson_interval(num_right, num)
        note = f"it is right for {num_right} of the {num} images of {labelled} ({low:.0%} to {high:.0%})"
        kind = "" if self.head else f"{ZERO_SHOT}; here "
        return replace(self, note=f"{kind}{note}", temperature=fit_temperature(scores, targets))


@dataclass(frozen=True)
class ClassifierReader:
    """A reader with the interface of `EmotionReader` that has a classifier on CLIP features, and no attributes."""

    clip: "Clip"
    head: "EmotionHead"
    kinds: tuple[str, ...] = ()  # of attributes and overlays

    def __call__(self, image: Path) -> "Reading":
        """Return the reading of one image. Raises RejectedError for a file that is not a complete image."""
        from pipeline.emotion_set import EMOTIONS
        from pipeline.uniemo.reader import Reading, opened, polarities_of

        features = self.clip.encode_images([opened(image)], normalize=False).numpy()
        norms = np.linalg.norm(features, axis=1)
        row = self.head.probabilities(features / norms[:, None], norms)[0].tolist()
        return Reading(dict(zip(EMOTIONS, row, strict=True)), polarities_of(row), {}, {})

    @staticmethod
    def overlay(image: Path, reading: "Reading") -> "dict[str, Image.Image]":
        """Return no overlays: a classifier has no attention."""
        return {}


def choose(clip: str | None, classifier: Path | None) -> Classifier:
    """Return the classifier that the options name, without loading it; the pipeline's own where none is named.

    Raises ValueError if a folder is missing, or if the classifier takes features of another width than CLIP's.
    """
    from pipeline.artifacts import EMOTION_CLASSIFIER, FOUNDATION_CLIP
    from pipeline.judges.head import load_head

    folder = clip_folder(clip) or existing(Path(FOUNDATION_CLIP.path), "clip")
    if clip and classifier is None:
        clip_config(folder)
        return Classifier(folder, None, ZERO_SHOT)
    head = existing(classifier or Path(EMOTION_CLASSIFIER.path), "classifier")
    expected, width = load_head(head).width, clip_config(folder)["embed_dim"]
    if expected != width:
        raise ValueError(
            f"{head} expects CLIP features of width {expected}, but {folder} gives {width}; name the CLIP that it was "
            "trained on by --clip (EmoGen's: ViT-L/14, width 768), or give --clip without --classifier for zero-shot"
        )
    return Classifier(
        folder, head, "its accuracy is unknown" if clip or classifier else f"its accuracy is {_accuracy()}"
    )


def clip_folder(clip: str | None) -> Path | None:
    """Return the folder that --clip names, after a download if it names a hub model; None for None.

    Anything else is loaded from disk only, without downloads.
    """
    from pipeline.foundation.hub import cached
    from pipeline.runtime import forbid_downloads

    if clip is None or not clip.startswith("hub:"):
        forbid_downloads()
        return existing(Path(clip), "clip") if clip is not None else None
    match = HUB.fullmatch(clip)
    if not match:
        raise ValueError(
            f"--clip {clip}: wanted hub:OWNER/NAME@REVISION; REVISION is a commit of 40 hex digits, which the model's "
            "page lists under its files"
        )
    return cached(match[1], match[2], "open_clip_config.json")


def existing(folder: Path, option: str) -> Path:
    """Return a folder. Raises ValueError if there is none."""
    if not folder.is_dir():
        raise ValueError(
            f"{folder} does not exist; run `dvc repro` to create it, or name your own folder with --{option}"
            + (" (or hub:OWNER/NAME@REVISION)" if option == "clip" else "")
        )
    return folder


def clip_config(folder: Path) -> dict[str, object]:
    """Return the model_cfg of an open_clip folder. Raises ValueError if it has none."""
    file = folder / "open_clip_config.json"
    try:
        config = json.loads(file.read_text(encoding="utf-8"))["model_cfg"]
        config["embed_dim"], dict(config["vision_cfg"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{folder} is not an open_clip folder: {file.name}: {error!r}") from None
    return dict(config)


def _accuracy() -> str:
    """Return the accuracy of the pipeline's own classifier on its own CLIP as text, if it has been measured."""
    from pipeline.artifacts import METRICS, read_json

    report = Path(METRICS.path.replace("{unit}", "emotion_classifier"))
    metrics = read_json(report) if report.exists() else {}
    accuracy, number = metrics.get("accuracy"), metrics.get("n_test")
    if not isinstance(accuracy, float) or not isinstance(number, int):
        return "unknown"
    return f"{accuracy:.1%} on the {number:,} test images of its training corpus"


def _features(clip: "Clip", labelled: Path) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield emotions B, features BD of unit length and their norms B of the readable images, batch by batch."""
    from evoke.scored_folder import emotion_of, plan_emotions
    from pipeline.corpora.curate import batches
    from pipeline.corpora.records import Reject
    from pipeline.emotion_set import INDEX

    planned = plan_emotions(labelled)
    of_image = {file.image_id: INDEX[emotion_of(file)] for file in planned.files}

    def pictures() -> "Iterator[Picture]":
        yield from (outcome for outcome in planned.outcomes(planned.files) if not isinstance(outcome, Reject))

    for batch in batches(pictures(), BATCH):
        features = clip.encode_images([picture.pixels for picture in batch], normalize=False).numpy()
        norms = np.linalg.norm(features, axis=1)
        yield np.array([of_image[picture.image_id] for picture in batch]), features / norms[:, None], norms
