"""Stage foundation_clip: provide the CLIP that gives every feature, similarity and text condition."""

from pipeline.artifacts import CLIP_FOLDER, FOUNDATION_CLIP
from pipeline.stage import Run, stage


@stage(reads=(CLIP_FOLDER,), writes=(FOUNDATION_CLIP,))
def main(run: Run) -> None:
    """Unpack, train, download or copy CLIP."""
    from pipeline.foundation.training.provide import provide_clip

    provide_clip(run.params, run.path(CLIP_FOLDER), run.out_folder(FOUNDATION_CLIP), run.work.parts)


if __name__ == "__main__":
    main()
