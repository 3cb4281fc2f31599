"""One training step and one sampled image at full size, with random weights. Minutes on a CPU: marked slow."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from benchmarks.coemogen import random_batch, step_of
from benchmarks.full_size import full_size, full_size_xl
from pipeline.coemogen.generator import CoEmoGenGenerator
from pipeline.coemogen.model import CoEmoGen, build
from pipeline.foundation.base import Base
from pipeline.generation.request import request
from pipeline.generation.sampling import Sampling, sample
from pipeline.generation.space import fit_space
from pipeline.memory import recomputed
from pipeline.params import Coemogen
from pipeline.runtime import Precision


@pytest.mark.slow
def test_a_step_and_an_image_at_the_size_of_stable_diffusion_1_5() -> None:
    model = model_on(full_size(with_clip=False).foundation.base)
    assert sum(p.numel() for p in model.hilora.parameters().values()) == 7_971_840
    check_a_step(model, "bf16")
    assert an_image(model, 1).shape == (512, 512, 3)


@pytest.mark.slow
def test_a_step_and_an_image_at_the_size_of_stable_diffusion_xl() -> None:
    """Frozen weights are in bf16, and activations are computed anew, so that 12 GB are enough."""
    base = full_size_xl()
    base.denoiser.enable_gradient_checkpointing(recomputed)
    base.vae.enable_slicing()
    model = model_on(base)
    assert sum(p.numel() for p in model.hilora.parameters().values()) == 10 * 5_806_080
    check_a_step(model, "fp32")
    assert an_image(model, 2).shape == (1024, 1024, 3)


def model_on(base: Base) -> CoEmoGen:
    return build(Coemogen(), base, 768, torch.Generator().manual_seed(0))


def check_a_step(model: CoEmoGen, precision: Precision) -> None:
    """Take a step on one image: its loss is finite, and the adapters of its emotion and polarity alone change."""
    adapters = model.hilora.parameters()
    before = {name: p.detach().clone() for name, p in adapters.items() if "lora_B" in name}
    batch = random_batch(model, 1, 768, 768, torch.device("cpu"))
    assert np.isfinite(step_of(model, precision)(batch))
    present = {"positive" if batch["emotions"].argmax() < 4 else "negative"}
    changed = {name.split(".")[-2] for name, p in before.items() if not torch.equal(p, adapters[name])}
    assert present < changed
    assert len(changed) == 2


def an_image(model: CoEmoGen, steps: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(0)
    features = rng.standard_normal((16, 768)).astype(np.float32)
    space = fit_space({"visual": (features, np.full(16, 1), features[:0], np.zeros(0, int))})
    generator = CoEmoGenGenerator(model, space, "diagonal")
    (image,) = sample(model.base, generator, [request("awe", 0)], Sampling(steps, 1.0, "unipc", 1))
    return image
