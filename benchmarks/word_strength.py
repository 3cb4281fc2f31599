"""Measure how well plain Stable Diffusion knows the emotions' names: Emo-A beside that of EmoSet's test images.

    python -m benchmarks.word_strength --models models/foundation --run . --images 2048 --out FILE.json

As many images of each emotion are generated from the prompt of params.yaml's `stable_diffusion` with the settings of
its `images`, from the seeds that the stage `images` would use. They are judged by the pixel judge and the classifier of
RUN, a clone in which `make repro` has ended. The ratio by the pixel judge is the figure that STRAY_WORD_FRAC in
pipeline/miniature/distributions.py is fitted to (.88, allowed .85 to .92).
"""

import argparse
import json
import logging
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
from numpy.typing import NDArray
from PIL import Image

from pipeline.emotion_set import EMOTIONS
from pipeline.generation.folder import load_foundation
from pipeline.generation.images import Planned, plan
from pipeline.generation.plain import PromptGenerator
from pipeline.generation.sampling import sample, sampling_of
from pipeline.metrics.emotion_accuracy import JUDGES, emotion_accuracy
from pipeline.metrics.judgement import Bench, ModelFiles, judged, judged_pictures, load_bench
from pipeline.params import Params, load_params
from pipeline.runtime import device, numpy_generator

BATCH = 64
Figures = dict[str, float | int | str | None]

log = logging.getLogger("word_strength")


def planned_images(params: Params, num: int, seed: int = 0) -> list[Planned]:
    """Return the plan of `num` images, as many of each emotion."""
    images = params.images.model_copy(update={"num_per_emotion": num // len(EMOTIONS)})
    return [one for shard in plan("stable_diffusion", EMOTIONS, images, seed) for one in shard]


def generated(models: Path, params: Params, planned: list[Planned]) -> Iterator[NDArray[np.uint8]]:
    """Yield an image HW3 uint8 of plain Stable Diffusion for each planned one; `models` holds clip and diffusion."""
    foundation = load_foundation(models / "diffusion", models / "clip", device())
    generator = PromptGenerator(foundation.base.encoder, params.stable_diffusion.prompt, EMOTIONS)
    return sample(foundation.base, generator, [one.request for one in planned], sampling_of(params.images))


def judged_images(planned: list[Planned], images: Iterator[NDArray[np.uint8]], bench: Bench) -> pa.Table:
    """Return the judges' scores of the planned images."""
    rows = pa.table({name: [getattr(one, name) for one in planned] for name in ("image_id", "emotion")})
    parts = []
    for start in range(0, len(planned), BATCH):
        pictures = [Image.fromarray(image) for image in islice(images, BATCH)]
        parts.append(judged_pictures(rows.slice(start, BATCH), pictures, pictures, bench))
    return pa.concat_tables(parts)


def judged_test_images(corpus: Path, bench: Bench) -> pa.Table:
    """Return the judges' scores of the real images of EmoSet's test split."""
    columns = ["image_id", "image", "emotion"]
    rows = ds.dataset(corpus, format="parquet").to_table(columns, filter=ds.field("split") == "test")
    rows = rows.set_column(2, "emotion", rows["emotion"].cast(pa.string()))
    return judged(rows, bench, BATCH, generated=False)


def compared(generated: pa.Table, real: pa.Table) -> Figures:
    """Return Emo-A of generated and of real images, overall and per emotion, and their ratio by each judge."""
    tables = {"generated": generated, "real": real}
    figures: Figures = {}
    for name, scores in tables.items():
        accuracy = emotion_accuracy(scores, numpy_generator("word_strength", name))
        figures |= {f"{name}/{key.removeprefix('emo_a/')}": value for key, value in accuracy.items()}
    for judge in JUDGES:
        figures[f"ratio/{judge}"] = float(figures[f"generated/{judge}"] or 0) / float(figures[f"real/{judge}"] or 1)
    return figures


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=Path("models/foundation"))
    parser.add_argument("--run", type=Path, default=Path(), help="a clone in which `make repro` has ended")
    parser.add_argument("--images", type=int, default=2048, help="generated images, a multiple of 8")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    params = load_params(args.run / "params.yaml")
    folders = ("foundation/clip", "emotion_classifier", "judges", "pretrained")
    clean = params.scores.model_copy(update={"protocols": ("clean",)})
    bench = load_bench(ModelFiles(*(args.run / "models" / name for name in folders)), clean, device())
    planned = planned_images(params, args.images)
    scores = judged_images(planned, generated(args.models, params, planned), bench)
    figures = compared(scores, judged_test_images(args.run / "data" / "corpora" / "emoset", bench))
    figures["diffusion"] = load_foundation(args.models / "diffusion", args.models / "clip").digest
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(figures, indent=2, sort_keys=True) + "\n")
    log.info("Emo-A by the judge %.4f, ratio %.4f", figures["generated/judge"], figures["ratio/judge"])


if __name__ == "__main__":
    main()
