"""Images of a finished run in miniature, and participants whose preference is known."""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from evoke.study.design import Key, Pair, Side, design, questionnaire
from pipeline.artifacts import shard_name, write_table
from pipeline.emotions import EMOTIONS, polarity
from pipeline.schemas import IMAGES_SCHEMA

METHODS = ("coemogen_emoset", "emogen", "dreambooth", "textual_inversion", "stable_diffusion")
Choose = Callable[[Pair, Side], Side]  # of a pair with the first method on this side


def write_images(folder: Path, method: str, num: int, emotions: tuple[str, ...] = EMOTIONS) -> None:
    """Write flat images of a method as the stage images does, with a text in each file that names the method."""
    rows = []
    for emotion in sorted(emotions):
        for index in range(num):
            buffer, shade = io.BytesIO(), hashlib.sha256(f"{method}{emotion}{index}".encode()).digest()[:3]
            Image.new("RGB", (8, 8), tuple(shade)).save(buffer, "PNG", exif=f"Exif {method}".encode())
            name = f"{method}/{emotion}/{index:05d}"
            rows.append({
                "image_id": name, "image": {"bytes": buffer.getvalue(), "path": f"{name}.png"}, "emotion": emotion,
                "polarity": polarity(emotion), "width": 8, "height": 8, "method": method, "prompt": "{S}",
                "sha256": hashlib.sha256(buffer.getvalue()).hexdigest(), "seed": index, "model": "0" * 16,
            })  # fmt: skip
    table = pa.Table.from_pylist(rows, schema=IMAGES_SCHEMA.arrow)
    for shard, begin in enumerate(range(0, len(rows), 20)):
        write_table(folder / method / shard_name(shard), table.slice(begin, 20), IMAGES_SCHEMA)


def key_of(methods: tuple[str, ...] = METHODS, seed: int = 0, num_checks: int = 6) -> Key:
    """Return a study of methods that have twelve images of each emotion."""
    ids = {name: {each: [f"{name}/{each}/{i:05d}" for i in range(12)] for each in EMOTIONS} for name in methods}
    return design(ids, questionnaire("coemogen"), seed, group_size=6, num_checks=num_checks)


def answers_of(key: Key, number: int, choose: Choose, reads: bool = True) -> dict[str, object]:
    """Return the file of participant `number`, who answers by `choose` and, if `reads`, does as the checks say."""
    form, answers = number % len(key.forms), []
    for index, step in enumerate(key.forms[form]):
        pair = key.pairs[step.pair]
        side: Side = "left" if pair.first == step.left else "right"
        for question in key.questionnaire.questions if not step.check else ():
            answers.append({"step": index, "question": question.name, "side": choose(pair, side)})
        if step.check:
            answers.append({"step": index, "question": "check", "side": step.check if reads else choose(pair, side)})
    return {"study": key.study, "participant": f"{number:016x}", "form": form, "about": {}, "answers": answers}


def preferring(share: float, generator: np.random.Generator) -> Choose:
    """Return someone who chooses the first method's group with this probability."""

    def choose(pair: Pair, first: Side) -> Side:
        return first if generator.random() < share else "left" if first == "right" else "right"

    return choose


def clicker(generator: np.random.Generator) -> Choose:
    """Return someone who clicks without looking."""
    return lambda pair, first: "left" if generator.random() < 0.5 else "right"
