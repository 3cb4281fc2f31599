"""Stage uniemo_understanding: train CLIP's ViT with scene and object queries to read emotions (UniEmo Eq. 1-4, 9)."""

from pipeline.artifacts import FOUNDATION_VIT, LABELLED, METRICS, PLOTS, UNIEMO_UNDERSTANDING, read_table
from pipeline.stage import Run, stage


@stage(
    reads=(LABELLED, FOUNDATION_VIT),
    writes=(UNIEMO_UNDERSTANDING, METRICS, PLOTS),
    sections=("seed", "uniemo_understanding", "foundation_vit"),
    trains=True,
)
def main(run: Run) -> None:
    """Train on the labelled corpus's train split, keep the weights that are best on val and report on test."""
    from pipeline.foundation.clip import load_clip
    from pipeline.judges.report import save_calibration, save_confusion
    from pipeline.rows import train_split
    from pipeline.runtime import device, seed_of, torch_generator
    from pipeline.training.curves import save_curve, save_training
    from pipeline.training.loop import fit
    from pipeline.uniemo import understanding
    from pipeline.uniemo.attributes import bases_of
    from pipeline.uniemo.folder import save_understanding
    from pipeline.uniemo.pictures import cached_squares

    settings, clip = run.params, load_clip(run.path(FOUNDATION_VIT), device())
    corpus = run.read(LABELLED, ["image_id", "emotion", "split", "scene", "objects"])
    images = (read_table(path, columns=["image"]) for path in run.shards(LABELLED))
    squares = cached_squares(run.work, images, settings.image_px)
    bases = bases_of(train_split(corpus), clip)
    data = understanding.inputs_of(corpus, squares, bases, settings)
    learner = understanding.build(clip, bases, settings, torch_generator(run.seed, "uniemo_understanding", "model"))
    task = understanding.task(learner, data, run.generator("rows"))
    trained = fit(task, seed_of(run.seed, "uniemo_understanding"), run.work.parts, run.work.folder.name)
    result, plots = understanding.report(learner, trained, data, bases), run.out_folder(PLOTS)
    save_understanding(
        run.out_folder(UNIEMO_UNDERSTANDING), settings, run.path(FOUNDATION_VIT), trained.weights, bases,
        result.temperature, is_own_clip=run.section("foundation_vit") is not None,
    )  # fmt: skip
    run.metrics(result.metrics)
    save_training(trained, plots)
    save_curve(trained.scores, plots / "val")
    save_confusion(result.probabilities, result.emotions, plots)
    save_calibration(result.probabilities, result.temperature, result.emotions, plots)


if __name__ == "__main__":
    main()
