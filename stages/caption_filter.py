"""Stage caption_filter: drop the captions that fit their image worst, within each emotion (CoEmoGen 3.1, Figure 3)."""

from pipeline.artifacts import CAPTION_FEATURES, CAPTION_FILTER, CAPTIONS, CORPUS, FEATURES, FIGURES, METRICS
from pipeline.stage import Run, stage


@stage(reads=(CORPUS, FEATURES, CAPTIONS, CAPTION_FEATURES), writes=(CAPTION_FILTER, METRICS, FIGURES), item="corpus")
def main(run: Run) -> None:
    """Rank the captions of one corpus, drop the worst and plot examples."""
    from pipeline.captions import figures
    from pipeline.captions.filter import drop_worst, summary, with_similarity
    from pipeline.features import pictures

    rows = run.read(CORPUS, ["image_id", "emotion", "split"])
    captions = run.read(CAPTIONS, ["image_id", "caption"])["caption"].to_pylist()
    scored = with_similarity(rows, run.read(FEATURES), run.read(CAPTION_FEATURES), captions)
    filtered = drop_worst(scored, run.params.drop_fraction, run.params.training_splits)
    run.write(CAPTION_FILTER, filtered)
    run.metrics(summary(filtered))

    plots = run.out_folder(FIGURES)
    figures.similarity_histograms(filtered, plots / "similarity.png")
    figures.word_clouds(captions, filtered, plots / "words.png")
    shown = figures.extremes(filtered)
    titles = [figures.title(row) for row in filtered.take(shown).to_pylist()]
    images = pictures(run.take(CORPUS, shown, ["image"]))
    figures.examples(images, titles, [captions[row] for row in shown], plots / "examples.png")


if __name__ == "__main__":
    main()
