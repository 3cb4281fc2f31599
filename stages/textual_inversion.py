"""Stage textual_inversion: train one token embedding per emotion, with Stable Diffusion frozen (Gal et al. 2023)."""

from pipeline.artifacts import (
    FOUNDATION_CLIP,
    FOUNDATION_DIFFUSION,
    LABELLED,
    LATENTS,
    METRICS,
    PLOTS,
    TEXTUAL_INVERSION,
    read_table,
)
from pipeline.stage import Run, stage


@stage(
    reads=(LABELLED, LATENTS, FOUNDATION_CLIP, FOUNDATION_DIFFUSION),
    writes=(TEXTUAL_INVERSION, METRICS, PLOTS),
    item="corpus",
    sections=("seed", "textual_inversion"),
    trains=True,
)
def main(run: Run) -> None:
    """Train on the training splits of the labelled corpus."""
    from pipeline.baselines.model import TextualInversionModel
    from pipeline.baselines.training import inputs, summary, task
    from pipeline.generation.folder import load_foundation, save_generator
    from pipeline.rows import trained_emotions, training_rows
    from pipeline.runtime import device, seed_of
    from pipeline.training.curves import save_training
    from pipeline.training.latents import LatentCache
    from pipeline.training.loop import fit

    foundation = load_foundation(run.path(FOUNDATION_DIFFUSION), run.path(FOUNDATION_CLIP), device())
    train = training_rows(run.read(LABELLED, ["image_id", "emotion", "split"]), run.params.training_splits)
    latents = LatentCache(run.work, map(read_table, run.shards(LATENTS)), foundation.base.latent_channels)
    settings, data = run.params, inputs(train, latents)
    model = TextualInversionModel(foundation.base, settings)
    training = task("textual_inversion", model, data, settings, run.generator("rows"))
    trained = fit(training, seed_of(run.seed, "textual_inversion"), run.work.parts, run.work.folder.name)
    params = settings.model_dump(mode="json")
    save_generator(run.out_folder(TEXTUAL_INVERSION), "textual_inversion", params, foundation.digest, trained.weights,
                   emotions=trained_emotions(train))  # fmt: skip
    save_training(trained, run.out_folder(PLOTS))
    run.metrics(summary(trained, data))


if __name__ == "__main__":
    main()
