"""One pass over each image: what every judge says of it, kept as a row, from which all metrics are computed."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from pipeline.features import batches, pictures

if TYPE_CHECKING:
    import torch

    from pipeline.foundation.clip import Clip
    from pipeline.judges.head import EmotionHead
    from pipeline.judges.panel import Judges

LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Bench:
    """The judges that sit together: CLIP with the emotion classifier on it, and the networks on pixels."""

    clip: "Clip"
    classifier: "EmotionHead"
    judges: "Judges"


def load_bench(clip: Path, classifier: Path, judges: Path, device: "torch.device | str" = "cpu") -> Bench:
    """From the folders of the three."""
    from pipeline.foundation.clip import load_clip
    from pipeline.judges.head import load_head
    from pipeline.judges.panel import load_judges

    return Bench(load_clip(clip, device), load_head(classifier, device), load_judges(judges, device))


def judged(rows: pa.Table, bench: Bench, batch_size: int) -> pa.Table:
    """Rows with image_id, image, emotion -> the columns of SCORES_SCHEMA."""
    parts = [_judged(batch, bench) for batch in batches(rows, batch_size)]
    return pa.concat_tables(parts)


def _judged(rows: pa.Table, bench: Bench) -> pa.Table:
    images = pictures(rows)
    raw = bench.clip.encode_images(images, normalize=False).numpy()
    norms = np.linalg.norm(raw, axis=1)
    units, judges = raw / norms[:, None], bench.judges
    verdicts = judges.judge(images)
    tone = np.array([luminance_and_chroma(image) for image in images], np.float32)
    return pa.table({
        "image_id": rows["image_id"],
        "emotion": rows["emotion"],
        "classifier": vectors(bench.classifier.probabilities(units, norms)),
        "judge": vectors(verdicts.emotions),
        "clarity": pa.array(judges.clarity(verdicts), pa.float32()),
        "scene": names(judges.scene_names, verdicts.scenes),
        "object": names(judges.object_names, verdicts.objects),
        "luminance": pa.array(tone[:, 0]),
        "chroma": pa.array(tone[:, 1]),
        "feature": vectors(units),
        "judge_feature": vectors(verdicts.features),
    })  # fmt: skip


def luminance_and_chroma(image: Image.Image) -> tuple[float, float]:
    """Mean luminance in [0, 1], and mean distance of the colours from grey of that luminance."""
    pixels = np.asarray(image, np.float32) / 255
    luma = pixels @ LUMA
    return float(luma.mean()), float(np.linalg.norm(pixels - luma[..., None], axis=-1).mean())


def vectors(matrix: NDArray[np.floating]) -> pa.Array:
    """ND -> a column of N vectors of float32."""
    values = np.ascontiguousarray(matrix, np.float32)
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


def names(of: tuple[str, ...], probabilities: NDArray[np.floating]) -> pa.Array:
    """The most probable name of each row."""
    return pa.array([of[index] for index in probabilities.argmax(1)], pa.string())
