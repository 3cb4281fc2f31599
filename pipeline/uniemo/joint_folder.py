"""Build, save and load a joint model: a generator with an understanding model in its folder `understanding`.

coefficients.safetensors holds the coefficients K8 of the attributes by kind. weights.safetensors holds what is trained
beside the understanding model.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import torch
from torch import Tensor

from pipeline.emotion_set import EMOTIONS
from pipeline.generation.folder import META, STATE, Foundation, read_meta, save_generator
from pipeline.generation.space import Space
from pipeline.params import UniemoJoint, parse_section
from pipeline.uniemo.folder import UNDERSTANDING, Understanding, load_understanding, save_understanding
from pipeline.uniemo.fusion import Fusion, coefficient_table
from pipeline.uniemo.joint import UniEmo, parts_of
from pipeline.uniemo.learner import Learner
from pipeline.weights import load_safetensors, load_trained, save_safetensors

if TYPE_CHECKING:
    from pipeline.params import UniemoFeedback

KIND = "uniemo"
COEFFICIENTS = "coefficients.safetensors"
LEARNER = "learner."  # prefix of the names of the understanding model's parameters


def tables_of(
    correlation: pa.Table, understanding: Understanding, settings: UniemoJoint, generator: torch.Generator
) -> dict[str, Tensor]:
    """Return the coefficients K8 (Eq. 5) of the attributes of each base, by kind, or their control.

    `correlation` has the columns of CORRELATION_SCHEMA.
    """
    names, values = correlation["attribute"].to_pylist(), correlation["coefficient"].to_pylist()
    coefficients = {name: torch.tensor(row) for name, row in zip(names, values, strict=True)}
    return {
        kind: coefficient_table(coefficients, understanding.bases[kind].names, kind, settings.coefficients, generator)
        for kind in understanding.chain.kinds
    }


def build(
    understanding: Understanding, foundation: Foundation, tables: Mapping[str, Tensor], settings: UniemoJoint,
    generator: torch.Generator,
) -> UniEmo:  # fmt: skip
    """Return a joint model on a trained understanding model, which it takes over.

    All randomness comes from the generator.
    """
    learner = Learner(understanding.chain, understanding.bases, understanding.settings)
    base = foundation.base
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**31, (1,), generator=generator)))
        width = understanding.chain.backbone.transformer.width
        parts = parts_of(settings, understanding.chain.kinds)
        fusion = Fusion(width, base.encoder.tokens, tables, parts, settings.norms)
        model = UniEmo(learner, fusion, base, settings)
    return model.to(base.device)


def save_joint(
    folder: Path, model: UniEmo, weights: Mapping[str, Tensor], understanding: Understanding, space: Space,
    foundation: Foundation,
) -> None:  # fmt: skip
    """Write the folder; equal models give equal bytes.

    `understanding` supplies the attribute bases and the present temperature of the logits.
    """
    own = {name: tensor for name, tensor in weights.items() if not name.startswith(LEARNER)}
    save_generator(folder, KIND, model.settings.model_dump(mode="json"), foundation.digest, own, space)
    save_safetensors(folder / COEFFICIENTS, model.fusion.tables, {"kind": KIND})
    learned = {name.removeprefix(LEARNER): t for name, t in weights.items() if name.startswith(LEARNER)}
    inner = folder / UNDERSTANDING
    clip, is_own = understanding.own_clip or foundation.clip, understanding.own_clip is not None
    save_understanding(
        inner, understanding.settings, clip, learned, understanding.bases, understanding.temperature, is_own
    )


def load_joint(
    folder: Path, foundation: Foundation, further: "UniemoFeedback | None" = None
) -> tuple[UniEmo, Understanding]:
    """Return the model of a folder on its foundation, and the understanding model that it took its chain from.

    With `further`, the settings are those of a training run that continues from this model. Raises ValueError if a file
    is missing or damaged, or does not match the foundation.
    """
    settings = parse_section(UniemoJoint, read_meta(folder)["params"], folder / META)
    if further is not None:
        rates = ("learning_rate", "backbone_rate", "query_rate", "head_rate")
        slower = {rate: further.rate_share * getattr(settings, rate) for rate in rates}
        sheet_steps = min(settings.sheet_steps, further.steps)
        settings = settings.model_copy(update={"steps": further.steps, "sheet_steps": sheet_steps, **slower})
    understanding = load_understanding(folder, foundation.clip, foundation.base.device)
    tables, _ = load_safetensors(folder / COEFFICIENTS)
    shapes = {kind: (len(understanding.bases[kind].names), len(EMOTIONS)) for kind in understanding.chain.kinds}
    if {kind: tuple(table.shape) for kind, table in tables.items()} != shapes:
        raise ValueError(
            f"{folder / COEFFICIENTS} does not have eight coefficients per attribute; delete the folder and run "
            "`dvc repro`"
        )
    model = build(understanding, foundation, tables, settings, torch.Generator().manual_seed(0))
    load_trained(model, folder / STATE, beside=LEARNER)
    return model, understanding
