"""Load the trained baselines from their folders."""

from pathlib import Path

import torch

from pipeline.baselines.generators import PART, DreamBoothGenerator, WordGenerator
from pipeline.baselines.model import DreamBoothModel, EmoGenModel, TextualInversionModel
from pipeline.emotion_set import EMOTIONS
from pipeline.generation.folder import META, STATE, Foundation, known_emotions, read_meta
from pipeline.generation.sampling import EmotionGenerator
from pipeline.generation.space import load_space
from pipeline.params import Dreambooth, Emogen, Source, TextualInversion, parse_section
from pipeline.training.weights import load_trained


def load(folder: Path, foundation: Foundation, source: Source) -> EmotionGenerator:
    """Return the generator of a baseline's folder on its foundation."""
    base, meta = foundation.base, read_meta(folder)
    params, file, emotions = meta["params"], folder / META, known_emotions(folder)
    draws = torch.Generator().manual_seed(0)
    match meta["kind"]:
        case "textual_inversion":
            inversion = TextualInversionModel(base, parse_section(TextualInversion, params, file))
            load_trained(inversion, folder / STATE)
            return WordGenerator(inversion.to(base.device).eval(), emotions)
        case "dreambooth":
            booth = DreamBoothModel(base, parse_section(Dreambooth, params, file), draws)
            load_trained(booth, folder / STATE)
            return DreamBoothGenerator(booth.to(base.device).eval(), params["prompt"], emotions)
        case "emogen":
            space, nothing = load_space(folder), torch.empty(0, len(EMOTIONS))
            settings, width = parse_section(Emogen, params, file), space.width(PART)
            mapped = EmoGenModel(base, settings, width, nothing, nothing, draws)
            load_trained(mapped, folder / STATE)
            return WordGenerator(mapped.to(base.device).eval(), emotions, space, source)
    raise AssertionError(f"{folder} does not contain a baseline")
