"""truth_checks: captions and filter of a drawn corpus against what was drawn; there is no such stage at paper scale."""

from pipeline.artifacts import CAPTION_FILTER, CAPTIONS, METRICS, MINIATURE_TRUTH
from pipeline.stage import Run, stage


@stage(reads=(CAPTIONS, CAPTION_FILTER, MINIATURE_TRUTH), writes=(METRICS,), item="corpus", sections=())
def main(run: Run) -> None:
    """Check the captions of one drawn corpus."""
    from pipeline.miniature.checks import caption_checks

    captions = run.read(CAPTIONS, ["image_id", "caption"])
    run.metrics(caption_checks(captions, run.read(CAPTION_FILTER), run.read(MINIATURE_TRUTH)))


if __name__ == "__main__":
    main()
