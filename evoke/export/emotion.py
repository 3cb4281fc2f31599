"""Export a trained emotion for other tools: its adapters as one LoRA, its condition as a textual inversion.

HiLoRA is a sum (CoEmoGen Eq. 3), so concatenating the adapters of an emotion or of a fusion gives one ordinary LoRA of
the summed rank (8 for a single emotion), with weights and strength folded in. The embedding e^v is computed from a
single v, the mean of the emotion's Gaussian or the v of a seed, although the model uses another v for each image.

The `diffusers` format has the keys that load_lora_weights expects. The `kohya` format has those of sd-scripts, which
ComfyUI and A1111 read for bases whose shape they know. The base tells the names (pipeline/foundation/base.py). No file
contains a timestamp: equal models give equal bytes.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from evoke.export.card import card
from evoke.export.workflow import workflow
from evoke.origin import Origin
from pipeline.adapters import ADAPTERS, gates_of, joined
from pipeline.coemogen.generator import CoEmoGenGenerator
from pipeline.conditioning.encoder import ConditionEncoder
from pipeline.foundation.base import Base, Facts, Format
from pipeline.generation.request import Request, request, weight_matrix
from pipeline.weights import save_safetensors
from pipeline.work import written_aside

if TYPE_CHECKING:
    from evoke.pipeline import EmotionPipeline
    from pipeline.params import Coemogen


@dataclass(frozen=True)
class Exported:
    """Hold everything that is exported from a model.

    `adapters` maps the names of adapters to their weights, strength included. `layers` maps the names of U-Net layers
    to (A rI, B Or). `embedding` is 1W. `source` and `seed` tell where v comes from; seed None stands for the mean of
    the Gaussian. `digest` is the hash of the base, and `model` that of the model's folder.
    """

    request: Request
    source: str
    seed: int | None
    token: str
    adapters: Mapping[str, float]
    layers: Mapping[str, tuple[Tensor, Tensor]]
    embedding: Tensor
    base: Base
    digest: str
    model: str
    settings: "Coemogen"

    @property
    def facts(self) -> Facts:
        return self.base.facts

    @property
    def rank(self) -> int:
        return len(next(iter(self.layers.values()))[0])

    @property
    def lora(self) -> str:
        """Return the file name of the LoRA."""
        return names(self.request)[0]

    @property
    def inversion(self) -> str:
        """Return the file name of the embedding. ComfyUI and A1111 refer to it without the suffix."""
        return names(self.request)[1]

    @property
    def workflow(self) -> str:
        """Return the file name of the workflow for ComfyUI."""
        return names(self.request)[3]


def gather(
    pipeline: "EmotionPipeline", emotions: str | Mapping[str, float], seed: int | None = None, strength: float = 1.0,
    token: str | None = None,
) -> Exported:  # fmt: skip
    """Return the export of an emotion, or of several by weight, from a trained CoEmoGen.

    `seed` is the seed of the image whose v is used, as in manifest.csv; None uses the mean of the Gaussian. `token` is
    the word that stands for the embedding, `<awe>` by default for awe. Raises ValueError for a model of another kind,
    an emotion that the model does not know, a strength that leaves no adapter, and a token that the tokenizer already
    has.
    """
    generator, wanted = pipeline.generator, request(emotions, seed or 0, strength=strength)
    if not isinstance(generator, CoEmoGenGenerator):
        raise ValueError("Only a CoEmoGen model (coemogen_<corpus>) can be exported; this model has no adapters.")
    if seed is None:
        generator = replace(generator, source="mean")
    token = token or f"<{wanted.stem}>"
    _check_token(token, generator.model.encoder)
    with torch.inference_mode():
        embedding = generator.embeddings([wanted]).float().cpu()
    adapters = _adapters(generator, wanted)
    return Exported(
        wanted, generator.source, seed, token, adapters, joined(generator.model.hilora, adapters), embedding,
        generator.model.base, pipeline.foundation.digest, pipeline.model, generator.model.settings,
    )  # fmt: skip


def write(exported: Exported, kind: Format, out: Path, origin: Origin | None = None) -> list[Path]:
    """Write the LoRA, the embedding and the model card into a folder and return their paths.

    A workflow of ComfyUI is added where ComfyUI can load the files. `origin` is what the card says of their origin.
    """
    origin = origin or Origin()
    lora, inversion, readme, _ = (out / name for name in names(exported.request))
    word = exported.base.inversion(exported.token, exported.embedding, kind)
    save_safetensors(lora, exported.base.lora(exported.layers, kind), _metadata(exported, kind, "lora"))
    save_safetensors(inversion, word, _metadata(exported, kind, "textual-inversion"))
    with written_aside(readme) as aside:
        aside.write_text(card(exported, kind, origin), encoding="utf-8")
    if kind == "diffusers" or not exported.facts.version:
        return [lora, inversion, readme]
    with written_aside(out / exported.workflow) as aside:
        aside.write_text(json.dumps(workflow(exported, origin.base_model), indent=2), encoding="utf-8")
    return [lora, inversion, readme, out / exported.workflow]


def names(request: Request) -> tuple[str, str, str, str]:
    """Return the file names of the LoRA, the embedding, the model card and the workflow."""
    stem = request.stem
    return f"{stem}-lora.safetensors", f"{stem}-embedding.safetensors", "README.md", f"{stem}-workflow.json"


def _adapters(generator: CoEmoGenGenerator, wanted: Request) -> dict[str, float]:
    """Return the adapters that a request uses, with their weight times the strength.

    Raises ValueError if there are none.
    """
    gates = gates_of(weight_matrix([wanted]))[0] * wanted.strength
    adapters = {
        name: float(gate) for name, gate in zip(ADAPTERS, gates, strict=True) if name in generator.model.hilora.ranks
    }
    adapters = {name: gate for name, gate in adapters.items() if gate}
    if not adapters:
        raise ValueError(f"No LoRA to export: {wanted.label} has no active adapter at strength {wanted.strength:g}.")
    return adapters


def _check_token(token: str, encoder: ConditionEncoder) -> None:
    vocabulary = {word for tower in encoder.towers for word in tower.tokenizer.get_vocab()}
    if any(c.isspace() for c in token) or token in vocabulary or f"{token}</w>" in vocabulary:
        raise ValueError(f"token = {token!r}: must be one word that the tokenizer does not contain, such as '<awe>'")


def _metadata(exported: Exported, kind: Format, what: Literal["lora", "textual-inversion"]) -> dict[str, str]:
    """Return the metadata of a file: its origin, and for kohya the fields that tools look for in that format."""
    origin = {
        "format": "pt",
        "evoke.emotions": exported.request.label,
        "evoke.strength": f"{exported.request.strength:g}",
        "evoke.source": exported.source,
        "evoke.seed": str(exported.seed),
        "evoke.model": exported.model,
        "evoke.diffusion": exported.digest,
    }
    if kind == "diffusers":
        return origin
    base, rank, is_lora = exported.facts, exported.rank, what == "lora"
    shown = {
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": f"{base.architecture}/{what}",
        "modelspec.implementation": "diffusers",
        "modelspec.title": f"{exported.request.stem} (CoEmoGen)",
        "modelspec.trigger_phrase": Path(exported.inversion).stem,
        "modelspec.prediction_type": base.prediction,
        "modelspec.resolution": f"{base.image_px}x{base.image_px}",
    }
    trained = {
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(rank),
        "ss_network_alpha": f"{rank:.1f}",
        "ss_output_name": Path(exported.lora).stem,
        "ss_v2": "False",
    }
    if base.version:
        trained["ss_base_model_version"] = base.version
    return origin | shown | (trained if is_lora else {})
