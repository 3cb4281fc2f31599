"""Stage report: write one HTML page of all results, report/index.html.

It reads whole folders (images, metrics, plots), because no dependency in dvc.yaml can run over a list in params. DVC
connects a folder to every stage that writes into it, so the page is made last. It depends on every section of
params.yaml and shows them.
"""

from pipeline.artifacts import (
    ALL_IMAGES,
    ALL_METRICS,
    ALL_PLOTS,
    EXPERIMENTS,
    FOUNDATION_CLIP,
    LABELLED,
    PAPERS,
    REPORT,
    REPORT_PAGE,
    UNIEMO_UNDERSTANDING,
)
from pipeline.params import Params
from pipeline.stage import Run, stage


@stage(
    reads=(LABELLED, FOUNDATION_CLIP, UNIEMO_UNDERSTANDING, ALL_IMAGES, ALL_METRICS, ALL_PLOTS, EXPERIMENTS, PAPERS,
           REPORT_PAGE),
    writes=(REPORT,), sections=tuple(Params.model_fields),
)  # fmt: skip
def main(run: Run) -> None:
    """Write the HTML page of all results."""
    from pipeline.features import pictures
    from pipeline.report.measured import Measured
    from pipeline.report.page import collect, render
    from pipeline.report.papers import load_papers
    from pipeline.report.readings import look, shown_rows
    from pipeline.uniemo.reader import EmotionReader

    shown = run.take(LABELLED, shown_rows(run.read(LABELLED, ["emotion", "split"])), ["image", "emotion"])
    reader = EmotionReader.from_pretrained(run.path(UNIEMO_UNDERSTANDING), run.path(FOUNDATION_CLIP))
    seen = look(reader, pictures(shown), shown["emotion"].to_pylist())
    measured = Measured.of(run.path(ALL_METRICS), run.path(EXPERIMENTS), run.all_params)
    papers = load_papers(run.path(PAPERS))
    page = collect(run.all_params, measured, run.path(ALL_PLOTS), run.path(ALL_IMAGES), papers, seen)
    run.out_folder(REPORT).write_text(render(page, run.path(REPORT_PAGE)), encoding="utf-8")


if __name__ == "__main__":
    main()
