"""Measure what has an effect in a trained CoEmoGen: v against emotion, the sources of v, and each kind of adapter.

    .venv/bin/python -m experiments.coemogen_probe            # models/coemogen_emoset; about 3,000 images

Writes experiments/results/coemogen_probe.json. The images are scored by the independent judge and by the classifier.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from experiments.cell import ROOT, write_result
from experiments.verdicts import rounded
from pipeline.coemogen.generator import PART, CoEmoGenGenerator
from pipeline.emotion_set import EMOTIONS, POLARITIES
from pipeline.generation.folder import Foundation, load_foundation
from pipeline.generation.load import load_generator
from pipeline.generation.request import Request, request
from pipeline.generation.sampling import sample, sampling_of
from pipeline.metrics.judgement import Bench, ModelFiles, load_bench, luminance_and_chroma
from pipeline.params import Source, load_params
from pipeline.runtime import seed_of

SOURCES: tuple[Source, ...] = ("real", "diagonal", "full", "mean")


class Swapped(CoEmoGenGenerator):
    """A generator whose v belongs to another emotion than the requested one."""

    other = 0

    def visual(self, request: Request) -> Tensor:
        return self.space.draw(PART, self.other, self.source, seed_of(request.seed, "v", self.other))


def judged(pictures: Sequence[NDArray[np.uint8]], bench: Bench) -> dict[str, NDArray[Any]]:
    """Return each image's most probable emotion by both judges, scene, object, luminance and chroma, each N."""
    images = [Image.fromarray(picture) for picture in pictures]
    raw = bench.clip.encode_images(images, normalize=False).numpy()
    norms = np.linalg.norm(raw, axis=1)
    said = bench.judges.judge(images)
    tone = np.array([luminance_and_chroma(image) for image in images])
    return {
        "classifier": bench.classifier.probabilities(raw / norms[:, None], norms).argmax(1),
        "judge": said.emotions.argmax(1), "scene": said.scenes.argmax(1), "object": said.objects.argmax(1),
        "luminance": tone[:, 0], "chroma": tone[:, 1],
    }  # fmt: skip


def requests(num: int) -> list[Request]:
    return [request(emotion, seed_of(index, emotion)) for emotion in EMOTIONS for index in range(num)]


class Probe:
    """A generator on a foundation, with its settings and the judges."""

    def __init__(self, folder: Path, models: Path) -> None:
        params = load_params(ROOT / "params.yaml")
        self.images = params.images
        self.foundation: Foundation = load_foundation(models / "foundation/diffusion", models / "foundation/clip")
        files = ModelFiles(
            models / "foundation/clip", models / "emotion_classifier", models / "judges", models / "pretrained"
        )
        self.bench = load_bench(files, params.scores)
        generator = load_generator(folder, self.foundation, self.images.source)
        assert isinstance(generator, CoEmoGenGenerator), f"{folder} is no CoEmoGen"
        self.generator = generator

    def run(self, generator: CoEmoGenGenerator, asked: Sequence[Request]) -> dict[str, NDArray[Any]]:
        foundation = self.foundation
        images = sample(foundation.base, generator, asked, sampling_of(self.images))
        return judged(list(images), self.bench)

    def accuracy(self, generator: CoEmoGenGenerator, num: int) -> dict[str, float]:
        """Return Emo-A by both judges over `num` images of each emotion."""
        judgements, emotions = self.run(generator, requests(num)), np.repeat(np.arange(8), num)
        return {judge: float((judgements[judge] == emotions).mean()) for judge in ("classifier", "judge")} | {
            "n": len(emotions)
        }

    def v_against_label(self, num: int) -> dict[str, Any]:
        """Return the shares of images judged as the requested emotion and as the emotion of v.

        Both are 8 x 8 tables; the row is the requested emotion and the column the emotion of v.
        """
        follows = {key: np.zeros((8, 8)) for key in ("label", "v")}
        for column in range(8):
            swapped = Swapped(self.generator.model, self.generator.space, "diagonal")
            object.__setattr__(swapped, "other", column)
            said = self.run(swapped, requests(num))["judge"].reshape(8, num)
            follows["label"][:, column] = (said == np.arange(8)[:, None]).mean(1)
            follows["v"][:, column] = (said == column).mean(1)
        apart = ~np.eye(8, dtype=bool)
        return {
            "judged_as_label": follows["label"].tolist(), "judged_as_v": follows["v"].tolist(),
            "label_off_diagonal": float(follows["label"][apart].mean()),
            "v_off_diagonal": float(follows["v"][apart].mean()), "n_per_cell": num,
        }  # fmt: skip

    def adapters_alone(self, num: int) -> dict[str, Any]:
        """Return what each kind of adapter changes, compared with no adapters on the same v and noise."""
        hilora, by_kind = self.generator.model.hilora, {}
        kinds = {"none": (), "polarity": POLARITIES, "emotion": EMOTIONS, "both": (*EMOTIONS, *POLARITIES)}
        for kind, names in kinds.items():
            self.generator.model.hilora = replace(hilora, ranks={name: hilora.ranks[name] for name in names})
            by_kind[kind] = self.run(self.generator, requests(num))
        self.generator.model.hilora = hilora
        asked, none = np.repeat(np.arange(8), num), by_kind["none"]
        return {
            kind: {
                "judge": float((judgements["judge"] == asked).mean()),
                "scene_changed": float((judgements["scene"] != none["scene"]).mean()),
                "object_changed": float((judgements["object"] != none["object"]).mean()),
                **{
                    f"{tone}_polarity_gap": float(
                        judgements[tone][asked < 4].mean() - judgements[tone][asked >= 4].mean()
                    )
                    for tone in ("luminance", "chroma")
                },
                "luminance_moved": float(np.abs(judgements["luminance"] - none["luminance"]).mean()),
                "chroma_moved": float(np.abs(judgements["chroma"] - none["chroma"]).mean()),
            }
            for kind, judgements in by_kind.items()
        }


@click.command()
@click.option("--model", default=ROOT / "models/coemogen_emoset", type=click.Path(path_type=Path))
@click.option("--num", default=32, show_default=True, help="Images of each emotion; a cell of the matrix has half.")
def main(model: Path, num: int) -> None:
    """Probe one model, print the results and write them."""
    torch.set_grad_enabled(False)
    probe = Probe(model, ROOT / "models")
    generator = probe.generator
    probed = {
        "sources": {source: probe.accuracy(replace(generator, source=source), num) for source in SOURCES},
        "adapters": probe.adapters_alone(num),
        "v_against_label": probe.v_against_label(max(1, num // 2)),
    }
    write_result("coemogen_probe", rounded(probed))
    print(json.dumps(rounded(probed), indent=1))


if __name__ == "__main__":
    main()
