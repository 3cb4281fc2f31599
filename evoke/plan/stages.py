"""List what each stage of the DAG does: its number of units, and the cost and bytes of a unit.

STAGES, at the end, is the table: every stage of dvc.yaml in running order. The functions before it give the work of
stages that are alike, or longer than a line.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from math import ceil
from typing import TYPE_CHECKING

from evoke.plan.costs import FP32, Cost, inception, judge
from evoke.plan.inputs import Corpus, Setting
from evoke.plan.rates import Effort, value
from evoke.plan.table import Part, Stage
from pipeline.emotion_set import EMOTIONS, POLARITIES
from pipeline.foundation.captioner import MAX_PX
from pipeline.runtime import Precision

if TYPE_CHECKING:
    from pipeline.foundation.recipes import Recipe
    from pipeline.params import DiffusionTraining, Foundation


TRAIN = 3  # cost of a step that trains all weights, in forward passes
ROW_BYTES = 40  # of a row without its vectors: an id and a few words
CAPTION_BYTES, SHEET_BYTES, REPORT_BYTES = 150, 5e6, 5e6
SPACE_BYTES = 10e6  # upper limit for Gaussians and notes in a generator's folder
CHECKPOINTS = 3 * 2  # weights and both moments, of the last two checkpoints
SMALL_KERNELS = 60  # of a training step of a network of two layers, optimiser included
JUDGED = 1 + 1 / 8  # images in a judges' batch per sampled image: an eighth as many destroyed copies are added
SHEET_COLUMNS, FUSION_CELLS = 8, 8  # samples per emotion on a sheet; predictions of a pair: 2 of one, 3 of two emotions
JUDGE_WIDTH = {"small": 384, "resnet18": 1024, "resnet50": 4096}  # pooled features of an image
INCEPTION_WIDTH, RESNET_PX = 2048, 224
BASELINE_READERS = 3
HALVES = {"first": 0.5, "second": 0.5, "both": 1.0}
READ_BATCH, READ_SHARD = 250, 1000  # images, of the chain for its Gaussians and of understanding_scores


def workload(setting: Setting, items: Mapping[str, Sequence[str]]) -> Iterator[Stage]:
    """Yield the work of every unit of the DAG, such as captions@emoset.

    items: the items of each stage that is `foreach` in dvc.yaml, and [""] for every other stage.
    """
    for name, work in STAGES.items():
        for item in items[name]:
            yield replace(work(setting, item), unit=f"{name}@{item}" if item else name)


def a_pass(
    images: Corpus, cost: Cost, batch_size: int, bytes_each: float, of: str = "images", number: int | None = None,
    effort: Effort = "infer", precision: Precision = "fp32",
) -> Stage:  # fmt: skip
    """Return the work of one pass over images, or over what was made of them, which GPUs share by shards.

    Only images are decoded, not captions.
    """
    number = images.total if number is None else number
    size, core_s = number * (bytes_each + ROW_BYTES), images.decoding_s(number) * (of == "images")
    part = Part(number, cost, effort, precision, batch_size)
    return Stage(number, of, (part,), size, size, 0.0, core_s, images.num_shards)


def packed(images: Corpus, kept: Corpus, *parts: Part) -> Stage:
    """Return the work of checking all images of a corpus and packing those that are kept, and of choosing them."""
    size, fetched = kept.total * kept.image_bytes, images.total * images.image_bytes * images.is_missing
    rows, work = (images.total * ROW_BYTES, size) if parts else (0, 0.0)
    core_s = images.decoding_s(images.total)
    return Stage(images.total, "images", parts, size + rows, work, fetched, core_s, images.num_shards)


def drawn(run: Setting, layout: str) -> Stage:
    """Return the work of drawing a layout of the miniature."""
    sets = ("twitter_i", "twitter_ii") if layout == "twitter" else (layout,)
    number = sum(getattr(run.params.miniature, f"num_{name}") for name in sets)
    size, core_s = number * value("drawn_bytes"), number * value("drawing_ms") / 1e3
    return Stage(number, "images", num_bytes=size, core_s=core_s)


def foundation(section: "Foundation", size: float, *trainings: "tuple[Recipe, Cost]") -> Stage:
    """Return the work of unpacking or downloading a model, or of training it: the cost of one sample of each recipe."""
    if section.source != "train":
        return Stage(0, "images", num_bytes=size, download_bytes=size * (section.source == "hub"))
    parts = tuple(
        Part(recipe.steps * recipe.batch_size, cost * TRAIN, "train", "bf16", recipe.batch_size)
        for recipe, cost in trainings
    )
    return Stage(sum(recipe.steps for recipe, _ in trainings), "steps", parts, size)


def foundation_vit(run: Setting, _: str) -> Stage:
    """Return the work of another CLIP for UniEmo's chain, or of a copy of foundation_clip's."""
    section, size = run.params.foundation_vit, run.models.vit_bytes
    if section is None:
        return Stage(0, "pictures", num_bytes=size)
    return foundation(section, size, (section.recipe, run.models.vit_pair))


def foundation_captioner(run: Setting, _: str) -> Stage:
    section, captioner = run.params.foundation_captioner, run.models.captioner
    return foundation(section, captioner.num_bytes, (section.recipe, captioner.cost(section.recipe.max_tokens)))


def captions(run: Setting, corpus: str) -> Stage:
    images, captioner = run.corpus(corpus), run.models.captioner
    answer_tokens = min(value("answer_tokens"), run.params.captions.max_new_tokens)
    tokens = captioner.tokens_of(images, run.params.captions.max_px) + value("prompt_tokens")
    cost = captioner.cost(tokens + answer_tokens)
    return a_pass(images, cost, 1, CAPTION_BYTES, effort="answer", precision="bf16")


def classifier(run: Setting, source: str, passes: float) -> Stage:
    """Return the work of training on the CLIP features of the labelled corpus, `passes` times in each epoch.

    What is imported costs almost nothing.
    """
    section = run.params.emotion_classifier
    if source == "imported":
        return Stage(0, "steps")
    weights = (run.models.joint_width + len(EMOTIONS)) * section.hidden
    steps = section.epochs * ceil(passes * run.labelled.train / section.batch_size)
    cost = Cost(products=TRAIN * 2 * weights, kernels=SMALL_KERNELS)
    part = Part(steps * section.batch_size, cost, "train", "fp32", section.batch_size)
    return Stage(steps, "steps", (part,), FP32 * weights)


def correlation(run: Setting, _: str) -> Stage:
    """Return the work of one classifier per fold, trained on all other folds, and of one trained on all."""
    stage = classifier(run, run.params.correlation.source, run.params.correlation.folds)
    return replace(stage, num_bytes=0.0)


def judges(run: Setting, _: str) -> Stage:
    section, images = run.params.judges, run.labelled
    number, batch = images.train * HALVES[section.half], section.batch_size * JUDGED
    steps = section.epochs * ceil(number / section.batch_size)
    network = judge(section.backbone, section.image_px)
    part = Part(steps * batch, network.cost * TRAIN, "train", "bf16", batch)
    augmented = section.epochs * number * section.image_px**2 / 1e6
    core_s = augmented * value("augmenting_ms") / 1e3 + images.decoding_s(number)
    size = network.num_bytes + run.num_published * judge("resnet50", RESNET_PX).num_bytes
    return Stage(steps, "steps", (part,), size, core_s=core_s)


def sampling(run: Setting, number: float) -> Part:
    """Return the work of sampling images: guided solver steps and the decoder in batches, the text tower for each."""
    section, models = run.params.images, run.models
    step = models.unet.batched(2 if section.guidance > 1 else 1)
    text = replace(models.condition, kernels=models.condition.kernels * section.batch_size)
    return Part(number, step * section.steps + models.vae_decode + text, "infer", section.precision, section.batch_size)


def generator(
    run: Setting, section: "DiffusionTraining", weights: float, rank: int = 0, corpus: str = "",
    beside: Cost | None = None,
) -> Stage:  # fmt: skip
    """Return the work of steps through the U-Net, and of the sheets of samples on the way.

    `weights` is the size of what is trained, `rank` the total rank of the adapters, `corpus` the one that it is trained
    on, by default the labelled one, and `beside` the cost per sample of what else is trained. The frozen text encoders
    are passed twice: forward, and backward to the embedding.
    """
    corpus, batch = corpus or run.params.corpus, section.batch_size
    sample = run.models.unet_step(rank).cost + run.models.condition * 2 + (beside or Cost())
    sample += run.models.unet if run.is_low else Cost()
    sheets = section.steps // section.sheet_steps if section.sheet_steps else 0
    sheet_part = sampling(run, sheets * SHEET_COLUMNS * run.emotions(f"coemogen_{corpus}"))
    parts = (Part(section.steps * batch, sample, "train", section.precision, batch), sheet_part)
    work = run.num_encoded(corpus) * run.latent_bytes + CHECKPOINTS * weights
    size = weights + SPACE_BYTES * bool(rank or beside)
    return Stage(section.steps, "steps", parts, size, work, pieces=batch)


def coemogen(run: Setting, corpus: str) -> Stage:
    rank, weights = adapters_of(run, f"coemogen_{corpus}")
    return generator(run, run.params.coemogen, weights, rank, corpus)


def dreambooth(run: Setting, method: str) -> Stage:
    rank, weights = adapters_of(run, "dreambooth")
    return generator(run, run.params.dreambooth, weights, rank)


def adapters_of(run: Setting, method: str) -> tuple[int, float]:
    """Return the total rank of the adapters that a batch of a method uses, and the bytes of all its adapters."""
    booth, section = run.params.dreambooth, run.params.coemogen
    if method == "dreambooth":
        rank, batch_size, kinds = booth.rank, booth.batch_size, [len(EMOTIONS)]
    elif method.startswith("coemogen"):
        rank, batch_size = section.rank * (2 if section.matched_rank else 1), section.batch_size
        kinds = [run.emotions(method)] * section.emotion_adapters + [len(POLARITIES)] * section.polarity_adapters
    else:
        return 0, 0.0
    present = sum(distinct(number, batch_size) for number in kinds)
    return round(rank * present), sum(kinds) * run.models.unet_step(rank).num_bytes


def distinct(kinds: int, batch_size: int) -> float:
    """Return the expected number of distinct kinds in a batch if all `kinds` are equally likely."""
    return kinds * (1 - (1 - 1 / kinds) ** batch_size)


def uniemo_understanding(run: Setting, _: str) -> Stage:
    section, images = run.params.uniemo_understanding, run.labelled
    step, chain = run.models.chain(section, section.backbone_rate), run.models.chain(section)
    scored = (section.steps // section.val_steps + 2) * images.val + images.test
    parts = (
        Part(section.steps * section.batch_size, step.cost, "train", section.precision, section.batch_size),
        Part(scored, chain.cost, batch_size=section.batch_size),
    )
    size = chain.num_bytes
    return with_squares(run, Stage(section.steps, "steps", parts, size, CHECKPOINTS * size, pieces=section.batch_size))


def uniemo(run: Setting, steps: int) -> Stage:
    """Return the work of training chain and U-Net together, then of reading the corpus for the Gaussians."""
    section, reader, images = run.params.uniemo_joint, run.params.uniemo_understanding, run.labelled
    step, chain = run.models.chain(reader, section.backbone_rate), run.models.chain(reader)
    weights = chain.num_bytes + FP32 * 3 * 2 * run.models.vision_width**2
    stage = generator(run, section.model_copy(update={"steps": steps}), weights, beside=step.cost)
    fitted = images.total if section.training_splits == "all" else images.train
    read = Part(fitted + 3 * images.val + images.test, chain.cost, batch_size=READ_BATCH)
    return with_squares(run, replace(stage, parts=(*stage.parts, read)))


def with_squares(run: Setting, stage: Stage) -> Stage:
    """Return a training with the squares of all labelled images, which it makes first and keeps in .work."""
    number, edge = run.labelled.total, run.params.uniemo_understanding.image_px
    work = stage.work_bytes + 3 * number * edge**2
    return replace(stage, work_bytes=work, core_s=run.labelled.decoding_s(number))


def generated_images(run: Setting, method: str) -> Stage:
    generated = run.generated(method)
    part, size = sampling(run, generated.total), generated.total * (generated.image_bytes + ROW_BYTES)
    return Stage(generated.total, "images", (part,), size, size, pieces=generated.num_shards)


def content(run: Setting, method: str) -> Stage:
    """Return the work of drawing each noun with each emotion, and of judging these images."""
    section = run.params.content
    number = run.emotions(method) * (len(section.things) + len(section.scenes)) * section.num_per_cell
    judging = Part(number, run.models.clip_image + pixel_judges(run), batch_size=run.params.images.batch_size)
    size = number * (run.generated(method).image_bytes + ROW_BYTES)
    return Stage(number, "images", (sampling(run, number), judging), size, size)


def rows(images: Corpus, of: str) -> Stage:
    """Return a stage that only writes a row for each image."""
    return Stage(images.total, of, num_bytes=images.total * ROW_BYTES)


def pixel_judges(run: Setting) -> Cost:
    """Return the cost of our own judge and, if given, of the published scene and object judges."""
    section = run.params.judges
    return judge(section.backbone, section.image_px).cost + judge("resnet50", RESNET_PX).cost * run.num_published


def squared(run: Setting) -> Cost:
    """Return the cost of the pixel judges and of Inception, if its weights are given."""
    return pixel_judges(run) + (inception() if run.params.scores.inception_weights else Cost())


def scores(run: Setting, images: Corpus) -> Stage:
    """Return the work of scoring the test split of a corpus by CLIP, pixel judges and Inception.

    Under protocol emogen the pixel judges see an image twice more (squashed to a square, and as stored), Inception sees
    it squashed, and CLIP twice (as stored, and with pixels rescaled twice). Under clean-fid Inception sees it again.
    """
    cost = run.models.clip_image + squared(run)
    width = 2 * len(EMOTIONS) + run.models.joint_width + JUDGE_WIDTH[run.params.judges.backbone]
    width += INCEPTION_WIDTH if run.params.scores.inception_weights else 0
    if run.is_published:
        cost, width = cost + squared(run) + pixel_judges(run) + run.models.clip_image * 2, 2 * width
    if "clean-fid" in run.params.scores.protocols:
        cost, width = cost + inception(), width + INCEPTION_WIDTH
    return a_pass(images, cost, run.params.scores.batch_size, FP32 * width, number=images.test)


def real_scores(run: Setting, _: str) -> Stage:
    """Return the work of judging the test split like generated images, and what published FID needs of the rest."""
    images = run.labelled
    stage, number = scores(run, images), images.total if run.is_published else images.test
    rest = Part(number - images.test, squared(run), batch_size=run.params.scores.batch_size)
    widths = (run.models.joint_width, JUDGE_WIDTH[run.params.judges.backbone], INCEPTION_WIDTH)
    size = stage.num_bytes + 2 * FP32 * sum(width**2 for width in widths)
    return replace(
        stage, number=number, parts=(*stage.parts, rest), num_bytes=size, work_bytes=size,
        core_s=images.decoding_s(number),
    )  # fmt: skip


def understanding_scores(run: Setting, _: str) -> Stage:
    """Return the work of every reader on the test split and the small sets; the captioner reads some of each."""
    section, captioner, images = run.params.understanding_scores, run.models.captioner, run.labelled
    sizes, readers = (images.test, *run.corpora.small), len(section.understandings)
    number, num_asked = sum(sizes), sum(min(size, section.num_asked or size) for size in sizes)
    read = run.models.clip_image + run.models.chain(run.params.uniemo_understanding).cost * readers
    tokens = captioner.tokens_of(images, MAX_PX) + value("prompt_tokens")
    answers = (
        Part(num_asked, captioner.cost(tokens) * len(EMOTIONS), "infer", "bf16")
        if section.question == "word"
        else Part(num_asked, captioner.cost(tokens + value("answer_tokens")), "answer", "bf16")
    )
    size = (number * (BASELINE_READERS + readers) + num_asked) * (ROW_BYTES + FP32 * len(EMOTIONS))
    parts = (Part(number, read, batch_size=section.batch_size), answers)
    pieces = ceil(number / READ_SHARD)
    return Stage(number, "images", parts, size, size, 0.0, images.decoding_s(number), pieces)


def grids(run: Setting, method: str) -> Stage:
    section, emotions = run.params.grids, run.emotions(method)
    predictions = sum(1 if strength in (0, 1) else 2 for strength in section.strengths)
    cells = emotions * len(section.nouns) + len(section.fused) * predictions
    cells += len(list(combinations(section.fused, 2))) * FUSION_CELLS
    number = cells * section.images_per_cell * (method in section.methods)
    return Stage(number, "images", (sampling(run, number),), SHEET_BYTES)


STAGES: dict[str, Callable[[Setting, str], Stage]] = {
    "miniature": drawn,
    "foundation_clip": lambda run, _: foundation(
        run.params.foundation_clip, run.models.clip_bytes,
        (run.params.foundation_clip.recipe, run.models.clip_image + run.models.clip_text),
    ),
    "foundation_vit": foundation_vit,
    "foundation_diffusion": lambda run, _: foundation(
        run.params.foundation_diffusion, run.models.diffusion_bytes,
        (run.params.foundation_diffusion.recipe.vae, run.models.vae_encode + run.models.vae_decode),
        (run.params.foundation_diffusion.recipe.unet, run.models.unet + run.models.clip_text * (1 / TRAIN)),
    ),
    "foundation_captioner": foundation_captioner,
    "emoset": lambda run, _: packed(run.corpora.emoset, run.corpora.emoset),
    "features": lambda run, corpus: a_pass(
        run.corpus(corpus), run.models.clip_image, run.params.features.batch_size, FP32 * (run.models.joint_width + 1)
    ),
    "emotion_classifier": lambda run, _: classifier(
        run, run.params.emotion_classifier.source, HALVES[run.params.emotion_classifier.half]
    ),
    "judges": judges,
    "emoart": lambda run, _: packed(
        run.corpora.wikiart, run.corpora.emoart,
        Part(run.corpora.wikiart.total, run.models.clip_image, batch_size=run.params.emoart.batch_size),
    ),
    "captions": captions,
    "caption_features": lambda run, corpus: a_pass(
        run.corpus(corpus), run.models.clip_text, run.params.caption_features.batch_size, FP32 * run.models.joint_width,
        of="captions",
    ),
    "caption_filter": lambda run, corpus: rows(run.corpus(corpus), "captions"),
    "emoart_funnel": lambda run, _: Stage(run.corpora.wikiart.total, "rows"),
    "correlation": correlation,
    "latents": lambda run, corpus: a_pass(
        run.corpus(corpus), run.models.vae_encode * 2, run.params.latents.batch_size, run.latent_bytes,
        number=run.num_encoded(corpus), precision="bf16",
    ),
    "stable_diffusion": lambda *_: Stage(0, "steps"),
    "caption_prompts": lambda run, _: rows(run.labelled, "captions"),
    "coemogen": coemogen,
    "textual_inversion": lambda run, _: generator(run, run.params.textual_inversion, 0.0),
    "dreambooth": dreambooth,
    "emogen": lambda run, _: generator(
        run, run.params.emogen, FP32 * 2 * run.models.joint_width * run.params.emogen.hidden
    ),
    "uniemo_understanding": uniemo_understanding,
    "uniemo_joint": lambda run, _: uniemo(run, run.params.uniemo_joint.steps),
    "images": generated_images,
    "real_scores": real_scores,
    "scores": lambda run, method: scores(run, run.generated(method)),
    "feedback": lambda run, _: rows(run.generated("uniemo_joint"), "rows"),
    "uniemo_feedback": lambda run, _: uniemo(run, run.params.uniemo_feedback.steps),
    "understanding_scores": understanding_scores,
    "content": content,
    "grids": grids,
    "truth_checks": lambda run, corpus: Stage(run.corpus(corpus).total, "rows"),
    "summary": lambda *_: Stage(0, "rows"),
    "report": lambda run, _: Stage(len(run.params.methods), "methods", num_bytes=REPORT_BYTES),
}  # fmt: skip
