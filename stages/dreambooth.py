"""Stage dreambooth: train one U-Net adapter per emotion under a fixed prompt (Ruiz et al. 2023, LoRA form)."""

from pipeline.artifacts import (
    DREAMBOOTH,
    FOUNDATION_CLIP,
    FOUNDATION_DIFFUSION,
    LABELLED,
    LATENTS,
    METRICS,
    PLOTS,
    read_table,
)
from pipeline.stage import Run, stage


@stage(
    reads=(LABELLED, LATENTS, FOUNDATION_CLIP, FOUNDATION_DIFFUSION),
    writes=(DREAMBOOTH, METRICS, PLOTS),
    item="corpus",
    sections=("seed", "dreambooth"),
    trains=True,
)
def main(run: Run) -> None:
    """Train on the training splits of the labelled corpus."""
    from pipeline.baselines.model import DreamBoothModel
    from pipeline.baselines.training import inputs, summary, task
    from pipeline.generation.folder import load_foundation, save_generator
    from pipeline.rows import trained_emotions, training_rows
    from pipeline.runtime import device, seed_of, torch_generator
    from pipeline.training.curves import save_training
    from pipeline.training.latents import LatentCache
    from pipeline.training.loop import fit

    foundation = load_foundation(run.path(FOUNDATION_DIFFUSION), run.path(FOUNDATION_CLIP), device())
    train = training_rows(run.read(LABELLED, ["image_id", "emotion", "split"]), run.params.training_splits)
    latents = LatentCache(run.work, map(read_table, run.shards(LATENTS)), foundation.base.latent_channels)
    settings, data = run.params, inputs(train, latents)
    model = DreamBoothModel(foundation.base, settings, torch_generator(run.seed, "dreambooth"))
    training = task("dreambooth", model, data, settings, run.generator("rows"))
    trained = fit(training, seed_of(run.seed, "dreambooth"), run.work.parts, run.work.folder.name)
    params = settings.model_dump(mode="json")
    save_generator(run.out_folder(DREAMBOOTH), "dreambooth", params, foundation.digest, trained.weights,
                   emotions=trained_emotions(train))  # fmt: skip
    save_training(trained, run.out_folder(PLOTS))
    run.metrics(summary(trained, data))


if __name__ == "__main__":
    main()
