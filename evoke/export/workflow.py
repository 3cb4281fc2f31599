"""Write an exported emotion as a workflow of ComfyUI, in the format of its API, which its page opens too.

A workflow is a JSON object of nodes by id. An input is a value, or [id, output] of the node that it comes from.
"""

from typing import TYPE_CHECKING, Any

from pipeline.generation.defaults import GUIDANCE, STEPS

if TYPE_CHECKING:
    from evoke.export.emotion import Exported


SAMPLER, SCHEDULER = "dpmpp_2m_sde", "normal"  # ComfyUI's names for the solver of pipeline/generation/defaults.py
CHECKPOINTS = {"stable-diffusion-v1-5/stable-diffusion-v1-5": "v1-5-pruned-emaonly.safetensors"}  # the file in the repo


def workflow(exported: "Exported", base_model: str | None) -> dict[str, Any]:
    """Return the workflow that makes an image of the emotion. ComfyUI asks for a checkpoint of another name."""
    px, word = exported.facts.image_px, exported.inversion.removesuffix(".safetensors")
    checkpoint = CHECKPOINTS.get(base_model or "", f"{(base_model or 'base-model').rpartition('/')[2]}.safetensors")
    model, clip, vae = ["1", 0], ["1", 1], ["1", 2]
    lora = {"lora_name": exported.lora, "strength_model": 1.0, "strength_clip": 1.0, "model": model, "clip": clip}
    sampling = {
        "seed": exported.seed or 0, "steps": STEPS, "cfg": GUIDANCE, "sampler_name": SAMPLER, "scheduler": SCHEDULER,
        "denoise": 1.0, "model": ["2", 0], "positive": ["3", 0], "negative": ["4", 0], "latent_image": ["5", 0],
    }  # fmt: skip
    return {
        "1": _node("CheckpointLoaderSimple", "The base model", ckpt_name=checkpoint),
        "2": _node("LoraLoader", exported.lora, **lora),
        "3": _node("CLIPTextEncode", "Prompt: write on after the word", text=f"embedding:{word}", clip=["2", 1]),
        "4": _node("CLIPTextEncode", "Negative prompt", text="", clip=["2", 1]),
        "5": _node("EmptyLatentImage", "Size", width=px, height=px, batch_size=1),
        "6": _node("KSampler", "Sampler", **sampling),
        "7": _node("VAEDecode", "Decode", samples=["6", 0], vae=vae),
        "8": _node("SaveImage", "Save", images=["7", 0], filename_prefix=exported.request.stem),
    }


def _node(kind: str, title: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs, "_meta": {"title": title}}
