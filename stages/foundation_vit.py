"""Stage foundation_vit: provide the CLIP of UniEmo's understanding chain, by default that of foundation_clip."""

from pipeline.artifacts import BUNDLED_CLIP, FOUNDATION_CLIP, FOUNDATION_VIT
from pipeline.stage import Run, stage


@stage(reads=(BUNDLED_CLIP, FOUNDATION_CLIP), writes=(FOUNDATION_VIT,))
def main(run: Run) -> None:
    """Copy, unpack, train or download CLIP."""
    import shutil

    from pipeline.foundation import bundle, hub
    from pipeline.runtime import device, threads

    params, out = run.params, run.out_folder(FOUNDATION_VIT)
    if params is None:
        shutil.copytree(run.path(FOUNDATION_CLIP), out, dirs_exist_ok=True)
    elif params.source == "bundled":
        bundle.unpack(run.path(BUNDLED_CLIP) / bundle.CLIP, out)
    elif params.source == "train":
        from pipeline.foundation.training import sources

        sources.clip_by_recipe(params.recipe, out, run.work.parts, device(), threads())
    else:
        hub.download(params.hub_id, params.hub_revision, out, run.work.parts, "open_clip_config.json")


if __name__ == "__main__":
    main()
