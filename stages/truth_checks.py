"""Stage truth_checks: compare the pipeline's results on a drawn corpus with what was drawn.

There is no such stage at paper scale.
"""

from pipeline.artifacts import (
    CAPTION_FILTER,
    CAPTIONS,
    CORRELATION,
    CURATION,
    METRICS,
    MINIATURE_TRUTH,
    REAL_SCORES,
)
from pipeline.stage import Run, stage

TRUTHS = {"emoset": MINIATURE_TRUTH.of("emoset"), "emoart": MINIATURE_TRUTH.of("wikiart")}


@stage(
    reads=(CAPTIONS, CAPTION_FILTER, *TRUTHS.values(), REAL_SCORES, CURATION, CORRELATION),
    writes=(METRICS,),
    item="corpus",
    sections=(),
)
def main(run: Run) -> None:
    """Check captions and judged or curated emotions of one drawn corpus, and for EmoSet also the correlation."""
    from pipeline.metrics.emotion_accuracy import probabilities
    from pipeline.miniature import checks
    from pipeline.miniature.checks import caption_checks, of_corpus, of_pictures

    truth = of_corpus(run.read(TRUTHS[run.item]), run.item)
    rates = caption_checks(run.read(CAPTIONS, ["image_id", "caption"]), run.read(CAPTION_FILTER), truth)
    if run.item == "emoset":
        scores = run.read(REAL_SCORES, ["image_id", "classifier", "judge"])
        judged = {name: probabilities(scores, name) for name in ("classifier", "judge")}
        rates |= checks.emotion_checks(judged, of_pictures(truth, scores["image_id"]))
        rates |= checks.correlation_checks(run.read(CORRELATION))
    else:
        rates |= checks.curation_checks(run.read(CURATION), truth)
    run.metrics(rates)


if __name__ == "__main__":
    main()
