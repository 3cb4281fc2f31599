"""Stage uniemo_joint: train understanding and generation together (UniEmo Eq. 6-8, 10)."""

from pipeline.artifacts import (
    CORRELATION,
    FOUNDATION_CLIP,
    FOUNDATION_DIFFUSION,
    LABELLED,
    LATENTS,
    METRICS,
    PLOTS,
    UNIEMO_JOINT,
    UNIEMO_UNDERSTANDING,
    read_table,
)
from pipeline.stage import Run, stage

LATENTS = LATENTS.of("${corpus}")


@stage(
    reads=(LABELLED, UNIEMO_UNDERSTANDING, CORRELATION, LATENTS, FOUNDATION_CLIP, FOUNDATION_DIFFUSION),
    writes=(UNIEMO_JOINT, METRICS, PLOTS),
    sections=("seed", "uniemo_joint", "images"),
    trains=True,
)
def main(run: Run) -> None:
    """Continue training from the understanding model, through the frozen Stable Diffusion."""
    from pipeline.generation.folder import load_foundation
    from pipeline.runtime import device, seed_of, torch_generator
    from pipeline.training.curves import save_training
    from pipeline.training.latents import LatentCache
    from pipeline.training.loop import fit
    from pipeline.training.rows import row_order
    from pipeline.uniemo import joint_folder, joint_training
    from pipeline.uniemo.folder import load_understanding
    from pipeline.uniemo.pictures import cached_squares
    from pipeline.uniemo.understanding import inputs_of

    foundation = load_foundation(run.path(FOUNDATION_DIFFUSION), run.path(FOUNDATION_CLIP), device())
    understanding = load_understanding(run.path(UNIEMO_UNDERSTANDING), foundation.clip, device())
    settings, draws = run.params, torch_generator(run.seed, "uniemo_joint", "model")
    tables = joint_folder.tables_of(run.read(CORRELATION), understanding, settings, draws)
    model = joint_folder.build(understanding, foundation, tables, settings, draws)
    corpus = run.read(LABELLED, ["image_id", "emotion", "split", "scene", "objects"])
    images = (read_table(path, columns=["image"]) for path in run.shards(LABELLED))
    squares = cached_squares(run.work, images, understanding.settings.image_px)
    latents = LatentCache(run.work, map(read_table, run.shards(LATENTS)), foundation.base.latent_channels)
    pictures = inputs_of(corpus, squares, understanding.bases, understanding.settings)
    data = joint_training.inputs(corpus, pictures, latents, splits=settings.training_splits)
    order = row_order(data.emotions, settings.sampler, run.generator("rows"))
    spaces = joint_training.Gaussians(model, data.pictures)
    task = joint_training.task("uniemo_joint", model, data, run.section("images"), order, spaces)
    trained = fit(task, seed_of(run.seed, "uniemo_joint"), run.work.parts, run.work.folder.name)
    save_training(trained, run.out_folder(PLOTS))
    run.metrics(
        joint_training.leave(run.out_folder(UNIEMO_JOINT), model, trained, data, understanding, foundation, spaces)
    )


if __name__ == "__main__":
    main()
