"""Estimate the GPU memory of each stage: weights, gradients and moments, and what a batch adds to them.

The stage's networks run at its batch size on torch's fake tensors, which have shapes and number formats but no data,
under autocast and gradient checkpointing as in a run, while a dispatch mode adds up the storages that are alive. Not
counted are workspaces of cuDNN and fragments of the allocator. `python -m benchmarks.desk_memory` measures real steps.
"""

import weakref
from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from evoke.plan.costs import Models, added_conditions, judge_network, size_of
from evoke.plan.inputs import Setting
from evoke.plan.rates import value
from evoke.plan.stages import JUDGED, RESNET_PX, adapters_of
from pipeline.conditioning.encoder import TextTower
from pipeline.runtime import Precision

if TYPE_CHECKING:
    from pipeline.params import DiffusionTraining, Optimizer, UniemoUnderstanding


MOMENTS: dict["Optimizer", float] = {"adamw": 2.0, "adamw_8bit": 0.5}  # bytes of both, as a share of the fp32 weights
CPU = torch.device("cpu")
SMALL_VL = 2e9  # parameters of the smallest captioner that `captioner_token_bytes` is of
NORMS = (nn.GroupNorm, nn.LayerNorm)


class Alive(TorchDispatchMode):
    """A dispatch mode that adds up the bytes of the storages that were made in it and are alive, and keeps the peak."""

    def __init__(self, known: Sequence[Tensor] = ()) -> None:
        super().__init__()
        self.bytes = self.peak = 0
        self._seen = weakref.WeakSet(tensor.untyped_storage() for tensor in known)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor) and (storage := tensor.untyped_storage()) not in self._seen:
                self._seen.add(storage)
                self._add(storage.nbytes())
                weakref.finalize(storage, self._add, -storage.nbytes())
        return result

    def _add(self, num_bytes: int) -> None:
        self.bytes += num_bytes
        self.peak = max(self.peak, self.bytes)


def peak_bytes(
    module: nn.Module, run: Callable[[Any], Tensor], precision: Precision, is_trained: bool = False
) -> float:
    """Return the most bytes that are alive in `run`, and in the backward pass of the loss that it returns.

    The module is on the meta device; `run` is called with a copy without data. Its parameters do not count, their
    gradients do.
    """
    copy = deepcopy(module)
    with FakeTensorMode():
        place(copy, precision)
        coarse = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16", cache_enabled=False)
        with torch.set_grad_enabled(is_trained), Alive([*copy.parameters(), *copy.buffers()]) as alive:
            with coarse:
                loss = run(copy)
            if is_trained:
                loss.backward()
    return alive.peak


def place(module: nn.Module, precision: Precision) -> None:
    """Give a module on the meta device fake tensors, as the active FakeTensorMode makes them.

    A GPU's autocast computes norms in fp32, that of the CPU, whose tensors these are, does not.
    """
    for part in module.modules():
        for name, weight in part._parameters.items():
            if weight is not None:
                part._parameters[name] = nn.Parameter(_fake(weight), requires_grad=weight.requires_grad)
        part._buffers.update({name: _fake(each) for name, each in part._buffers.items() if each is not None})
        if precision == "bf16" and isinstance(part, NORMS):
            part.register_forward_pre_hook(lambda _, inputs: tuple(each.float() for each in inputs))


def _fake(tensor: Tensor) -> Tensor:
    return torch.empty(tensor.shape, dtype=tensor.dtype)


@cache
def training_peak(
    models: Models, batch: int, precision: Precision, is_low: bool, rank: int = 0,
    reader: "UniemoUnderstanding | None" = None,
) -> float:  # fmt: skip
    """Return the peak of a step through the frozen U-Net to text states, adapters and, with a `reader`, its chain."""
    unet = models.adapted_unet(rank)
    if is_low:
        unet.enable_gradient_checkpointing()
    parts = nn.ModuleDict({"unet": unet, "text": deepcopy(models.clip.transformer).requires_grad_(False)})
    if reader:
        parts["chain"] = models.built_chain(reader)
    if models.second:
        parts["second"] = TextTower(deepcopy(models.second), None)
    length, edge = models.states_shape[0], unet.config.sample_size
    width = models.clip.positional_embedding.shape[1]

    def step(parts: Any) -> Tensor:
        seen = _understood(parts["chain"](torch.empty(batch, *models.seen_shape))) if reader else torch.zeros(())
        states = parts["text"](torch.empty(batch, length, width, requires_grad=True))
        noisy, steps = torch.empty(batch, unet.config.in_channels, edge, edge), torch.zeros(batch)
        if models.second:
            inputs = torch.empty(batch, length, models.second.config.hidden_size, requires_grad=True)
            states = torch.cat([states, parts["second"].transformed(inputs)[1]], -1)
        added = added_conditions(unet, batch, CPU)
        predicted = parts["unet"](noisy, steps, states, added_cond_kwargs=added, return_dict=False)[0]
        return predicted.float().square().mean() + seen

    return peak_bytes(parts, step, precision, is_trained=True)


@cache
def chain_peak(models: Models, batch: int, precision: Precision, reader: "UniemoUnderstanding") -> float:
    """Return the peak of a training step of UniEmo's chain."""
    chain = models.built_chain(reader)
    return peak_bytes(chain, lambda copy: _understood(copy(torch.empty(batch, *models.seen_shape))), precision, True)


def _understood(read: Any) -> Tensor:
    return read.logits.sum() + sum(seen.joint.sum() + seen.queries.sum() for seen in read.seen.values())


@cache
def sampling_peak(models: Models, batch: int, is_guided: bool, precision: Precision, is_low: bool) -> float:
    """Return the larger peak of a solver step and of the decoder."""
    size, (length, width), unet = batch * (1 + is_guided), models.states_shape, models.unet_network
    shape = (unet.config.in_channels, unet.config.sample_size, unet.config.sample_size)

    def denoise(copy: Any) -> Tensor:
        noisy, time, states = torch.empty(size, *shape), torch.zeros(size), torch.empty(size, length, width)
        predicted: Tensor = copy(noisy, time, states, added_cond_kwargs=added_conditions(unet, size, CPU)).sample
        return predicted

    decoded = 1 if is_low else batch
    decoding = peak_bytes(models.vae, lambda copy: copy.decode(torch.empty(decoded, *shape)).sample, precision)
    return max(peak_bytes(unet, denoise, precision), decoding)


@cache
def encoding_peak(models: Models, batch: int, precision: Precision) -> float:
    """Return the peak of the autoencoder's encoder."""
    shape = (batch, 3, models.image_px, models.image_px)
    return peak_bytes(models.vae, lambda copy: copy.encode(torch.empty(shape)).latent_dist.mean, precision)


@cache
def clip_peak(models: Models, batch: int, of: str = "image") -> float:
    """Return the peak of CLIP over images or texts."""
    inputs = (batch, *models.pixels_shape) if of == "image" else (batch, models.states_shape[0])
    dtype = torch.float32 if of == "image" else torch.long
    return peak_bytes(models.clip, lambda copy: getattr(copy, f"encode_{of}")(torch.zeros(inputs, dtype=dtype)), "fp32")


@cache
def judge_peak(backbone: Any, image_px: int, batch: int, is_trained: bool = False) -> float:
    """Return the peak of a pixel judge, in a forward pass or in a training step."""
    network = judge_network(backbone).train(is_trained)

    def run(copy: Any) -> Tensor:
        return copy(torch.empty(batch, image_px, image_px, 3, dtype=torch.uint8)).emotions.float().sum()

    return peak_bytes(network, run, "bf16" if is_trained else "fp32", is_trained)


def through_unet(
    run: Setting, section: "DiffusionTraining", weights: float, rank: int = 0,
    reader: "UniemoUnderstanding | None" = None,
) -> float:  # fmt: skip
    """Return the memory of a training through the U-Net, of which the pipeline stays whole on the GPU for the sheets.

    `weights` is the size of what is trained in fp32, and `rank` the total rank of the adapters of a batch.
    """
    peak = training_peak(run.models, section.batch_size, section.precision, run.is_low, rank, reader)
    frozen = run.models.diffusion_bytes
    if reader:
        chain = run.models.built_chain(reader)
        frozen += size_of(chain) - trained_bytes(chain)
        weights += trained_bytes(chain)
    copies = 1 + MOMENTS[section.optimizer] + (section.ema_decay is not None)
    return frozen + weights * copies + peak


def trained_bytes(module: nn.Module) -> float:
    return float(sum(4 * weight.numel() for weight in module.parameters() if weight.requires_grad))


def hilora(run: Setting, method: str, section: "DiffusionTraining") -> float:
    """Return the memory of a training of adapters."""
    rank, weights = adapters_of(run, method)
    return through_unet(run, section, weights, rank)


def joint(run: Setting, _: str) -> float:
    section = run.params.uniemo_joint
    reader = run.params.uniemo_understanding.model_copy(update={"backbone_rate": section.backbone_rate})
    return through_unet(run, section, 0.0, reader=reader)


def understanding(run: Setting, _: str) -> float:
    section = run.params.uniemo_understanding
    chain = run.models.built_chain(section)
    peak = chain_peak(run.models, section.batch_size, section.precision, section)
    return size_of(chain) + trained_bytes(chain) * MOMENTS[section.optimizer] + peak


def reader_bytes(run: Setting) -> float:
    """Return the size of UniEmo's chain."""
    return size_of(run.models.built_chain(run.params.uniemo_understanding))


def judges(run: Setting, _: str) -> float:
    section = run.params.judges
    peak = judge_peak(section.backbone, section.image_px, round(section.batch_size * JUDGED), is_trained=True)
    return size_of(judge_network(section.backbone)) * (1 + MOMENTS["adamw"]) + peak


def sampling(run: Setting, method: str) -> float:
    """Return the memory of sampling; a generator of UniEmo has its chain beside it."""
    section = run.params.images
    peak = sampling_peak(run.models, section.batch_size, section.guidance > 1, section.precision, run.is_low)
    weights = run.models.diffusion_bytes + (reader_bytes(run) if method.startswith("uniemo") else 0)
    return weights + adapters_of(run, method)[1] + peak


def judging(run: Setting, _: str = "") -> float:
    """Return the memory of scoring: CLIP and all judges are loaded, and look at a batch in turn."""
    section, batch = run.params.judges, run.params.scores.batch_size
    peaks = [clip_peak(run.models, batch), judge_peak(section.backbone, section.image_px, batch)]
    if run.num_published:
        peaks.append(judge_peak("resnet50", RESNET_PX, batch))
    published = run.num_published * size_of(judge_network("resnet50"))
    return run.models.clip_bytes + size_of(judge_network(section.backbone)) + published + max(peaks)


def captioning(run: Setting, corpus: str, batch: int) -> float:
    """Return the memory of captioning in batches, of which a token takes less in a captioner of less than SMALL_VL."""
    captioner = run.models.captioner
    image_tokens = captioner.tokens_of(run.corpus(corpus), run.params.captions.max_px)
    tokens = image_tokens + value("prompt_tokens") + value("answer_tokens")
    share = min(1.0, captioner.parameters / SMALL_VL)
    return captioner.num_bytes + batch * tokens * value("captioner_token_bytes") * share


def understanding_scores(run: Setting, _: str) -> float:
    """Return the memory of all readers, loaded at once."""
    section = run.params.understanding_scores
    readers = run.models.clip_bytes + reader_bytes(run) * len(section.understandings)
    return readers + max(
        captioning(run, run.params.corpus, section.batch_size), clip_peak(run.models, section.batch_size)
    )


def looking(run: Setting, batch: int) -> float:
    return run.models.clip_bytes + clip_peak(run.models, batch)


# Stages that are missing here hold next to nothing on a GPU.
MEMORY: dict[str, Callable[[Setting, str], float]] = {
    "features": lambda run, _: looking(run, run.params.features.batch_size),
    "judges": judges,
    "emoart": lambda run, _: looking(run, run.params.emoart.batch_size),
    "captions": lambda run, corpus: captioning(run, corpus, run.params.captions.batch_size),
    "caption_features": lambda run, _: (
        run.models.clip_bytes + clip_peak(run.models, run.params.caption_features.batch_size, "text")
    ),
    "latents": lambda run, _: (
        size_of(run.models.vae) + encoding_peak(run.models, run.params.latents.batch_size, "bf16")
    ),
    "coemogen": lambda run, corpus: hilora(run, f"coemogen_{corpus}", run.params.coemogen),
    "textual_inversion": lambda run, _: through_unet(run, run.params.textual_inversion, 0.0),
    "dreambooth": lambda run, _: hilora(run, "dreambooth", run.params.dreambooth),
    "emogen": lambda run, _: through_unet(run, run.params.emogen, 0.0),
    "uniemo_understanding": understanding,
    "uniemo_joint": joint,
    "uniemo_feedback": joint,
    "images": sampling,
    "grids": sampling,
    "content": lambda run, method: run.models.clip_bytes + sampling(run, method),
    "real_scores": judging,
    "scores": judging,
    "understanding_scores": understanding_scores,
}  # fmt: skip


def memory_of(run: Setting, unit: str) -> float:
    """Return the peak of the GPU memory of a unit of the DAG in bytes, or 0 if it holds next to nothing."""
    name, _, item = unit.partition("@")
    return MEMORY[name](run, item) + value("gpu_context_bytes") if name in MEMORY else 0.0
