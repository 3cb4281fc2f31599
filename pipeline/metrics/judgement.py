"""Judge each image in one pass: one row per image holds what every judge returns, and all metrics use these rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from pipeline.corpora.images import to_rgb
from pipeline.features import decoded, pictures
from pipeline.metrics import emogen
from pipeline.metrics.backbones import check_weights, inception_features
from pipeline.metrics.columns import no_vectors, vectors
from pipeline.metrics.inception import Inception, load_inception
from pipeline.metrics.reference import weights_hash
from pipeline.metrics.result import Protocol

if TYPE_CHECKING:
    import torch

    from pipeline.foundation.clip import Clip
    from pipeline.judges.head import EmotionHead
    from pipeline.judges.panel import Judges
    from pipeline.params import Scores

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
Pictures = Sequence[Image.Image]
Take = Callable[[Sequence[int], Protocol], Pictures]  # row indices of a table -> images as a protocol finds them


@dataclass(frozen=True)
class ModelFiles:
    """Paths of CLIP, the classifier and the judges, and the folder of the weights named in the section `scores`."""

    clip: Path
    classifier: Path
    judges: Path
    pretrained: Path

    def hashes(self, inception: str | None) -> dict[str, str]:
        """Return the hash of the weights of each FID backbone: clip, judge and, if given, inception."""
        paths = {"clip": self.clip, "judge": self.judges}
        if inception:
            paths["inception"] = self.pretrained / inception
        return {name: weights_hash(path) for name, path in paths.items()}


@dataclass(frozen=True)
class Bench:
    """Hold all judges of an image: CLIP with the emotion classifier on it, and the networks on pixels."""

    clip: "Clip"
    classifier: "EmotionHead"
    judges: "Judges"
    protocols: tuple[Protocol, ...] = ("clean",)
    inception: Inception | None = None


def load_bench(files: ModelFiles, settings: "Scores", device: "torch.device | str" = "cpu") -> Bench:
    """Load all judges. Raises ValueError before anything is loaded if weights that the settings name are missing."""
    from pipeline.foundation.clip import load_clip
    from pipeline.judges.head import load_head
    from pipeline.judges.panel import load_judges

    check_weights(settings, files.pretrained)
    name = settings.inception_weights
    inception = load_inception(files.pretrained / name, device) if name else None
    judges = load_head(files.classifier, device), load_judges(files.judges, device)
    return Bench(load_clip(files.clip, device), *judges, settings.protocols, inception)


def judged(rows: pa.Table, bench: Bench, batch_size: int, generated: bool) -> pa.Table:
    """Judge rows with the columns image_id, image and emotion, and return the columns of SCORES_SCHEMA."""
    parts = []
    for batch, views in decoded(rows, batch_size, convert=partial(_views, bench.protocols, generated)):
        images, on_disk = zip(*views, strict=True)
        parts.append(judged_pictures(batch.select(["image_id", "emotion"]), images, on_disk, bench))
    return pa.concat_tables(parts)


def judged_pictures(rows: pa.Table, images: Pictures, on_disk: Pictures, bench: Bench) -> pa.Table:
    """Judge images and return the columns of SCORES_SCHEMA; one batch.

    rows has the columns image_id and emotion; on_disk holds the same images as protocol emogen finds them.
    """
    units, norms = _units(images, bench)
    judges = bench.judges
    verdicts = judges.judge(images)
    tone = np.array([luminance_and_chroma(image) for image in images], np.float32)
    return pa.table({
        "image_id": rows["image_id"],
        "emotion": rows["emotion"],
        "classifier": vectors(bench.classifier.probabilities(units, norms)),
        "judge": vectors(verdicts.emotions),
        "clarity": pa.array(judges.clarity(verdicts), pa.float32(), from_pandas=True),
        "scene": names(judges.scene_names, verdicts.scenes),
        "object": names(judges.object_names, verdicts.objects),
        "luminance": pa.array(tone[:, 0]),
        "chroma": pa.array(tone[:, 1]),
        "feature": vectors(units),
        "judge_feature": vectors(verdicts.features),
        "norm": pa.array(norms, pa.float32()),
        "inception_feature": _inception(images, bench, "clean"),
        "clean_fid_feature": _inception(images, bench, "clean-fid"),
        "squashed_feature": _twice_rescaled(on_disk, bench),
        **squashed_columns(on_disk, bench),
        **stored_columns(on_disk, bench),
    })  # fmt: skip


def squashed(rows: pa.Table, bench: Bench, batch_size: int) -> pa.Table:
    """Return the emotions of real images and their features for FID under `emogen`; rows have image and emotion."""
    parts = [
        pa.table({"emotion": batch["emotion"], **squashed_columns(images, bench)})
        for batch, images in decoded(rows, batch_size, convert=emogen.opened)
    ]
    return pa.concat_tables(parts) if parts else rows.select(["emotion"])


def squashed_columns(on_disk: Pictures, bench: Bench) -> dict[str, pa.Array]:
    """Return the judge's and Inception's features of whole images squashed to squares.

    The columns are null unless the protocol emogen is selected.
    """
    if "emogen" not in bench.protocols:
        return dict.fromkeys(("squashed_judge_feature", "squashed_inception_feature"), no_vectors(len(on_disk)))
    squares = [emogen.squashed(picture, bench.judges.image_px) for picture in on_disk]
    return {
        "squashed_judge_feature": vectors(bench.judges.judge(squares).features),
        "squashed_inception_feature": _inception(on_disk, bench, "emogen"),
    }


def stored_columns(on_disk: Pictures, bench: Bench) -> dict[str, pa.Array]:
    """Return the columns for Emo-A and Sem-C under emogen, which reads generated images back from JPEG files.

    The columns are null unless the protocol is selected.
    """
    if "emogen" not in bench.protocols:
        none = dict.fromkeys(("stored_classifier", "stored_judge"), no_vectors(len(on_disk)))
        return none | {"stored_clarity": pa.nulls(len(on_disk), pa.float32())}
    units, norms = _units(on_disk, bench)
    verdicts = bench.judges.judge(on_disk)
    return {
        "stored_classifier": vectors(bench.classifier.probabilities(units, norms)),
        "stored_judge": vectors(verdicts.emotions),
        "stored_clarity": pa.array(bench.judges.clarity(verdicts), pa.float32(), from_pandas=True),
    }


def taker(read: Callable[[Sequence[int]], pa.Table], generated: bool) -> Take:
    """Return the function by which LPIPS gets images; `read` maps row indices to a table with a column image."""
    return lambda rows, protocol: pictures(read(rows), partial(as_found, protocol, generated))


def as_found(protocol: Protocol, generated: bool, image: Image.Image) -> Image.Image:
    """Return a decoded image as RGB as a protocol finds it.

    `emogen` reads a generated image back from a JPEG file and opens a real one as the published code does. For other
    protocols, images are upright.
    """
    if protocol != "emogen":
        return to_rgb(image)
    return emogen.stored(to_rgb(image)) if generated else emogen.opened(image)


def luminance_and_chroma(image: Image.Image) -> tuple[float, float]:
    """Return the mean luminance in [0, 1], and the mean distance of the colors from gray of the same luminance."""
    pixels = np.asarray(image, np.float32) / 255
    luma = pixels @ LUMA
    return float(luma.mean()), float(np.linalg.norm(pixels - luma[..., None], axis=-1).mean())


def names(of: tuple[str, ...], probabilities: NDArray[np.floating]) -> pa.Array:
    """Return the most probable name of each row of probabilities N x names."""
    return pa.array([of[index] for index in probabilities.argmax(1)], pa.string())


def _views(protocols: Sequence[Protocol], generated: bool, image: Image.Image) -> tuple[Image.Image, Image.Image]:
    """Return a decoded image upright, and as `emogen` finds it; the first twice if that protocol is not selected."""
    upright = to_rgb(image)
    return upright, as_found("emogen", generated, image) if "emogen" in protocols else upright


def _units(images: Pictures, bench: Bench) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return CLIP features ND of unit length, and their lengths N before normalization."""
    raw = bench.clip.encode_images(images, normalize=False).numpy()
    norms = np.linalg.norm(raw, axis=1)
    return raw / norms[:, None], norms


def _inception(images: Pictures, bench: Bench, protocol: Protocol) -> pa.Array:
    """Return Inception features; null without weights, or if the protocol is not selected."""
    if bench.inception is None or protocol not in bench.protocols:
        return no_vectors(len(images))
    return vectors(inception_features(bench.inception, list(images), protocol))


def _twice_rescaled(on_disk: Pictures, bench: Bench) -> pa.Array:
    is_needed = "emogen" in bench.protocols
    return vectors(emogen.twice_rescaled_features(bench.clip, on_disk)) if is_needed else no_vectors(len(on_disk))
