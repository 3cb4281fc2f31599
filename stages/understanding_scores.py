"""Stage understanding_scores: evaluate emotion readers on a corpus's test split and small data sets (UniEmo IV-B)."""

from collections.abc import Callable

from pipeline.artifacts import (
    EMOTION_CLASSIFIER,
    EMOTIONROI_FOLDER,
    FEATURES,
    FI_FOLDER,
    FIGURES,
    FOUNDATION_CAPTIONER,
    FOUNDATION_CLIP,
    LABELLED,
    METRICS,
    READINGS,
    REJECTS,
    TWITTER_FOLDER,
    UNIEMO_FEEDBACK,
    UNIEMO_JOINT,
    UNIEMO_UNDERSTANDING,
    read_table,
)
from pipeline.stage import Run, stage

FEATURES, REJECTS = FEATURES.of("${corpus}"), REJECTS.of("understanding_scores")
UNDERSTANDINGS = {
    "uniemo_understanding": UNIEMO_UNDERSTANDING, "uniemo_joint": UNIEMO_JOINT, "uniemo_feedback": UNIEMO_FEEDBACK
}  # fmt: skip
FOLDERS = {
    "fi": FI_FOLDER, "emotionroi": EMOTIONROI_FOLDER, "twitter_i": TWITTER_FOLDER, "twitter_ii": TWITTER_FOLDER
}  # fmt: skip


@stage(
    reads=(
        LABELLED, FEATURES, FOUNDATION_CLIP, FOUNDATION_CAPTIONER, EMOTION_CLASSIFIER, *UNDERSTANDINGS.values(),
        FI_FOLDER, EMOTIONROI_FOLDER, TWITTER_FOLDER,
    ),
    writes=(READINGS, REJECTS, METRICS, FIGURES),
    sections=("seed", "understanding_scores"),
)  # fmt: skip
def main(run: Run) -> None:
    """Read every image once and compute the accuracy of each reader."""
    from functools import partial

    import pyarrow as pa

    from pipeline.engine import map_shards
    from pipeline.judges.classifier import Pictures
    from pipeline.runtime import device
    from pipeline.understanding import figures, parts, readers, scores

    params = run.params
    pictures = Pictures.of(run.read(LABELLED, ["image_id", "emotion", "split"]), run.read(FEATURES))
    models = {name: run.path(UNDERSTANDINGS[name]) for name in params.understandings}
    folders = {name: run.path(FOLDERS[name]) for name in params.datasets}
    units = parts.parts_of(
        run.path(LABELLED).name, run.shards(LABELLED), read_table, folders, params.num_asked,
        partial(run.generator, "asked"),
    )  # fmt: skip
    kinds = {"readings": READINGS.schema, "rejects": REJECTS.schema}

    def load() -> Callable[[parts.Part], dict[str, pa.Table]]:
        return readers.load_panel(
            run.path(FOUNDATION_CLIP), run.path(EMOTION_CLASSIFIER), run.path(FOUNDATION_CAPTIONER), models, pictures,
            params, device(),
        ).tables  # fmt: skip

    names = map_shards(load, units, run.work, kinds)
    readings, rejects = (pa.concat_tables([read_table(run.work.part(name)) for name in names[kind]]) for kind in kinds)
    counts = parts.reject_counts(units, rejects, params.max_reject_frac)
    rare = scores.rare_classes(readings, params.folds)
    accuracies = scores.scores(readings, params.folds, params.probe_strength, partial(run.generator, "folds"))
    run.assemble(READINGS, names["readings"])
    run.write(REJECTS, rejects.sort_by("image_id"))
    counts |= {f"{dataset}/num_rare_classes": len(names) for dataset, names in rare.items()}
    run.metrics(scores.flat(accuracies) | counts | {"folds": params.folds, "question": params.question})
    figures.accuracies(accuracies, run.out_folder(FIGURES) / "accuracy.png")


if __name__ == "__main__":
    main()
