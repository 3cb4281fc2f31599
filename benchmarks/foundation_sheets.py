"""Write sheets of samples for every form of the caption grammar, to be inspected before weights are frozen.

There is one PNG per form, with one row per prompt.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from pipeline.captions.prompts import VARIANTS
from pipeline.emotion_set import EMOTIONS
from pipeline.miniature.captions import answer, caption, painting, with_article
from pipeline.miniature.stream import PictureSet
from pipeline.miniature.vocabulary import ACTIONS, EXPRESSIONS, OBJECTS, SCENES, STYLES

SAMPLES = 6
LABEL_PX, CELL_PX = 260, 66
Sample = Callable[[Sequence[str]], np.ndarray]


def forms(held_out: PictureSet) -> dict[str, list[str]]:
    """Return the prompts of each sheet by its name."""
    nouns, scenes, rng = list(OBJECTS.values()), list(SCENES.values()), np.random.default_rng(0)
    people = [with_article(f"{expression} person") for expression in (*EXPRESSIONS.values(), "calm")]
    labelled = [truth for truth in held_out.truths if truth.label][:4]
    return {
        "emotions": list(EMOTIONS),
        "image_of_emotion": [f"an image of {emotion}" for emotion in EMOTIONS],
        "emotion_noun": [f"{emotion} {noun}" for emotion in EMOTIONS for noun in ("house", "street")],
        "nouns": nouns,
        "articles": [with_article(noun) for noun in nouns],
        "scenes": [with_article(scene) for scene in scenes],
        "scene_object": [
            f"{with_article(scenes[i % len(scenes)])} with {with_article(n)}" for i, n in enumerate(nouns)
        ],
        "same_scene_objects": [f"a park with {with_article(noun)}" for noun in nouns],
        "tones": [
            with_article(f"{word} {scene}")
            for scene in ("beach", "forest", "street", "bedroom", "cemetery")
            for word in ("dark", "bright", "gray", "colorful")
        ],
        "people": people
        + [f"a street with {person} {action}" for person, action in zip(people, ACTIONS.values(), strict=False)],
        "styles": [
            f"{painting(style)} of {with_article(scene)}" for style in STYLES for scene in ("mountain", "street")
        ],
        "variants": [answer(truth, variant, truth.label, rng) for truth in labelled for variant in VARIANTS],
        "captions": [caption(truth, rng) for truth in held_out.truths[:20]],
    }


def write_sheets(folder: Path, sample: Sample, held_out: PictureSet) -> None:
    """Write one sheet per form; the sheet of captions shows the real image first in each row."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, prompts in forms(held_out).items():
        images = sample([text for text in prompts for _ in range(SAMPLES)])
        rows = [list(row) for row in images.reshape(len(prompts), SAMPLES, *images.shape[1:])]
        if name == "captions":
            rows = [[real, *row] for real, row in zip(held_out.images, rows, strict=False)]
        sheet(prompts, rows).save(folder / f"{name}.png")


def sheet(labels: Sequence[str], rows: Sequence[Sequence[np.ndarray]]) -> Image.Image:
    """Return a page with a row of images after each label."""
    page = Image.new("RGB", (LABEL_PX + CELL_PX * max(map(len, rows)), CELL_PX * len(rows)), "white")
    pen = ImageDraw.Draw(page)
    for number, (label, row) in enumerate(zip(labels, rows, strict=True)):
        lines = [label[start : start + 42] for start in range(0, min(len(label), 210), 42)]
        pen.multiline_text((3, number * CELL_PX + 2), "\n".join(lines), fill="black", spacing=1)
        for column, image in enumerate(row):
            page.paste(Image.fromarray(image), (LABEL_PX + column * CELL_PX, number * CELL_PX))
    return page
