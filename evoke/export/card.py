"""Write the model card of an exported emotion: what it is, how other tools load it, and its limits."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from pipeline.generation.defaults import GUIDANCE, SOLVER, STEPS
from pipeline.generation.sampling import noise_seed

if TYPE_CHECKING:
    from evoke.export.emotion import Exported
    from evoke.origin import Origin
    from pipeline.foundation.base import Format


UNKNOWN_BASE = "path/or/name/of/the/base/model"
LIMITS = """\
- **One condition for all images.** The model draws a new v for each image; this export uses the fixed v above, so its
  images vary less.
- **A fusion, or another strength than 1, is merged** into one word and one LoRA. `evoke generate` adds up predictions
  instead, which other tools cannot; its images differ.
- The word and the LoRA were trained together; using one without the other gives different images.
- They require the base model above. They also load into fine-tunes of it; the results have not been measured.
- The emotions are those of the labels of the training images, whatever their source. Do not use the model to infer what
  people feel.
{licence}"""
NO_LICENCE = (
    "This card grants no licence. Add one that the licences of the base model and of the training images allow."
)


def card(exported: "Exported", kind: "Format", origin: "Origin") -> str:
    """Return the text of README.md, the model card beside the exported files."""
    licence = f"The files are under the licence `{origin.licence}`." if origin.licence else NO_LICENCE
    return f"""---
{_front_matter(exported, origin)}---

# {exported.request.stem} (CoEmoGen)

Images of {exported.request.name}: a LoRA for the attention of a Stable Diffusion model, and the embedding of the word \
`{exported.token}`. Exported by `evoke export`.

{_lines(_facts(exported, origin.base))}

## With diffusers

```python
{_lines(_snippet(exported, origin.base))}
```

Use the word in any prompt: `{exported.token} street`. For a weaker or stronger emotion:
`cross_attention_kwargs={{"scale": 0.8}}`.

## With ComfyUI and A1111

{_lines(_other_tools(exported, kind))}

## How the model was trained

{_lines(_training(exported))}

## Limits

{LIMITS.format(licence=f"- {licence}")}
"""


def _front_matter(exported: "Exported", origin: "Origin") -> str:
    """Return the YAML metadata that the hub reads. It names a licence only if one is known or was given."""
    metadata: dict[str, Any] = {
        "library_name": "diffusers",
        "pipeline_tag": "text-to-image",
        "instance_prompt": exported.token,
        "widget": [{"text": exported.token}, {"text": f"{exported.token} street"}],
        "tags": ["stable-diffusion", "lora", "textual-inversion", "emotion", "coemogen", *exported.request.mixture],
    }
    if origin.base_model:
        metadata |= {"base_model": origin.base_model, "base_model_relation": "adapter"}
    if origin.licence:
        metadata["license"] = origin.licence
    if origin.datasets:
        metadata["datasets"] = [*origin.datasets]
    text = io.StringIO()
    YAML(typ="safe", pure=True).dump(metadata, text)
    return text.getvalue()


def _facts(exported: "Exported", base_model: str | None) -> Iterator[str]:
    base, named = exported.facts, f"{base_model}, " if base_model else ""
    shape = f"{base.architecture}, {base.image_px} px, {base.prediction}-prediction"
    condition = (
        "at the mean of the emotion's Gaussian" if exported.seed is None
        else f"drawn with seed {exported.seed} (source: {exported.source})"
    )  # fmt: skip
    yield from ("| | |", "|---|---|")
    yield f"| emotions | {exported.request.label} |"
    yield f"| strength | {exported.request.strength:g}, folded into the LoRA |"
    yield f"| adapters | {', '.join(f'{name} x {gate:.6g}' for name, gate in exported.adapters.items())} |"
    yield f"| LoRA | `{exported.lora}`, rank {exported.rank}, alpha {exported.rank}, {len(exported.layers)} layers |"
    widths = " and ".join(f"1 x {width}" for width in exported.base.encoder.tokens.widths)
    yield f"| embedding | `{exported.inversion}`, {widths} |"
    yield f"| v, visual condition | {condition} |"
    yield f"| base model | {named}{shape}, `{exported.digest}` |"
    yield f"| trained model | `{exported.model}` |"


def _snippet(exported: "Exported", base_model: str | None) -> Iterator[str]:
    """Yield Python code that makes an image; with a seed, that of `evoke generate` if one emotion is at strength 1."""
    noise = [] if exported.seed is None else [f"generator=torch.Generator().manual_seed({noise_seed(exported.seed)})"]
    token = json.dumps(exported.token)
    arguments = [token, f"num_inference_steps={STEPS}", f"guidance_scale={GUIDANCE:g}", *noise]
    yield from ["import torch"] if noise else []
    yield f"from diffusers import DPMSolverMultistepScheduler, {exported.base.pipeline_class}"
    yield ""
    yield f"pipe = {exported.base.pipeline_class}.from_pretrained({json.dumps(base_model or UNKNOWN_BASE)})"
    kind = f"algorithm_type={json.dumps(SOLVER)}"
    yield f"pipe.scheduler = DPMSolverMultistepScheduler.from_config(pipe.scheduler.config, {kind})"
    yield f'pipe.load_lora_weights(".", weight_name="{exported.lora}")  # this folder, or its name on the hub'
    yield from exported.base.loading(exported.inversion, exported.token)
    yield f"image = pipe({', '.join(arguments)}).images[0]"


def _other_tools(exported: "Exported", kind: "Format") -> Iterator[str]:
    lora, word = Path(exported.lora).stem, Path(exported.inversion).stem
    if kind == "diffusers":
        yield "These tools do not support the keys of this format; use `evoke export --format kohya` for them."
    elif not exported.facts.version:
        yield "These tools identify a model by its shape and do not support the shape of the base model. Use diffusers."
    else:
        yield "| | ComfyUI | A1111 |"
        yield "|---|---|---|"
        yield f"| `{exported.lora}` | `models/loras` | `models/Lora` |"
        yield f"| `{exported.inversion}` | `models/embeddings` | `embeddings` |"
        yield f"| prompt | `embedding:{word} street`, with the node Load LoRA | `{word} street <lora:{lora}:1>` |"
        yield ""
        yield f"`{exported.workflow}` opens in ComfyUI as a whole workflow; choose the base model in its first node."
        yield "The negative prompt is empty, clip skip 1."


def _training(exported: "Exported") -> Iterator[str]:
    yield from ("| parameter | value |", "|---|---|")
    for name, value in exported.settings.model_dump(mode="json").items():
        yield f"| {name} | {json.dumps(value)} |"


def _lines(lines: Iterator[str]) -> str:
    return "\n".join(lines)
