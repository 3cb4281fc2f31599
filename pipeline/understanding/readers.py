"""Run every reader of emotions side by side: one pass over each image records the output of each.

- clip_zero_shot: the nearest prompt.
- clip_probe: logistic regression on CLIP's features of EmoSet's train split.
- emotion_classifier: the head used for curation.
- captioner: the multimodal model (pipeline/understanding/asking.py).
- UniEmo's understanding models, under their own names.

No reader is trained on the small data sets, so results on them measure transfer.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from pipeline.corpora.labelled import Sample
from pipeline.corpora.pack import reject_table, runs
from pipeline.corpora.records import Reject
from pipeline.emotion_set import EMOTIONS
from pipeline.schemas import READINGS_SCHEMA
from pipeline.understanding.asking import by_caption, by_word, likeness
from pipeline.understanding.probe import Probe, fit_probe
from pipeline.uniemo.pictures import ClipInput, square_of

if TYPE_CHECKING:
    from PIL import Image

    from pipeline.foundation.captioner import Captioner
    from pipeline.foundation.clip import Clip
    from pipeline.judges.classifier import Pictures
    from pipeline.judges.head import EmotionHead
    from pipeline.params import UnderstandingScores
    from pipeline.understanding.parts import Part
    from pipeline.uniemo.folder import Understanding

Floats = NDArray[np.floating]
ZERO_SHOT, PROBE, CLASSIFIER, CAPTIONER = "clip_zero_shot", "clip_probe", "emotion_classifier", "captioner"
NO_FEATURES = np.empty(0, np.float32)


@dataclass(frozen=True)
class Reading:
    """A reader's output for N images.

    probabilities N8; features ND on which the reader based them, for probes, or None if they are not kept.
    """

    probabilities: Floats
    features: Floats | None = None


@dataclass(frozen=True)
class Panel:
    """Hold all readers. `emotions` are CLIP's text features 8D of the emotions, of unit length."""

    clip: "Clip"
    emotions: Tensor
    probe: Probe
    classifier: "EmotionHead"
    understandings: "Mapping[str, Understanding]"
    captioner: "Captioner"
    settings: "UnderstandingScores"

    def read(self, images: "Sequence[Image.Image]") -> dict[str, Reading]:
        """Return the reading of each reader except the captioner, by its name, for one batch of RGB images."""
        raw = self.clip.encode_images(images, normalize=False).numpy()
        norms = np.linalg.norm(raw, axis=1)
        units = raw / norms[:, None]
        return {
            ZERO_SHOT: Reading(likeness(self.clip, torch.from_numpy(units), self.emotions)),
            PROBE: Reading(self.probe.probabilities(units), units),
            CLASSIFIER: Reading(self.classifier.probabilities(units, norms)),
            **{name: understood(model, images) for name, model in self.understandings.items()},
        }

    def ask(self, images: "Sequence[Image.Image]") -> Reading:
        """Return the captioner's reading of one batch of RGB images."""
        if self.settings.question == "word":
            return Reading(by_word(self.captioner, images))
        length = self.settings.max_new_tokens
        return Reading(by_caption(self.captioner, self.clip, self.emotions, images, length))

    def tables(self, part: "Part") -> dict[str, pa.Table]:
        """Return the readings of a part as a table of READINGS_SCHEMA, and its rejects."""
        rejects: list[Reject] = []
        batches = runs(_samples(part, rejects), self.settings.batch_size, 0, lambda _: (1, 0))
        rows = [row for batch in batches for row in self._rows(batch, part)]
        rows.sort(key=lambda row: (row["image_id"], row["reader"]))
        return {"readings": pa.Table.from_pylist(rows, READINGS_SCHEMA.arrow), "rejects": reject_table(rejects)}

    def _rows(self, batch: Sequence[Sample], part: "Part") -> Iterator[dict[str, object]]:
        for name, reading in self.read([sample.picture.pixels for sample in batch]).items():
            yield from _rows_of(name, batch, reading, part.probed)
        some = [sample for sample in batch if sample.picture.image_id in part.asked]
        if some:
            yield from _rows_of(CAPTIONER, some, self.ask([sample.picture.pixels for sample in some]), False)


def load_panel(
    clip: Path, classifier: Path, captioner: Path, understandings: Mapping[str, Path], pictures: "Pictures",
    settings: "UnderstandingScores", device: torch.device | str = "cpu",
) -> Panel:  # fmt: skip
    """Load the readers from these folders and fit a probe on the features of the train split of `pictures`."""
    from pipeline.foundation.captioner import load_captioner
    from pipeline.foundation.clip import load_clip
    from pipeline.judges.head import load_head
    from pipeline.uniemo.folder import load_understanding

    clip_model, train = load_clip(clip, device), pictures.in_split("train")
    return Panel(
        clip=clip_model,
        emotions=emotion_texts(clip_model, settings.prompts),
        probe=fit_probe(train.features, train.emotions, len(EMOTIONS), settings.probe_strength),
        classifier=load_head(classifier, device),
        understandings={name: load_understanding(folder, clip, device) for name, folder in understandings.items()},
        captioner=load_captioner(captioner, device),
        settings=settings,
    )


@torch.inference_mode()
def understood(understanding: "Understanding", images: "Sequence[Image.Image]") -> Reading:
    """Return the reading of an understanding model for RGB images, each cropped to its center square.

    The features are the class tokens of the model.
    """
    chain = understanding.chain
    device = chain.backbone.conv1.weight.device
    squares = np.stack([square_of(image, understanding.settings.image_px) for image in images])
    output = chain(ClipInput(chain.backbone).to(device)(torch.from_numpy(squares).to(device)))
    probabilities = (output.logits.float() / understanding.temperature).softmax(1)
    return Reading(probabilities.cpu().numpy(), output.class_token.float().cpu().numpy())


def emotion_texts(clip: "Clip", prompts: Sequence[str]) -> Tensor:
    """Return the text features 8D of the emotions, of unit length.

    Each is the mean over prompts, in which the emotion replaces {S}.
    """
    means = [clip.encode_texts([text.replace("{S}", emotion) for text in prompts]).mean(0) for emotion in EMOTIONS]
    return F.normalize(torch.stack(means), dim=1)


def _samples(part: "Part", rejects: list[Reject]) -> Iterator[Sample]:
    """Yield the samples of a part and append its rejects to the list."""
    for outcome in part.samples():
        if isinstance(outcome, Reject):
            rejects.append(outcome)
        else:
            yield outcome


def _rows_of(reader: str, samples: Sequence[Sample], reading: Reading, probed: bool) -> Iterator[dict[str, object]]:
    features = [NO_FEATURES] * len(samples) if reading.features is None or not probed else list(reading.features)
    for sample, probabilities, feature in zip(samples, reading.probabilities, features, strict=True):
        yield {
            "image_id": sample.picture.image_id, "reader": reader, "label": sample.label, "split": sample.split,
            "probabilities": probabilities.astype(np.float32), "feature": feature.astype(np.float32),
        }  # fmt: skip
