"""The StableDiffusionPipeline folder: plain diffusers samples from it, and its text encoder is CLIP's."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.foundation.clip import load_clip
from pipeline.foundation.diffusion import load_pipeline


def test_a_plain_diffusers_pipeline_samples_from_the_folder(diffusion_folder: Path) -> None:
    pipeline = load_pipeline(diffusion_folder)
    assert pipeline.vae.config.scaling_factor == 1.0
    generators = [torch.Generator().manual_seed(seed) for seed in (1, 2)]
    images = pipeline(
        ["a dark beach", "awe"], num_inference_steps=2, guidance_scale=3.0, generator=generators, output_type="np"
    ).images
    alone = pipeline(
        "awe", num_inference_steps=2, guidance_scale=3.0, generator=torch.Generator().manual_seed(2), output_type="np"
    ).images
    assert images.shape == (2, 64, 64, 3)
    assert np.allclose(images[1], alone[0], atol=1e-4)


def test_the_pipeline_text_encoder_is_that_of_clip(diffusion_folder: Path, clip_folder: Path) -> None:
    pipeline, clip = load_pipeline(diffusion_folder), load_clip(clip_folder)
    ids = pipeline.tokenizer(["a dark beach"], padding="max_length", return_tensors="pt").input_ids
    assert torch.equal(ids, clip.tokenizer(["a dark beach"]))
    with torch.no_grad():
        pooled = pipeline.text_encoder(ids).pooler_output @ clip.model.text_projection
    assert torch.allclose(nn.functional.normalize(pooled, dim=-1), clip.encode_texts(["a dark beach"]), atol=1e-5)


def test_no_file_of_the_folder_holds_a_path_of_this_machine(diffusion_folder: Path, tmp_path: Path) -> None:
    texts = [file.read_text() for file in diffusion_folder.rglob("*.json")]
    assert texts
    assert not [text for text in texts if str(tmp_path.parent.parent) in text]


def test_a_folder_without_a_pipeline_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="model_index"):
        load_pipeline(tmp_path)
