"""Stage summary: write metrics/summary.json, the headline numbers that DVC shows as metrics."""

from pipeline.artifacts import (
    ALL_METRICS,
    CONTENT_METRICS,
    FEEDBACK_METRICS,
    FILTER_METRICS,
    JUDGES_METRICS,
    LABELLED_METRICS,
    REAL_METRICS,
    SCORES_METRICS,
    SUMMARY,
    UNDERSTANDING_METRICS,
    read_json,
)
from pipeline.stage import Run, stage


@stage(
    reads=(LABELLED_METRICS, FILTER_METRICS, JUDGES_METRICS, FEEDBACK_METRICS, REAL_METRICS, SCORES_METRICS,
           CONTENT_METRICS, UNDERSTANDING_METRICS),
    writes=(SUMMARY,), sections=("corpora", "methods"),
)  # fmt: skip
def main(run: Run) -> None:
    """Write the headline numbers of the present corpora and methods."""
    from pipeline.report.summary import headlines

    of_items = {FILTER_METRICS: "corpora", SCORES_METRICS: "methods", CONTENT_METRICS: "methods"}
    files = [run.path(artifact) / f"{item}.json" for artifact, items in of_items.items() for item in run.section(items)]
    files += [run.path(artifact) for artifact in run.declaration.reads if artifact not in of_items]
    metrics = {path.relative_to(ALL_METRICS.path).with_suffix("").as_posix(): read_json(path) for path in files}
    run.write(SUMMARY, headlines(metrics, run.path(LABELLED_METRICS).stem))


if __name__ == "__main__":
    main()
