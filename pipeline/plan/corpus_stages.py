"""Estimate the work of the stages that draw, download, check, embed and caption the corpora."""

from pipeline.plan.costs import FORWARD_AND_BACKWARD, Cost
from pipeline.plan.counts import Corpus
from pipeline.plan.rates import load_rates
from pipeline.plan.work import FP16, FP32, ROW_BYTES, Part, Setting, Stage, per_item, shards_of

SMALL_KERNELS = 60  # of a training step of a network of two layers, optimiser included
CAPTION_BYTES = 150
VIEWS = 2  # an image and its mirror image
MOMENTS = 2  # mean and log-variance


def miniature(setting: Setting, layout: str) -> Stage:
    world, rates = setting.params.miniature, load_rates()
    number = {
        "emoset": world.num_emoset, "wikiart": world.num_wikiart, "fi": world.num_fi,
        "emotionroi": world.num_emotionroi, "twitter": world.num_twitter_i + world.num_twitter_ii,
    }[layout]  # fmt: skip
    return Stage(
        number, "pictures", num_bytes=number * rates.drawn_bytes.value, core_s=number * rates.drawing_ms.value / 1e3
    )


def foundation_clip(setting: Setting, _: str) -> Stage:
    section, costs = setting.params.foundation_clip, setting.costs
    size = FP32 * costs.parameters()["clip"]
    step = (costs.clip_image + costs.clip_text) * FORWARD_AND_BACKWARD
    return _foundation(section.source, size, size, [(section.recipe.steps, section.recipe.batch_size, step)])


def foundation_diffusion(setting: Setting, _: str) -> Stage:
    section, costs = setting.params.foundation_diffusion, setting.costs
    sizes = costs.parameters()
    size = FP32 * (sizes["unet"] + sizes["vae"] + sizes["text"])
    vae, unet = section.recipe.vae, section.recipe.unet
    steps = [
        (vae.steps, vae.batch_size, (costs.vae_encode + costs.vae_decode) * FORWARD_AND_BACKWARD),
        (unet.steps, unet.batch_size, costs.unet * FORWARD_AND_BACKWARD + costs.clip_text),
    ]
    return _foundation(section.source, size, size, steps)


def foundation_captioner(setting: Setting, _: str) -> Stage:
    section, costs = setting.params.foundation_captioner, setting.costs
    captioner, recipe = costs.shapes.captioner, section.recipe
    size = FP32 * captioner.parameters if section.source != "hub" else captioner.weight_bytes
    step = costs.caption(recipe.max_tokens) * FORWARD_AND_BACKWARD
    return _foundation(section.source, size, size, [(recipe.steps, recipe.batch_size, step)])


def emoset(setting: Setting, _: str) -> Stage:
    found = setting.counts.emoset
    return Stage(
        found.total, "pictures", num_bytes=found.total * found.picture_bytes, core_s=_decoding(found, found.total),
        download_bytes=found.total * found.picture_bytes * found.is_missing, spread="shards",
        pieces=shards_of(found.total, setting.params.emoset.shard_images),
    )  # fmt: skip


def emoart(setting: Setting, _: str) -> Stage:
    every, kept, section = setting.counts.wikiart, setting.counts.emoart, setting.params.emoart
    part = Part(every.total, per_item(setting.costs.clip_image, section.batch_size), "infer", "fp32")
    size = kept.total * kept.picture_bytes
    return Stage(
        every.total, "pictures", (part,), size + every.total * ROW_BYTES, size, every.total * every.picture_bytes
        * every.is_missing, _decoding(every, every.total), "shards", shards_of(every.total, section.shard_images),
    )  # fmt: skip


def features(setting: Setting, corpus: str) -> Stage:
    found, batch_size = setting.counts.of(corpus), setting.params.features.batch_size
    part = Part(found.total, per_item(setting.costs.clip_image, batch_size), "infer", "fp32")
    size = found.total * (FP32 * (setting.costs.shapes.joint_width + 1) + ROW_BYTES)
    return _per_shard(setting, corpus, found.total, "pictures", part, size, _decoding(found, found.total))


def captions(setting: Setting, corpus: str) -> Stage:
    found, rates = setting.counts.of(corpus), load_rates()
    answer = min(rates.answer_tokens.value, setting.params.captions.max_new_tokens)
    seen = setting.costs.shapes.captioner.tokens_of(found.width_px, found.height_px)
    cost = setting.costs.caption(seen + rates.prompt_tokens.value + answer)
    part = Part(found.total, cost, "answer", "bf16")
    size = found.total * (CAPTION_BYTES + ROW_BYTES)
    return _per_shard(setting, corpus, found.total, "pictures", part, size, _decoding(found, found.total))


def caption_features(setting: Setting, corpus: str) -> Stage:
    found, batch_size = setting.counts.of(corpus), setting.params.caption_features.batch_size
    part = Part(found.total, per_item(setting.costs.clip_text, batch_size), "infer", "fp32")
    size = found.total * (FP32 * setting.costs.shapes.joint_width + ROW_BYTES)
    return _per_shard(setting, corpus, found.total, "captions", part, size, 0.0)


def caption_filter(setting: Setting, corpus: str) -> Stage:
    number = setting.counts.of(corpus).total
    return Stage(number, "captions", num_bytes=number * ROW_BYTES)


def emoart_funnel(setting: Setting, _: str) -> Stage:
    return Stage(setting.counts.wikiart.total, "rows")


def latents(setting: Setting, corpus: str) -> Stage:
    found, section = setting.counts.of(corpus), setting.params.latents
    part = Part(found.train, per_item(setting.costs.vae_encode, section.batch_size) * VIEWS, "infer", "bf16")
    size = found.train * (latent_bytes(setting) + ROW_BYTES)
    return _per_shard(setting, corpus, found.train, "pictures", part, size, _decoding(found, found.train))


def latent_bytes(setting: Setting) -> int:
    """Return the bytes of one image in data/latents."""
    return VIEWS * MOMENTS * FP16 * setting.costs.shapes.latent_numbers


def emotion_classifier(setting: Setting, _: str) -> Stage:
    """Return the work of training a classifier on CLIP features; importing one costs almost nothing."""
    section = setting.params.emotion_classifier
    if section.source == "imported":
        return Stage(0, "steps")
    steps, part = _classifier(setting, setting.counts.emoset.train * (1.0 if section.half == "both" else 0.5))
    return Stage(steps, "steps", (part,), FP32 * _classifier_size(setting))


def correlation(setting: Setting, _: str) -> Stage:
    """Return the work of one classifier per fold, trained on all other folds, and of one trained on all."""
    folds, train = setting.params.correlation.folds, setting.counts.emoset.train
    if setting.params.correlation.source == "imported":
        return Stage(0, "steps")
    steps, part = _classifier(setting, train * (folds - 1) / folds)
    whole, of_all = _classifier(setting, train)
    return Stage(folds * steps + whole, "steps", (*[part] * folds, of_all))


def _classifier(setting: Setting, pictures: float) -> tuple[int, Part]:
    section = setting.params.emotion_classifier
    steps = section.epochs * shards_of(round(pictures), section.batch_size)
    flops = FORWARD_AND_BACKWARD * 2 * _classifier_size(setting) * section.batch_size
    return steps, Part(steps, Cost(products=flops, kernels=SMALL_KERNELS), "train", "fp32")


def _classifier_size(setting: Setting) -> int:
    return (setting.costs.shapes.joint_width + 8) * setting.params.emotion_classifier.hidden


def _decoding(corpus: Corpus, number: int) -> float:
    """Return the seconds that one core takes to decode the images."""
    return number * corpus.megapixels * load_rates().decoding_ms.value / 1e3


def _per_shard(
    setting: Setting, corpus: str, number: int, of: str, part: Part, num_bytes: float, core_s: float
) -> Stage:
    section = setting.params.emoset if corpus == "emoset" else setting.params.emoart
    pieces = shards_of(setting.counts.of(corpus).total, section.shard_images)
    return Stage(number, of, (part,), num_bytes, num_bytes, core_s=core_s, spread="shards", pieces=pieces)


def _foundation(source: str, size: float, download: float, steps: list[tuple[int, int, Cost]]) -> Stage:
    """Return the work of unpacking or downloading a model, or of training it.

    `steps` holds (number of steps, batch size, cost of one sample) of each training.
    """
    if source != "train":
        return Stage(0, "pictures", num_bytes=size, download_bytes=download if source == "hub" else 0.0)
    parts = tuple(Part(number, cost.batched(size), "train", "bf16") for number, size, cost in steps)
    return Stage(sum(number for number, _, _ in steps), "steps", parts, size)
