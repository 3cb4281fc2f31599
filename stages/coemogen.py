"""Stage coemogen: train the mapper, visual perception and HiLoRA on the filtered captions (CoEmoGen 3.2-3.4)."""

from pipeline.artifacts import (
    CAPTION_FEATURES,
    CAPTION_FILTER,
    COEMOGEN,
    CORPUS,
    FEATURES,
    FOUNDATION_CLIP,
    FOUNDATION_DIFFUSION,
    LATENTS,
    METRICS,
    PLOTS,
    read_table,
)
from pipeline.stage import Run, stage


@stage(
    reads=(CORPUS, FEATURES, CAPTION_FEATURES, CAPTION_FILTER, LATENTS, FOUNDATION_CLIP, FOUNDATION_DIFFUSION),
    writes=(COEMOGEN, METRICS, PLOTS),
    item="corpus",
    sections=("seed", "coemogen", "images"),
    trains=True,
)
def main(run: Run) -> None:
    """Train CoEmoGen on one corpus."""
    from pipeline.coemogen import training
    from pipeline.coemogen.model import build
    from pipeline.generation.folder import load_foundation, save_generator
    from pipeline.runtime import device, seed_of, torch_generator
    from pipeline.training.curves import save_training
    from pipeline.training.latents import LatentCache
    from pipeline.training.loop import fit

    foundation = load_foundation(run.path(FOUNDATION_DIFFUSION), run.path(FOUNDATION_CLIP), device())
    corpus, features = run.read(CORPUS, ["image_id", "emotion", "split"]), run.read(FEATURES)
    latents = LatentCache(run.work, map(read_table, run.shards(LATENTS)), foundation.pipeline.unet.config.in_channels)
    pipeline, settings = foundation.pipeline, run.params
    captions, kept, splits = run.read(CAPTION_FEATURES), run.read(CAPTION_FILTER), settings.training_splits
    found = training.inputs(corpus, features, captions, kept, latents, splits)
    space = training.visual_space(corpus, features, splits)
    generator = torch_generator(run.seed, "coemogen", run.item, "model")
    model = build(settings, pipeline, foundation.encoder, found.visual.shape[1], generator)
    task = training.task(model, foundation, found, space, settings, run.section("images"), run.generator("rows"))
    trained = fit(task, seed_of(run.seed, "coemogen", run.item), run.work.parts, run.work.folder.name)
    save_generator(run.out_folder(COEMOGEN), "coemogen", settings.model_dump(mode="json"), foundation.digest,
                   trained.weights, space)  # fmt: skip
    save_training(trained, run.out_folder(PLOTS))
    run.metrics(training.summary(trained, model, found))


if __name__ == "__main__":
    main()
