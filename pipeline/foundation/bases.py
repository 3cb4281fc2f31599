"""Choose the base of a diffusers folder by the pipeline that its model_index.json names."""

from pathlib import Path

from pipeline.foundation.base import Base
from pipeline.foundation.diffusion import INDEX, index_of
from pipeline.foundation.stable_diffusion import StableDiffusion
from pipeline.foundation.stable_diffusion_xl import StableDiffusionXL

BASES: tuple[type[Base], ...] = (StableDiffusion, StableDiffusionXL)


def base_of(folder: Path) -> type[Base]:
    """Return the kind of base that a diffusers folder holds.

    Raises FileNotFoundError if it is not a diffusers folder, and ValueError if its pipeline is none of BASES.
    """
    name = index_of(folder).get("_class_name")
    for base in BASES:
        if base.pipeline_class == name:
            return base
    raise ValueError(
        f"{folder / INDEX}: the pipeline is {name}; allowed are {', '.join(base.pipeline_class for base in BASES)}"
    )
