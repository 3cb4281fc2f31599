"""Stage report: write one HTML page of all results, report/index.html.

It reads whole folders (captions, images, scores, metrics, plots), because no dependency in dvc.yaml can run over a list
in params. DVC connects a folder to every stage that writes into it, so the page is made last. It depends on every
section of params.yaml and shows them.
"""

from pipeline.artifacts import (
    ALL_CAPTIONS,
    ALL_FILTERS,
    ALL_IMAGES,
    ALL_METRICS,
    ALL_PLOTS,
    ALL_SCORES,
    CORRELATION,
    EXPERIMENTS,
    FOUNDATION_CLIP,
    LABELLED,
    PAPERS,
    REPORT,
    REPORT_TEMPLATE,
    UNIEMO_UNDERSTANDING,
)
from pipeline.params import Params
from pipeline.stage import Run, stage

FOLDERS = (ALL_IMAGES, ALL_SCORES, LABELLED, ALL_CAPTIONS, ALL_FILTERS, ALL_PLOTS, ALL_METRICS, EXPERIMENTS)


@stage(
    reads=(*FOLDERS, CORRELATION, FOUNDATION_CLIP, UNIEMO_UNDERSTANDING, PAPERS, REPORT_TEMPLATE), writes=(REPORT,),
    sections=tuple(Params.model_fields),
)  # fmt: skip
def main(run: Run) -> None:
    """Write the HTML page of all results."""
    from pipeline.features import pictures
    from pipeline.report.measured import Measured
    from pipeline.report.page import Inputs, collect, render
    from pipeline.report.papers import load_papers
    from pipeline.report.sources import look, shown_rows
    from pipeline.uniemo.reader import EmotionReader

    shown = run.take(LABELLED, shown_rows(run.read(LABELLED, ["emotion", "split"])), ["image", "emotion"])
    reader = EmotionReader.from_pretrained(run.path(UNIEMO_UNDERSTANDING), run.path(FOUNDATION_CLIP))
    seen = look(reader, pictures(shown), shown["emotion"].to_pylist())
    inputs = Inputs(*map(run.path, FOLDERS))
    measured = Measured.of(inputs.metrics, inputs.results, run.all_params)
    papers = load_papers(run.path(PAPERS))
    page = collect(run.all_params, measured, papers, seen, run.read(CORRELATION), inputs)
    run.out_folder(REPORT).write_text(render(page, run.path(REPORT_TEMPLATE)), encoding="utf-8")


if __name__ == "__main__":
    main()
