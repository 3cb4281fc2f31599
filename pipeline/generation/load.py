"""Load any generator of models/ from its folder, according to its kind."""

import importlib
from pathlib import Path

from pipeline.corpora.records import shown
from pipeline.generation.folder import Foundation, read_meta
from pipeline.generation.kinds import LOADERS
from pipeline.generation.sampling import EmotionGenerator
from pipeline.params import Source


def load_generator(folder: Path, foundation: Foundation, source: Source = "diagonal") -> EmotionGenerator:
    """Return the generator of a folder on a fresh foundation, whose U-Net receives the generator's adapters.

    Raises ValueError for an unknown kind and for a generator that was trained on another diffusion model.
    """
    meta = read_meta(folder)
    if meta["diffusion"] != foundation.digest:
        raise ValueError(
            f"{folder} was trained on the diffusion model {shown(str(meta['diffusion']))}, but the given one is "
            f"{foundation.digest}; name the original model, or train it again with `dvc repro`"
        )
    if meta["kind"] not in list(LOADERS):  # it may be anything that JSON holds
        raise ValueError(f"{folder}: unknown kind {shown(str(meta['kind']))}; allowed are {', '.join(LOADERS)}")
    generator: EmotionGenerator = importlib.import_module(LOADERS[meta["kind"]]).load(folder, foundation, source)
    return generator
