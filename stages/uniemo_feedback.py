"""Stage uniemo_feedback: continue the joint training with generated images that passed the filter (UniEmo III-D)."""

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from pipeline.artifacts import (
    FEEDBACK,
    FOUNDATION_CLIP,
    FOUNDATION_DIFFUSION,
    IMAGES,
    LABELLED,
    LATENTS,
    METRICS,
    PLOTS,
    UNIEMO_FEEDBACK,
    UNIEMO_JOINT,
    read_table,
)
from pipeline.stage import Run, stage

if TYPE_CHECKING:
    from pyarrow import Table

LATENTS, IMAGES = LATENTS.of("${corpus}"), IMAGES.of("uniemo_joint")


@stage(
    reads=(UNIEMO_JOINT, FEEDBACK, IMAGES, LABELLED, LATENTS, FOUNDATION_CLIP, FOUNDATION_DIFFUSION),
    writes=(UNIEMO_FEEDBACK, METRICS, PLOTS),
    sections=("seed", "uniemo_feedback", "latents", "images"),
    trains=True,
)
def main(run: Run) -> None:
    """Continue training from the joint model."""
    from pipeline.feedback.select import repeats, survivors
    from pipeline.foundation.bases import base_of
    from pipeline.generation.folder import load_foundation
    from pipeline.runtime import device, seed_of
    from pipeline.training.curves import save_training
    from pipeline.training.latents import LatentCache, encode_pictures
    from pipeline.training.loop import fit
    from pipeline.training.rows import mixed_order
    from pipeline.uniemo import joint_training
    from pipeline.uniemo.joint_folder import load_joint
    from pipeline.uniemo.pictures import cached_squares
    from pipeline.uniemo.understanding import inputs_of

    params, fits = run.params, run.section("latents")
    foundation = load_foundation(run.path(FOUNDATION_DIFFUSION), run.path(FOUNDATION_CLIP), device())
    model, understanding = load_joint(run.path(UNIEMO_JOINT), foundation, params)
    vae, diffusion = foundation.base.vae, run.path(FOUNDATION_DIFFUSION)
    edge = base_of(diffusion).image_px(diffusion)
    selected = run.read(FEEDBACK) if params.generated_frac else run.read(FEEDBACK).slice(0, 0)
    kept = selected.filter(selected["kept"])

    def images() -> "Iterator[Table]":
        return survivors((read_table(path, columns=["image_id", "image"]) for path in run.shards(IMAGES)), selected)

    corpus = run.read(LABELLED, ["image_id", "emotion", "split", "scene", "objects"])
    real = (read_table(path, columns=["image"]) for path in run.shards(LABELLED))
    squares = cached_squares(run.work, chain(real, images()), understanding.settings.image_px)
    encoded = (encode_pictures(vae, rows, edge, fits.fit, fits.batch_size) for rows in images())
    latents = LatentCache(
        run.work, chain(map(read_table, run.shards(LATENTS)), encoded), foundation.base.latent_channels
    )
    pictures = inputs_of(corpus, squares[: len(corpus)], understanding.bases, understanding.settings)
    pictures = joint_training.with_generated(pictures, kept, squares)
    settings = model.settings
    data = joint_training.inputs(corpus, pictures, latents, kept, settings.training_splits)
    order = mixed_order(data.emotions[: data.num_real], settings.sampler, len(kept), params.generated_frac)
    spaces = joint_training.Gaussians(model, data.pictures)
    task = joint_training.task("uniemo_feedback", model, data, run.section("images"), order, spaces)
    trained = fit(task, seed_of(run.seed, "uniemo_feedback"), run.work.parts, run.work.folder.name)
    save_training(trained, run.out_folder(PLOTS))
    shown = repeats(settings.steps * settings.batch_size, params.generated_frac, len(kept), data.num_real)
    run.metrics(
        joint_training.leave(run.out_folder(UNIEMO_FEEDBACK), model, trained, data, understanding, foundation, spaces)
        | shown
    )


if __name__ == "__main__":
    main()
