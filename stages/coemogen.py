"""Stage coemogen: train the mapper, visual perception and HiLoRA on the filtered captions (CoEmoGen 3.2-3.4)."""

from pipeline.artifacts import (
    CAPTION_FEATURES,
    CAPTION_FILTER,
    CAPTIONS,
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
    reads=(
        CORPUS,
        FEATURES,
        CAPTIONS,
        CAPTION_FEATURES,
        CAPTION_FILTER,
        LATENTS,
        FOUNDATION_CLIP,
        FOUNDATION_DIFFUSION,
    ),
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
    latents = LatentCache(run.work, map(read_table, run.shards(LATENTS)), foundation.base.latent_channels)
    settings, splits = run.params, run.params.training_splits
    captions, kept = run.read(CAPTION_FEATURES), run.read(CAPTION_FILTER)
    if settings.sem_space != "clip":
        captions = training.caption_vectors(run.read(CAPTIONS), foundation.base.encoder, settings.sem_space)
    data = training.inputs(corpus, features, captions, kept, latents, splits)
    space = training.visual_space(corpus, features, splits)
    generator = torch_generator(run.seed, "coemogen", run.item, "model")
    model = build(settings, foundation.base, data.visual.shape[1], generator)
    task = training.task(model, data, space, settings, run.section("images"), run.generator("rows"))
    trained = fit(task, seed_of(run.seed, "coemogen", run.item), run.work.parts, run.work.folder.name)
    save_generator(run.out_folder(COEMOGEN), "coemogen", settings.model_dump(mode="json"), foundation.digest,
                   trained.weights, space)  # fmt: skip
    save_training(trained, run.out_folder(PLOTS))
    run.metrics(training.summary(trained, model, data))


if __name__ == "__main__":
    main()
