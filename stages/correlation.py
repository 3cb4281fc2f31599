"""Stage correlation: measure how strongly each annotated scene and object indicates each emotion (UniEmo Eq. 5)."""

from pipeline.artifacts import CORRELATION, FEATURES, FIGURES, IMPORTED_EMOGEN, LABELLED, METRICS, read_table
from pipeline.stage import Run, stage

FEATURES = FEATURES.of("${corpus}")


@stage(
    reads=(LABELLED, FEATURES, IMPORTED_EMOGEN),
    writes=(CORRELATION, METRICS, FIGURES),
    sections=("seed", "correlation", "emotion_classifier"),
)
def main(run: Run) -> None:
    """Compute the coefficients on the train split, out of fold, or take those of EmoGen."""
    import pyarrow.compute as pc

    from pipeline.attributes import attributes_of
    from pipeline.uniemo.correlation import correlate, named_as, summary
    from pipeline.uniemo.folds import judge_train
    from pipeline.uniemo.heatmap import heat_map

    rows = run.read(LABELLED, ["image_id", "emotion", "split", "scene", "objects"])
    train = rows.filter(pc.equal(rows["split"], "train"))
    if run.params.source == "imported":
        path = run.path(IMPORTED_EMOGEN) / "coefficients.parquet"
        if not path.exists():
            raise ValueError(f"{path} does not exist; run `evoke import-emogen` to create it")
        table = named_as(attributes_of(train).names, read_table(path, CORRELATION.schema))
    else:
        settings = run.section("emotion_classifier")
        judged = judge_train(rows, run.read(FEATURES), settings, run.params.folds, run.seed)
        table = correlate(train, judged, run.params)
    run.write(CORRELATION, table)
    run.metrics(summary(table, train))
    heat_map(table, run.out_folder(FIGURES) / "heatmap.png")


if __name__ == "__main__":
    main()
