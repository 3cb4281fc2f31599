"""One training step and one sampled image at the papers' size, with random weights. Minutes on a CPU: marked slow."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.coemogen import random_batch, step_of
from benchmarks.full_size import full_size
from pipeline.coemogen.generator import CoEmoGenGenerator
from pipeline.coemogen.model import build
from pipeline.generation.request import request
from pipeline.generation.sampling import Sampling, sample
from pipeline.generation.space import fit_space
from pipeline.params import Coemogen

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_step_and_an_image_at_the_size_of_stable_diffusion_1_5() -> None:
    foundation = full_size(with_clip=False).foundation
    settings = Coemogen()
    model = build(settings, foundation.base, 768, torch.Generator().manual_seed(0))
    adapters = model.hilora.parameters()
    assert sum(p.numel() for p in adapters.values()) == 7_971_840
    before = {name: p.detach().clone() for name, p in adapters.items() if "lora_B" in name}
    batch = random_batch(model, 1, 768, 768, torch.device("cpu"))
    assert np.isfinite(step_of(model, "bf16")(batch))
    present = {"positive" if batch["emotions"].argmax() < 4 else "negative"}
    changed = {name.split(".")[-2] for name, p in before.items() if not torch.equal(p, adapters[name])}
    assert present < changed
    assert len(changed) == 2
    rng = np.random.default_rng(0)
    features = rng.standard_normal((16, 768)).astype(np.float32)
    space = fit_space({"visual": (features, np.full(16, 1), features[:0], np.zeros(0, int))})
    generator = CoEmoGenGenerator(model, space, "diagonal")
    (image,) = sample(foundation.base, generator, [request("awe", 0)], Sampling(1, 1.0, "unipc", 1))
    assert image.shape == (512, 512, 3)
