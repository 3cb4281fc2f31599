"""The folder of the miniature Stable Diffusion, put together: U-Net, VAE, CLIP's text tower and tokenizer, schedule.

A plain diffusers StableDiffusionPipeline. Bundled and freshly trained weights come through here; what loads a folder
does not.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.foundation.conversion import load_text_tokenizer, text_encoder

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, UNet2DConditionModel

TRAIN_TIMESTEPS = 1000


def save_pipeline(unet: "UNet2DConditionModel", vae: "AutoencoderKL", clip: Path, out: Path) -> None:
    """A StableDiffusionPipeline folder whose text encoder and tokenizer are those of the CLIP folder."""
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline(
        vae=vae, text_encoder=text_encoder(clip), tokenizer=load_text_tokenizer(clip), unet=unet, scheduler=scheduler(),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipeline.save_pretrained(str(out), safe_serialization=True)


def scheduler() -> "DPMSolverMultistepScheduler":
    """Stable Diffusion's noise, v-prediction, a second-order solver for about twelve steps, which adds noise
    at each and so mends what earlier ones got wrong (docs/LOG.md).
    """
    from diffusers import DPMSolverMultistepScheduler

    return DPMSolverMultistepScheduler(
        num_train_timesteps=TRAIN_TIMESTEPS, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
        prediction_type="v_prediction", timestep_spacing="trailing",
        steps_offset=1, solver_order=2, algorithm_type="sde-dpmsolver++",
    )  # fmt: skip
