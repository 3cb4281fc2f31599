"""Load any generator of models/ from its folder, according to its kind."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from pipeline.corpora.records import shown
from pipeline.generation.folder import META, STATE, Foundation, read_meta
from pipeline.generation.sampling import EmotionGenerator
from pipeline.generation.space import Source, load_space

KINDS = ("prompt", "coemogen", "uniemo", "textual_inversion", "dreambooth", "emogen")


def load_generator(folder: Path, foundation: Foundation, source: Source = "diagonal") -> EmotionGenerator:
    """Return the generator of a folder on a fresh foundation, whose U-Net receives the generator's adapters.

    Raises ValueError for an unknown kind and for a generator that was trained on another diffusion model.
    """
    meta = read_meta(folder)
    if meta["diffusion"] != foundation.digest:
        raise ValueError(
            f"{folder} was trained on the diffusion model {shown(str(meta['diffusion']))}, and this is "
            f"{foundation.digest}; give it its own, or train it again by `dvc repro`"
        )
    match meta["kind"]:
        case "prompt":
            return _prompt_generator(folder, meta, foundation)
        case "coemogen":
            return _coemogen(folder, meta, foundation, source)
        case "uniemo":
            return _uniemo(folder, foundation, source)
        case "textual_inversion" | "dreambooth" | "emogen" as kind:
            from pipeline.baselines.folder import load_baseline

            return load_baseline(kind, folder, foundation, source)
    raise ValueError(f"{folder}: unknown kind {shown(str(meta['kind']))}; known are {', '.join(KINDS)}")


def _prompt_generator(folder: Path, meta: Mapping[str, Any], foundation: Foundation) -> EmotionGenerator:
    from pipeline.generation.plain import PromptGenerator
    from pipeline.params import StableDiffusion, parse_section

    pipeline, settings = foundation.pipeline, parse_section(StableDiffusion, meta["params"], folder / META)
    return PromptGenerator(foundation.encoder, pipeline.tokenizer, settings.prompt, pipeline.device)


def _coemogen(folder: Path, meta: Mapping[str, Any], foundation: Foundation, source: Source) -> EmotionGenerator:
    from pipeline.coemogen.generator import PART, CoEmoGenGenerator
    from pipeline.coemogen.model import build
    from pipeline.params import Coemogen, parse_section
    from pipeline.training.denoising import noise_schedule
    from pipeline.training.weights import load_trained

    pipeline, space = foundation.pipeline, load_space(folder)
    settings, width = parse_section(Coemogen, meta["params"], folder / META), space.width(PART)
    schedule = noise_schedule(pipeline)
    model = build(settings, pipeline, foundation.encoder, schedule, width, torch.Generator().manual_seed(0))
    load_trained(model, folder / STATE)
    return CoEmoGenGenerator(model.to(pipeline.device).eval(), pipeline.tokenizer, space, source)


def _uniemo(folder: Path, foundation: Foundation, source: Source) -> EmotionGenerator:
    from pipeline.uniemo.generator import UniEmoGenerator
    from pipeline.uniemo.joint_folder import load_joint

    model, _ = load_joint(folder, foundation)
    return UniEmoGenerator(model.eval(), foundation.pipeline.tokenizer, load_space(folder), source)
