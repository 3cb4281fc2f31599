"""Stage foundation_clip: provide the CLIP that gives every feature, similarity and text condition."""

from pipeline.artifacts import BUNDLED_CLIP, FOUNDATION_CLIP
from pipeline.stage import Run, stage


@stage(reads=(BUNDLED_CLIP,), writes=(FOUNDATION_CLIP,))
def main(run: Run) -> None:
    """Unpack, train or download CLIP."""
    from pipeline.foundation import bundle, hub
    from pipeline.runtime import device, threads

    params, out = run.params, run.out_folder(FOUNDATION_CLIP)
    if params.source == "bundled":
        bundle.unpack(run.path(BUNDLED_CLIP) / bundle.CLIP, out)
    elif params.source == "train":
        from pipeline.foundation.training import sources

        sources.clip_by_recipe(params.recipe, out, run.work.parts, device(), threads())
    else:
        hub.download(params.hub_id, params.hub_revision, out, run.work.parts, "open_clip_config.json")


if __name__ == "__main__":
    main()
