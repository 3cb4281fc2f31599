"""Stage emoart_funnel: count the images that pass each curation step, per emotion, style and genre (CoEmoGen 3.1)."""

from pipeline.artifacts import CAPTION_FILTER, CURATION, FUNNEL_FIGURES, FUNNEL_METRICS, REJECTS
from pipeline.stage import Run, stage

REJECTS, CAPTION_FILTER = REJECTS.of("emoart"), CAPTION_FILTER.of("emoart")


@stage(
    reads=(CURATION, REJECTS, CAPTION_FILTER), writes=(FUNNEL_METRICS, FUNNEL_FIGURES), item="corpus", sections=()
)  # fmt: skip
def main(run: Run) -> None:
    """Count and plot the images that pass each curation step."""
    from pipeline.corpora import funnel, funnel_figure

    steps = funnel.funnel(run.read(CURATION), len(run.read(REJECTS, ["reason"])), run.read(CAPTION_FILTER))
    run.metrics(funnel.metrics(steps))
    funnel_figure.draw(steps, run.out_folder(FUNNEL_FIGURES) / "funnel.png")


if __name__ == "__main__":
    main()
