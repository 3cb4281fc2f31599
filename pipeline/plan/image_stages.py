"""Estimate the work of the stages that generate images, and of those that score, show and report."""

from itertools import combinations
from typing import TYPE_CHECKING

from pipeline.emotions import EMOTIONS
from pipeline.generation.images import SHARD_IMAGES
from pipeline.plan.costs import NOTHING, Cost, inception, judge
from pipeline.plan.rates import load_rates
from pipeline.plan.work import FP32, ROW_BYTES, Part, Setting, Stage, per_item, shards_of

if TYPE_CHECKING:
    from pipeline.params import Judges

FUSION_CELLS = 5  # weights of each pair on the fusion sheet
ADAPTED = ("dreambooth", "coemogen_emoset", "coemogen_emoart")  # methods with an adjustable strength
GUIDED = 2  # passes per solver step under classifier-free guidance
INCEPTION_WIDTH, RESNET_WIDTH, SMALL_WIDTH = 2048, 4096, 384  # pooled features of an image
BASELINE_READERS = 3
SHEET_BYTES, REPORT_BYTES = 5e6, 5e6


def images(setting: Setting, method: str) -> Stage:
    number = _num_images(setting, method)
    shapes, rates = setting.costs.shapes, load_rates()
    size = number * (shapes.image_px**2 * rates.png_bytes_per_px.value + ROW_BYTES)
    part = Part(number, image_cost(setting), "infer", setting.params.images.precision)
    return Stage(number, "images", (part,), size, size, spread="shards", pieces=shards_of(number, SHARD_IMAGES))


def image_cost(setting: Setting) -> Cost:
    """Return the cost of one sampled image: the guided solver steps, the decoder and the text tower."""
    section, costs = setting.params.images, setting.costs
    passes = GUIDED if section.guidance > 1 else 1
    steps = Cost(
        costs.unet.convolutions * passes, costs.unet.products * passes, costs.unet.kernels / section.batch_size
    ) * section.steps  # fmt: skip
    return steps + per_item(costs.vae_decode, section.batch_size) + costs.clip_text


def scores(setting: Setting, method: str) -> Stage:
    number, section = _num_images(setting, method), setting.params.scores
    cost = _judged(setting) + (_on_disk(setting) if _as_published(setting) else NOTHING)
    part = Part(number, per_item(cost, section.batch_size), "infer", "fp32")
    size = number * (FP32 * _score_numbers(setting) + ROW_BYTES)
    megapixels = setting.costs.shapes.image_px**2 / 1e6
    return Stage(
        number, "images", (part,), size, size, core_s=number * megapixels * load_rates().decoding_ms.value / 1e3,
        spread="shards", pieces=shards_of(number, SHARD_IMAGES),
    )  # fmt: skip


def real_scores(setting: Setting, _: str) -> Stage:
    """Return the work of judging the test split like generated images, and what published FID needs of the rest."""
    found, section = setting.counts.emoset, setting.params.scores
    published = _as_published(setting)
    cost = _judged(setting) + (_on_disk(setting) if published else NOTHING)
    parts = [Part(found.test, per_item(cost, section.batch_size), "infer", "fp32")]
    if published:
        squashed = per_item(_squashed(setting), section.batch_size)
        parts.append(Part(found.total - found.test, squashed, "infer", "fp32"))
    number = found.total if published else found.test
    widths = (setting.costs.shapes.joint_width, _judge_width(setting.params.judges), INCEPTION_WIDTH)
    reference = 2 * sum(width**2 for width in widths) * FP32
    size = found.test * (FP32 * _score_numbers(setting) + ROW_BYTES) + reference
    core_s = number * found.megapixels * load_rates().decoding_ms.value / 1e3
    pieces = shards_of(found.total, setting.params.emoset.shard_images)
    return Stage(number, "pictures", tuple(parts), size, size, core_s=core_s, spread="shards", pieces=pieces)


def feedback(setting: Setting, _: str) -> Stage:
    number = _num_images(setting, "uniemo_joint")
    return Stage(number, "rows", num_bytes=number * ROW_BYTES)


def understanding_scores(setting: Setting, _: str) -> Stage:
    """Return the work of every reader on EmoSet's test split and the small sets; the captioner reads some of each."""
    section, costs, rates = setting.params.understanding_scores, setting.costs, load_rates()
    found = setting.counts.emoset
    sizes = [found.test, *setting.counts.small.values()]
    readers = len(section.understandings)
    seen = costs.clip_image + costs.chain(setting.params.uniemo_understanding) * readers
    asked = sum(size if section.num_asked is None else min(size, section.num_asked) for size in sizes)
    tokens = costs.shapes.captioner.tokens_of(found.width_px, found.height_px) + rates.prompt_tokens.value
    by_word = section.question == "word"
    answer = costs.caption(tokens) * len(EMOTIONS) if by_word else costs.caption(tokens + rates.answer_tokens.value)
    number = sum(sizes)
    parts = (
        Part(number, per_item(seen, section.batch_size), "infer", "fp32"),
        Part(asked, answer, "infer" if by_word else "answer", "bf16"),
    )
    rows = number * (BASELINE_READERS + readers) + asked
    core_s = number * found.megapixels * rates.decoding_ms.value / 1e3
    size = rows * (ROW_BYTES + FP32 * len(EMOTIONS))
    return Stage(number, "pictures", parts, size, size, core_s=core_s, spread="shards", pieces=shards_of(number, 1000))


def grids(setting: Setting, method: str) -> Stage:
    section = setting.params.grids
    emotions = _num_emotions(setting, method)
    pairs = len(list(combinations(section.fused, 2)))
    cells = emotions * len(section.nouns) + pairs * FUSION_CELLS
    cells += emotions * len(section.strengths) if method in ADAPTED else 0
    number = cells * section.images_per_cell
    part = Part(number, image_cost(setting), "infer", setting.params.images.precision)
    return Stage(number, "images", (part,), SHEET_BYTES)


def truth_checks(setting: Setting, corpus: str) -> Stage:
    return Stage(setting.counts.of(corpus).total, "rows")


def report(setting: Setting, _: str) -> Stage:
    return Stage(len(setting.params.methods), "methods", num_bytes=REPORT_BYTES)


def _num_emotions(setting: Setting, method: str) -> int:
    return setting.counts.art_emotions if method == "coemogen_emoart" else len(EMOTIONS)


def _num_images(setting: Setting, method: str) -> int:
    return _num_emotions(setting, method) * setting.params.images.num_per_emotion


def _as_published(setting: Setting) -> bool:
    return "emogen" in setting.params.scores.protocols


def _judged(setting: Setting) -> Cost:
    """Return the cost of one image under protocol clean: CLIP, the pixel judges, Inception."""
    return setting.costs.clip_image + _squashed(setting)


def _on_disk(setting: Setting) -> Cost:
    """Return the cost of one image under protocol emogen.

    The pixel judges see the image twice (squashed to a square, and as stored), Inception sees it squashed, and
    CLIP twice (as stored, and with pixels rescaled twice).
    """
    return _squashed(setting) + _networks(setting) + setting.costs.clip_image * 2


def _squashed(setting: Setting) -> Cost:
    """Return the cost of the pixel judges and of Inception, if its weights are given."""
    cost = _networks(setting)
    return cost + inception() if setting.params.scores.inception_weights else cost


def _networks(setting: Setting) -> Cost:
    """Return the cost of the pixel judges: our own and, if given, the published scene and object judges."""
    section = setting.params.judges
    published = sum(1 for name in (section.scene_weights, section.object_weights) if name)
    return judge(section.backbone, section.image_px) + judge("resnet50", RESNET_PX) * published


RESNET_PX = 224  # input edge of the published judges


def _score_numbers(setting: Setting) -> int:
    """Return how many numbers a row of data/scores has."""
    width, judged = setting.costs.shapes.joint_width, _judge_width(setting.params.judges)
    inception_width = INCEPTION_WIDTH if setting.params.scores.inception_weights else 0
    once = 2 * len(EMOTIONS) + width + judged + inception_width
    return once * (2 if _as_published(setting) else 1)


def _judge_width(section: "Judges") -> int:
    return {"small": SMALL_WIDTH, "resnet18": 1024, "resnet50": RESNET_WIDTH}[section.backbone]
