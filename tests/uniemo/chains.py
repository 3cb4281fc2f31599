"""A small ViT of open_clip, settings of understanding, and pictures whose emotion is their colour."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.emotions import EMOTIONS
from pipeline.params import UniemoUnderstanding, load_params
from pipeline.uniemo.attributes import Base
from pipeline.uniemo.chain import UnderstandingChain, build_chain
from pipeline.uniemo.learner import Learner
from pipeline.uniemo.understanding import Inputs

SETTINGS = load_params(Path(__file__).parents[2] / "params.yaml").uniemo_understanding.model_copy(
    update={"query_length": 3, "precision": "fp32", "steps": 40, "batch_size": 16, "val_steps": 20, "warmup_steps": 0,
            "learning_rate": 0.005, "backbone_rate": 0.001, "query_rate": 0.005, "sampler": "plain", "image_px": 16,
            "queries": "both", "entry": "hierarchical", "positives": "equal", "scene_layer": None, "object_layer": None,
            "passed_on": "refined"}
)  # fmt: skip
JOINT = 24


def settings_of(**changes: Any) -> UniemoUnderstanding:
    return SETTINGS.model_copy(update=changes)


def visual_of(
    image_px: int = 16, patch_px: int = 4, width: int = 32, layers: int = 3, heads: int = 2, **more: Any
) -> Any:
    """open_clip's VisionTransformer with random weights."""
    from open_clip.transformer import VisionTransformer

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        visual = VisionTransformer(image_px, patch_px, width, layers, heads, 4.0, output_dim=JOINT, **more).eval()
    visual.preprocess_cfg = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
    return visual


def chain_of(visual: Any = None, seed: int = 0, **changes: Any) -> UnderstandingChain:
    settings = settings_of(**changes)
    return build_chain(visual or visual_of(), settings, torch.Generator().manual_seed(seed))


def bases_of(scenes: int = 2, objects: int = 3) -> dict[str, Base]:
    generator = torch.Generator().manual_seed(1)
    return {
        kind: Base(tuple(f"{kind}_{index}" for index in range(number)),
                   torch.nn.functional.normalize(torch.randn(number, JOINT, generator=generator), dim=1))
        for kind, number in (("scene", scenes), ("object", objects))
    }  # fmt: skip


def learner_of(seed: int = 0, **changes: Any) -> Learner:
    return Learner(chain_of(seed=seed, **changes), bases_of(), settings_of(**changes))


def coloured(number: int = 96) -> Inputs:
    """Picture i has emotion i mod 8, told by its colour, and a scene by its polarity; every third has no attribute."""
    rng = np.random.default_rng(0)
    emotions = np.arange(number) % len(EMOTIONS)
    colors = np.stack([emotions & 1, emotions >> 1 & 1, emotions >> 2 & 1], 1) * 180 + 40
    squares = (colors[:, None, None] + rng.integers(0, 30, (number, 16, 16, 3))).astype(np.uint8)
    targets = {"scene": np.eye(2, dtype=bool)[emotions // 4], "object": np.eye(3, dtype=bool)[emotions % 3]}
    for mask in targets.values():
        mask[::3] = False
    splits = np.array(["train", "train", "train", "val", "test", "test"], object)[np.arange(number) * 6 // number]
    return Inputs(squares, emotions, splits, targets, targets)
