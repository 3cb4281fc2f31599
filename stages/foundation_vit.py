"""Stage foundation_vit: provide the CLIP of UniEmo's understanding chain, by default that of foundation_clip."""

import shutil

from pipeline.artifacts import FOUNDATION_CLIP, FOUNDATION_VIT, VIT_FOLDER
from pipeline.stage import Run, stage


@stage(reads=(VIT_FOLDER, FOUNDATION_CLIP), writes=(FOUNDATION_VIT,))
def main(run: Run) -> None:
    """Copy, unpack, train or download CLIP."""
    from pipeline.foundation.training.provide import provide_clip

    if run.params is None:
        shutil.copytree(run.path(FOUNDATION_CLIP), run.out_folder(FOUNDATION_VIT), dirs_exist_ok=True)
    else:
        provide_clip(run.params, run.path(VIT_FOLDER), run.out_folder(FOUNDATION_VIT), run.work.parts)


if __name__ == "__main__":
    main()
