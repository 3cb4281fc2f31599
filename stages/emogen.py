"""Stage emogen: train a mapper from an emotion space to a word embedding (EmoGen, CVPR 2024).

The attributes of its loss are weighted by their correlation coefficients.
"""

from pipeline.artifacts import (
    CORRELATION,
    EMOGEN,
    EMOTION_CLASSIFIER,
    FEATURES,
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
    reads=(LABELLED, FEATURES, EMOTION_CLASSIFIER, CORRELATION, LATENTS, FOUNDATION_CLIP, FOUNDATION_DIFFUSION),
    writes=(EMOGEN, METRICS, PLOTS),
    item="corpus",
    sections=("seed", "emogen"),
    trains=True,
)
def main(run: Run) -> None:
    """Train on the training splits of the labelled corpus."""
    from pipeline.baselines import emogen
    from pipeline.baselines.model import EmoGenModel
    from pipeline.baselines.training import inputs, summary, task
    from pipeline.features import feature_matrix
    from pipeline.generation.folder import load_foundation, save_generator
    from pipeline.judges.head import load_head
    from pipeline.rows import is_trained_on, training_rows
    from pipeline.runtime import device, seed_of, torch_generator
    from pipeline.training.curves import save_training
    from pipeline.training.latents import LatentCache
    from pipeline.training.loop import fit

    foundation = load_foundation(run.path(FOUNDATION_DIFFUSION), run.path(FOUNDATION_CLIP), device())
    base, settings = foundation.base, run.params
    corpus = run.read(LABELLED, ["image_id", "emotion", "split", "scene", "objects"])
    head = load_head(run.path(EMOTION_CLASSIFIER), device())
    points = emogen.points_of(head, feature_matrix(run.read(FEATURES)))
    splits = settings.training_splits
    space, train = emogen.space_of(points, corpus, splits), training_rows(corpus, splits)
    latents = LatentCache(run.work, map(read_table, run.shards(LATENTS)), base.latent_channels)
    attributes, data = emogen.attributes(train, run.read(CORRELATION), base.encoder), inputs(train, latents)
    model = EmoGenModel(
        base, settings, points.shape[1], attributes.features, attributes.coefficients,
        torch_generator(run.seed, "emogen"), head if settings.emotion_weight else None,
    )  # fmt: skip
    more = emogen.more_of(points[is_trained_on(corpus, splits)], attributes)
    training = task("emogen", model, data, settings, run.generator("rows"), more)
    trained = fit(training, seed_of(run.seed, "emogen"), run.work.parts, run.work.folder.name)
    params = settings.model_dump(mode="json")
    save_generator(run.out_folder(EMOGEN), "emogen", params, foundation.digest, trained.weights, space)
    save_training(trained, run.out_folder(PLOTS))
    run.metrics(summary(trained, data))


if __name__ == "__main__":
    main()
