"""Measure whether strength and fusion mean what a hand expects, by the judge on pixels.

    python -m experiments.dials                            # models/coemogen_emoset and models/uniemo_feedback

For each strength, the mean probability of the requested emotion over `--images` images of every emotion. For each pair
of emotions and each share of the first, the judged share: the mean of p(first) / (p(first) + p(second)), and how often
the more probable one is the first. The slope is that of least squares of judged on asked shares; calibration is the
mean absolute difference. Writes experiments/results/dials.json.
"""

import json
from collections.abc import Sequence
from itertools import combinations

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from experiments.cell import RESULTS, ROOT
from experiments.verdicts import rounded
from pipeline.emotion_set import EMOTIONS, INDEX
from pipeline.generation.folder import load_foundation
from pipeline.generation.grids import mixed
from pipeline.generation.load import load_generator
from pipeline.generation.request import Request, request
from pipeline.generation.sampling import EmotionGenerator, sample, sampling_of
from pipeline.judges.panel import Judges, load_judges
from pipeline.params import load_params
from pipeline.runtime import device, seed_of

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
SHARES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
MODELS = ROOT / "models"
Probabilities = NDArray[np.floating]


class Eye:
    """A generator and the judge that looks at its images."""

    def __init__(self, method: str) -> None:
        self.params = load_params(ROOT / "params.yaml")
        self.foundation = load_foundation(MODELS / "foundation/diffusion", MODELS / "foundation/clip", device())
        self.generator: EmotionGenerator = load_generator(MODELS / method, self.foundation, self.params.images.source)
        self.judges: Judges = load_judges(MODELS / "judges", device())

    def see(self, requests: Sequence[Request]) -> Probabilities:
        """Return the judge's probabilities N8 of the images of requests."""
        base, settings = self.foundation.base, sampling_of(self.params.images)
        images = sample(base, self.generator, requests, settings)
        return self.judges.judge([Image.fromarray(image) for image in images]).emotions


def strength_curve(eye: Eye, num: int) -> dict[str, dict[str, float]]:
    """Return by strength the mean probability of the requested emotion, and the share of images where it is largest."""
    curve = {}
    emotions = np.repeat(np.arange(len(EMOTIONS)), num)
    for strength in STRENGTHS:
        seen = eye.see([
            request(emotion, seed_of(index, "dials", emotion), strength=strength)
            for emotion in EMOTIONS for index in range(num)
        ])  # fmt: skip
        of_asked = seen[np.arange(len(seen)), emotions]
        curve[f"{strength:g}"] = {
            "probability": float(of_asked.mean()), "emo_a": float((seen.argmax(1) == emotions).mean()), "n": len(seen)
        }  # fmt: skip
    return curve


def fusion_shares(eye: Eye, num: int) -> dict[str, object]:
    """Return judged shares by pair and asked share, with slope and calibration over all pairs."""
    pairs = list(combinations(eye.params.grids.fused, 2))
    cells: dict[str, dict[str, dict[str, float]]] = {}
    for first, second in pairs:
        cells[f"{first} / {second}"] = of_pair = {}
        for share in SHARES:
            seeds = [seed_of(index, "dials", first, second) for index in range(num)]
            seen = eye.see([request(mixed(first, second, share), seed) for seed in seeds])
            one, other = seen[:, INDEX[first]], seen[:, INDEX[second]]
            of_pair[f"{share:g}"] = {
                "judged": float((one / (one + other)).mean()), "first": float((one > other).mean()),
                "either": float((one + other).mean()), "n": num,
                "both_above_a_fifth": float(((one > 0.2) & (other > 0.2)).mean()),
            }  # fmt: skip
    shares = np.array([float(share) for cell in cells.values() for share in cell])
    judged = np.array([values["judged"] for cell in cells.values() for values in cell.values()])
    slope, intercept = np.polyfit(shares, judged, 1)
    summary = {
        "slope": float(slope),
        "intercept": float(intercept),
        "calibration": float(np.abs(shares - judged).mean()),
    }
    return {"cells": cells, **summary}


@click.command()
@click.option("--methods", default="coemogen_emoset,uniemo_feedback", show_default=True)
@click.option("--images", default=64, show_default=True, help="Images of each cell.")
def main(methods: str, images: int) -> None:
    """Measure strength and fusion of trained models."""
    results = {}
    for method in methods.split(","):
        eye = Eye(method)
        results[method] = {"strength": strength_curve(eye, images // 4), "fusion": fusion_shares(eye, images)}
        click.echo(json.dumps({method: rounded(results[method])}))
    (RESULTS / "dials.json").write_text(json.dumps(rounded(results), indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
