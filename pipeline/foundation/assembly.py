"""Assemble the miniature Stable Diffusion folder: U-Net, VAE, CLIP's text tower and tokenizer, scheduler.

The result is a plain diffusers StableDiffusionPipeline. Bundled and newly trained weights are assembled here; loading a
finished folder does not involve this module.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.foundation.conversion import load_text_tokenizer, text_encoder

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, UNet2DConditionModel

TRAIN_TIMESTEPS = 1000


def save_pipeline(unet: "UNet2DConditionModel", vae: "AutoencoderKL", clip: Path, out: Path) -> None:
    """Write a StableDiffusionPipeline folder, with the text encoder and tokenizer of the CLIP folder `clip`."""
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline(
        vae=vae, text_encoder=text_encoder(clip), tokenizer=load_text_tokenizer(clip), unet=unet, scheduler=scheduler(),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipeline.save_pretrained(str(out), safe_serialization=True)


def scheduler() -> "DPMSolverMultistepScheduler":
    """Return a second-order DPM-Solver++ with Stable Diffusion's noise schedule and v-prediction.

    It is meant for about twelve steps. Its SDE form adds noise at each step, which corrects errors of earlier steps
    (docs/LOG.md).
    """
    from diffusers import DPMSolverMultistepScheduler

    return DPMSolverMultistepScheduler(
        num_train_timesteps=TRAIN_TIMESTEPS, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
        prediction_type="v_prediction", timestep_spacing="trailing",
        steps_offset=1, solver_order=2, algorithm_type="sde-dpmsolver++",
    )  # fmt: skip
