"""Estimate the work of the training stages: training steps, sample sheets on the way, passes over the corpus."""

from typing import TYPE_CHECKING

from pipeline.emotions import EMOTIONS, POLARITIES
from pipeline.plan.corpus_stages import latent_bytes
from pipeline.plan.costs import FORWARD_AND_BACKWARD, NOTHING, Cost, judge, judge_parameters
from pipeline.plan.image_stages import image_cost
from pipeline.plan.rates import load_rates
from pipeline.plan.work import FP32, Part, Setting, Stage, per_item, shards_of

if TYPE_CHECKING:
    from pipeline.params import DiffusionTraining, Training

SHEET_COLUMNS = 8  # samples per emotion on a sheet
DESTROYED = 1 + 1 / 8  # images in a judges' batch per sampled image: an eighth as many destroyed copies are added
TEXT_PASSES = 2  # through the frozen text encoder: forward, and backward to the embedding
CHECKPOINTS = 2  # kept at a time, each with weights and both moments
SPACE_BYTES = 10e6  # upper limit for Gaussians and notes in a generator's folder


def judges(setting: Setting, _: str) -> Stage:
    section, found = setting.params.judges, setting.counts.emoset
    number = found.train * (1.0 if section.half == "both" else 0.5)
    steps = section.epochs * shards_of(round(number), section.batch_size)
    forward = judge(section.backbone, section.image_px)
    batch = forward * (FORWARD_AND_BACKWARD * section.batch_size * DESTROYED)
    cost = Cost(batch.convolutions, batch.products, FORWARD_AND_BACKWARD * forward.kernels)
    seen = section.epochs * number * section.image_px**2 / 1e6
    core_s = (
        seen * load_rates().augmenting_ms.value + number * found.megapixels * load_rates().decoding_ms.value
    ) / 1e3
    published = sum(1 for name in (section.scene_weights, section.object_weights) if name)
    size = FP32 * (judge_parameters(section.backbone) + published * judge_parameters("resnet50"))
    return Stage(steps, "steps", (Part(steps, cost, "train", "bf16"),), size, core_s=core_s)


def coemogen(setting: Setting, corpus: str) -> Stage:
    section = setting.params.coemogen
    emotions = setting.counts.art_emotions if corpus == "emoart" else len(EMOTIONS)
    wide = section.rank * (2 if section.matched_rank else 1)
    kinds = ((section.emotion_adapters, emotions), (section.polarity_adapters, len(POLARITIES)))
    present = sum(distinct(number, section.batch_size) for is_on, number in kinds if is_on)
    size = FP32 * setting.costs.adapter_parameters(wide) * sum(number for is_on, number in kinds if is_on)
    return _through_unet(setting, section, corpus, emotions, round(wide * present), NOTHING, size)


def textual_inversion(setting: Setting, _: str) -> Stage:
    return _through_unet(setting, setting.params.textual_inversion, "emoset", len(EMOTIONS), 0, NOTHING, 0.0)


def dreambooth(setting: Setting, _: str) -> Stage:
    section = setting.params.dreambooth
    rank = round(section.rank * distinct(len(EMOTIONS), section.batch_size))
    size = FP32 * setting.costs.adapter_parameters(section.rank) * len(EMOTIONS)
    return _through_unet(setting, section, "emoset", len(EMOTIONS), rank, NOTHING, size)


def emogen(setting: Setting, _: str) -> Stage:
    section, width = setting.params.emogen, setting.costs.shapes.joint_width
    return _through_unet(setting, section, "emoset", len(EMOTIONS), 0, NOTHING, FP32 * 2 * width * section.hidden)


def stable_diffusion(_: Setting, __: str) -> Stage:
    return Stage(0, "steps")


def uniemo_understanding(setting: Setting, _: str) -> Stage:
    section, found = setting.params.uniemo_understanding, setting.counts.emoset
    step = setting.costs.chain_step(section, section.backbone_rate).batched(section.batch_size)
    scored = (section.steps // section.val_steps + 2) * found.val + found.test
    chain = per_item(setting.costs.chain(section), section.batch_size)
    parts = (Part(section.steps, step, "train", section.precision), Part(scored, chain, "infer", "fp32"))
    size = FP32 * setting.costs.chain_parameters(section)
    return Stage(
        section.steps, "steps", parts, size, squares_bytes(setting) + 3 * CHECKPOINTS * size, 0.0, squares_s(setting),
        "processes", section.batch_size,
    )  # fmt: skip


def uniemo_joint(setting: Setting, _: str) -> Stage:
    return _joint(setting, setting.params.uniemo_joint.steps)


def uniemo_feedback(setting: Setting, _: str) -> Stage:
    return _joint(setting, setting.params.uniemo_feedback.steps)


def distinct(kinds: int, batch_size: int) -> float:
    """Return the expected number of distinct kinds in a batch if all `kinds` are equally likely."""
    return kinds * (1 - (1 - 1 / kinds) ** batch_size)


def squares_bytes(setting: Setting) -> float:
    """Return the bytes of the cached squares of all images of EmoSet."""
    return 3.0 * setting.counts.emoset.total * setting.params.uniemo_understanding.image_px**2


def squares_s(setting: Setting) -> float:
    """Return the seconds that one core takes to make the cached squares."""
    found = setting.counts.emoset
    return found.total * found.megapixels * load_rates().decoding_ms.value / 1e3


def _joint(setting: Setting, steps: int) -> Stage:
    """Return the work of training chain and U-Net together, then of reading the corpus for the Gaussians."""
    section, seen, found = setting.params.uniemo_joint, setting.params.uniemo_understanding, setting.counts.emoset
    costs = setting.costs
    chain = costs.chain_step(seen, section.backbone_rate)
    read = Part(found.train + 3 * found.val + found.test, per_item(costs.chain(seen), 250), "infer", "fp32")
    size = FP32 * (costs.chain_parameters(seen) + 3 * 2 * costs.shapes.clip["vision_cfg"]["width"] ** 2)
    section = section.model_copy(update={"steps": steps})
    stage = _through_unet(setting, section, "emoset", len(EMOTIONS), 0, chain, size)
    return Stage(
        steps, "steps", (*stage.parts, read), stage.num_bytes, stage.work_bytes + squares_bytes(setting), 0.0,
        squares_s(setting), "processes", section.batch_size,
    )  # fmt: skip


def _through_unet(
    setting: Setting, section: "DiffusionTraining", corpus: str, emotions: int, rank: int, beside: Cost, size: float
) -> Stage:
    """Return the work of steps through the U-Net, and of the sheets of samples.

    `rank` is the total rank of the adapters, `beside` the cost per sample of what else is trained, and `size` the bytes
    of the trained weights.
    """
    costs = setting.costs
    sample = costs.unet_step(rank) + costs.clip_text * TEXT_PASSES + beside
    parts = (
        Part(section.steps, sample.batched(section.batch_size), "train", section.precision),
        Part(
            num_sheets(section) * emotions * SHEET_COLUMNS,
            image_cost(setting),
            "infer",
            setting.params.images.precision,
        ),
    )
    work = setting.counts.of(corpus).train * latent_bytes(setting) + 3 * CHECKPOINTS * size
    return Stage(
        section.steps, "steps", parts, size + SPACE_BYTES * (rank > 0 or beside != NOTHING), work, spread="processes",
        pieces=section.batch_size,
    )  # fmt: skip


def num_sheets(section: "Training") -> int:
    """Return the number of sheets that a training draws on the way."""
    return section.steps // section.sheet_steps if section.sheet_steps else 0
