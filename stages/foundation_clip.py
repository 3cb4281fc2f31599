"""Stage foundation_clip: provide the CLIP that gives every feature, similarity and text condition."""

from pipeline.artifacts import BUNDLED_CLIP, FOUNDATION_CLIP
from pipeline.stage import Run, stage


@stage(reads=(BUNDLED_CLIP,), writes=(FOUNDATION_CLIP,))
def main(run: Run) -> None:
    """Unpack, train or download CLIP."""
    from pipeline.foundation.training.provide import provide_clip

    provide_clip(run.params, run.path(BUNDLED_CLIP), run.out_folder(FOUNDATION_CLIP), run.work.parts)


if __name__ == "__main__":
    main()
