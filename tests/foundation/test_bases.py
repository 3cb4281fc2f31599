"""A folder says itself which base it holds, and the base answers for it."""

import json
from pathlib import Path

import pytest
import torch

from pipeline.foundation.bases import base_of
from pipeline.foundation.stable_diffusion import StableDiffusion
from pipeline.generation.folder import load_foundation
from pipeline.generation.request import request
from pipeline.generation.sampling import generators


def test_a_folder_says_which_base_it_is(models: Path, tmp_path: Path) -> None:
    folder = models / "foundation/diffusion"
    assert base_of(folder) is StableDiffusion
    assert base_of(folder).image_px(folder) == 64
    parts = [path.parent.name for path in StableDiffusion.weights(folder)]
    assert parts == ["unet", "text_encoder"]
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "FluxPipeline"}))
    with pytest.raises(ValueError, match="the pipeline is FluxPipeline; allowed are StableDiffusionPipeline"):
        base_of(tmp_path)


def test_an_image_is_that_of_the_plain_pipeline_and_a_prediction_that_of_its_unet(models: Path) -> None:
    base = load_foundation(models / "foundation/diffusion", models / "foundation/clip").base
    condition, asked = base.encoder.of(["a street"]), request("awe", 3)
    latents, steps = torch.randn(1, base.latent_channels, 8, 8), torch.tensor([500])
    with torch.inference_mode():
        ours = base.images(condition, base.encoder.empty(), generators([asked]), base.solver("unipc"), 2, 3.0)
        predicted = base.predict(latents, steps, condition)
        wanted = base.pipeline.unet(latents, steps, condition.states).sample
    theirs = base.pipeline(
        "a street", generator=generators([asked]), num_inference_steps=2, guidance_scale=3.0, output_type="np"
    ).images
    assert abs(ours - theirs).max() < 1e-4
    assert torch.equal(predicted, wanted)
