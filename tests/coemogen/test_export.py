"""Exported emotions: through plain diffusers the images are ours, for the v that was exported; equal bytes twice.

A fusion, or another strength than 1, goes out merged: as one word and one LoRA, and not as the sum of predictions that
`evoke generate` draws.
"""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from ruamel.yaml import YAML

from evoke.export.emotion import Exported, gather, write
from evoke.origin import Origin
from evoke.pipeline import EmotionPipeline
from pipeline.foundation.base import Facts, Format
from pipeline.foundation.noise import solver
from pipeline.generation.folder import save_generator
from pipeline.generation.request import request, weight_matrix
from pipeline.generation.sampling import Sampling, denoised, generators
from pipeline.weights import load_safetensors
from tests.generation.trained import random_coemogen

SAMPLING = Sampling(steps=3, guidance=5.0)
FUSION = {"awe": 0.7, "fear": 0.3}
Loader = Callable[..., EmotionPipeline]


@pytest.fixture(scope="module")
def ours(models: Path) -> EmotionPipeline:
    return EmotionPipeline.from_pretrained(random_coemogen(models, "coemogen_random"), device="cpu")


def ours_of(pipeline: EmotionPipeline, emotions: object, seed: int | None, strength: float, prompt: str) -> np.ndarray:
    """Our image HW3 of seed 7's noise, or of the seed whose v was exported; of one word and LoRA if it is merged."""
    generator = replace(pipeline.generator, source="mean") if seed is None else pipeline.generator
    asked = request(emotions, 7 if seed is None else seed, prompt, strength)
    foundation = pipeline.foundation
    if len(asked.mixture) == strength == 1:
        return next(denoised(foundation.base, generator, [asked], SAMPLING))
    base, scheduler = foundation.base, foundation.base.solver(SAMPLING.solver)
    with torch.inference_mode(), generator.model.hilora.route(strength * weight_matrix([asked])):
        condition, empty, noise = generator.condition([asked]), base.encoder.empty(), generators([asked])
        return base.images(condition, empty, noise, scheduler, SAMPLING.steps, SAMPLING.guidance)[0]


def plain_of(models: Path, files: list[Path], token: str, seed: int | None, prompt: str) -> np.ndarray:
    """The same through diffusers alone."""
    plain = plain_pipeline(models)
    plain.load_lora_weights(str(files[0]))
    plain.load_textual_inversion(str(files[1]), token=token)
    return plain_image(plain, prompt.replace("{S}", token), seed)


def plain_pipeline(models: Path) -> StableDiffusionPipeline:
    plain = StableDiffusionPipeline.from_pretrained(str(models / "foundation/diffusion"), local_files_only=True)
    plain.set_progress_bar_config(disable=True)
    plain.scheduler = solver(plain.scheduler, SAMPLING.solver)
    return plain


def plain_image(plain: StableDiffusionPipeline, prompt: str, seed: int | None) -> np.ndarray:
    (generator,) = generators([request("awe", 7 if seed is None else seed)])
    return plain(
        prompt,
        generator=generator,
        num_inference_steps=SAMPLING.steps,
        guidance_scale=SAMPLING.guidance,
        output_type="np",
    ).images[0]


@pytest.mark.parametrize(
    ("kind", "emotions", "seed", "strength", "prompt", "rank"),
    [
        ("diffusers", "awe", None, 1.0, "{S}", 8),
        ("kohya", "awe", None, 1.0, "{S}", 8),
        ("kohya", "sadness", 11, 0.5, "{S}", 8),
        ("diffusers", FUSION, 11, 1.0, "{S} street", 16),
        ("kohya", FUSION, None, 1.5, "a {S} room", 16),
    ],
)
def test_plain_diffusers_makes_our_images(
    ours: EmotionPipeline, models: Path, tmp_path: Path, kind: Format, emotions: object, seed: int | None,
    strength: float, prompt: str, rank: int,
) -> None:  # fmt: skip
    exported = gather(ours, emotions, seed, strength)
    assert exported.rank == rank
    files = write(exported, kind, tmp_path)
    wanted = ours_of(ours, emotions, seed, strength, prompt)
    assert np.abs(plain_of(models, files, exported.token, seed, prompt) - wanted).max() < 1e-4


@pytest.mark.parametrize(("left", "rank"), [("emotion", 4), ("polarity", 8)])
def test_a_model_of_one_kind_of_adapters_goes_out_with_these(
    models: Path, tmp_path: Path, left: str, rank: int
) -> None:
    """Table 1's ablations; that of the polarities with matched rank."""
    off = "polarity" if left == "emotion" else "emotion"
    folder = random_coemogen(models, f"only_{left}", **{f"{off}_adapters": False, "matched_rank": rank == 8})
    pipeline = EmotionPipeline.from_pretrained(folder, device="cpu")
    exported = gather(pipeline, "fear", 5)
    assert set(exported.adapters) == ({"fear"} if left == "emotion" else {"negative"})
    assert exported.rank == rank
    files = write(exported, "kohya", tmp_path)
    wanted = ours_of(pipeline, "fear", 5, 1.0, "{S}")
    assert np.abs(plain_of(models, files, "<fear>", 5, "{S}") - wanted).max() < 1e-4


def test_both_files_act(ours: EmotionPipeline, models: Path, tmp_path: Path) -> None:
    files, plain = write(gather(ours, "awe"), "diffusers", tmp_path), plain_pipeline(models)
    plain.load_textual_inversion(str(files[1]))  # its key is the token
    word = plain_image(plain, "<awe>", None)
    plain.load_lora_weights(str(files[0]))
    both, other = plain_image(plain, "<awe>", None), plain_image(plain, "street", None)
    assert np.abs(both - word).max() > 0.05
    assert np.abs(both - other).max() > 0.05


@pytest.mark.parametrize("kind", ["diffusers", "kohya"])
def test_exporting_twice_gives_equal_bytes(ours: EmotionPipeline, tmp_path: Path, kind: Format) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write(gather(ours, "awe", 3), kind, tmp_path / name, Origin("owner/base"))
    for file in sorted((tmp_path / "one").iterdir()):
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()
    assert len(list((tmp_path / "one").iterdir())) == 3


def test_the_python_of_the_card_makes_the_picture_of_its_seed(
    ours: EmotionPipeline, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = str(models / "foundation/diffusion")
    write(gather(ours, "awe", 11), "kohya", tmp_path, Origin(place=base))
    (code,) = re.findall(r"```python\n(.*?)```", (tmp_path / "README.md").read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    made: dict[str, object] = {}
    exec(code.replace("num_inference_steps=25", "num_inference_steps=3"), made)
    wanted = next(ours.pictures([request("awe", 11)], SAMPLING))
    assert np.abs(np.asarray(made["image"]).astype(int) - wanted).max() <= 1


def test_a_kohya_file_has_the_keys_and_metadata_of_sd_scripts(ours: EmotionPipeline, tmp_path: Path) -> None:
    layer = "down_blocks.0.attentions.1.transformer_blocks.0.attn2.to_out.0"
    tensors = ours.foundation.base.lora({layer: (torch.ones(8, 320), torch.ones(320, 8))}, "kohya")
    key = "lora_unet_down_blocks_0_attentions_1_transformer_blocks_0_attn2_to_out_0"
    assert {name: tuple(tensor.shape) for name, tensor in tensors.items()} == {
        f"{key}.lora_down.weight": (8, 320), f"{key}.lora_up.weight": (320, 8), f"{key}.alpha": ()
    }  # fmt: skip
    lora, inversion, _ = write(gather(ours, "awe"), "kohya", tmp_path)
    _, metadata = load_safetensors(lora)
    assert metadata["ss_network_dim"] == "8"
    assert metadata["ss_network_alpha"] == "8.0"
    assert metadata["modelspec.architecture"] == "stable-diffusion/lora"  # a miniature must not pass for SD 1.x
    assert "ss_base_model_version" not in metadata
    embedding, _ = load_safetensors(inversion)
    assert {name: tuple(tensor.shape) for name, tensor in embedding.items()} == {"emb_params": (1, 128)}


def test_the_card_says_what_it_is_of(ours: EmotionPipeline, tmp_path: Path) -> None:
    write(gather(ours, FUSION, strength=0.5, token="<dread>"), "diffusers", tmp_path, Origin("owner/base"))
    text = (tmp_path / "README.md").read_text()
    for said in (
        "base_model: owner/base", "instance_prompt: <dread>", "awe=0.7 fear=0.3", "fear x 0.15", "at the mean",
        "rank 16", ours.model, ours.foundation.digest, "grants no licence",
    ):  # fmt: skip
        assert said in text
    assert "license" not in text
    write(gather(ours, "awe"), "kohya", tmp_path, Origin(place="base", licence="apache-2.0", datasets=("me/images",)))
    text = (tmp_path / "README.md").read_text()
    metadata = YAML(typ="safe").load(text.split("---\n")[1])
    assert (metadata["license"], metadata["datasets"]) == ("apache-2.0", ["me/images"])
    assert metadata["widget"][0] == {"text": "<awe>"}
    assert "base_model" not in metadata  # a folder is no name on the hub
    assert 'from_pretrained("base")' in text
    assert "grants no licence" not in text
    assert not list(tmp_path.glob("*workflow*"))  # ComfyUI cannot load the miniature


# Inputs and outputs of ComfyUI's nodes (nodes.py); capitals are links.
NODES = {
    "CheckpointLoaderSimple": ({"ckpt_name": str}, ["MODEL", "CLIP", "VAE"]),
    "LoraLoader": (
        {"model": "MODEL", "clip": "CLIP", "lora_name": str, "strength_model": float, "strength_clip": float},
        ["MODEL", "CLIP"],
    ),
    "CLIPTextEncode": ({"text": str, "clip": "CLIP"}, ["CONDITIONING"]),
    "EmptyLatentImage": ({"width": int, "height": int, "batch_size": int}, ["LATENT"]),
    "KSampler": (
        {
            "model": "MODEL", "seed": int, "steps": int, "cfg": float, "sampler_name": str, "scheduler": str,
            "positive": "CONDITIONING", "negative": "CONDITIONING", "latent_image": "LATENT", "denoise": float,
        },
        ["LATENT"],
    ),
    "VAEDecode": ({"samples": "LATENT", "vae": "VAE"}, ["IMAGE"]),
    "SaveImage": ({"images": "IMAGE", "filename_prefix": str}, []),
}  # fmt: skip


def test_the_workflow_has_the_nodes_of_comfyui_linked_by_their_types(
    ours: EmotionPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = gather(ours, FUSION, 11)
    monkeypatch.setattr(Exported, "facts", Facts("stable-diffusion-v1", "sd_v1", "epsilon", 512))
    files = write(exported, "kohya", tmp_path, Origin("stable-diffusion-v1-5/stable-diffusion-v1-5"))
    nodes = json.loads(files[-1].read_text())
    for node in nodes.values():
        inputs, _ = NODES[node["class_type"]]
        assert set(node["inputs"]) == set(inputs)
        for name, value in node["inputs"].items():
            if isinstance(value, list):
                assert NODES[nodes[value[0]]["class_type"]][1][value[1]] == inputs[name]
            else:
                assert type(value) is inputs[name]
    by_kind = {node["class_type"]: node["inputs"] for node in nodes.values()}
    assert set(by_kind) == set(NODES)
    assert by_kind["LoraLoader"]["lora_name"] == files[0].name
    assert by_kind["CheckpointLoaderSimple"]["ckpt_name"] == "v1-5-pruned-emaonly.safetensors"
    assert "embedding:awe-fear-embedding" in [node["inputs"].get("text") for node in nodes.values()]
    assert files[-1].name in (tmp_path / "README.md").read_text()


def test_what_cannot_be_exported_says_why(ours: EmotionPipeline, models: Path) -> None:
    with pytest.raises(ValueError, match="awe has no active adapter at strength 0"):
        gather(ours, "awe", strength=0.0)
    for token in ("street", "two words"):
        with pytest.raises(ValueError, match=f"token = '{token}'"):
            gather(ours, "awe", token=token)
    folder = models / "prompt_only"
    save_generator(folder, "prompt", {"prompt": "an image of {S}"}, ours.foundation.digest)
    with pytest.raises(ValueError, match="can be exported; this model has no adapters"):
        gather(EmotionPipeline.from_pretrained(folder, device="cpu"), "awe")
