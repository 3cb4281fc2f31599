"""Stage foundation_captioner: provide the image-text-to-text model that writes captions."""

from pipeline.artifacts import CAPTIONER_FOLDER, FOUNDATION_CAPTIONER, FOUNDATION_CLIP
from pipeline.stage import Run, stage


@stage(reads=(CAPTIONER_FOLDER, FOUNDATION_CLIP), writes=(FOUNDATION_CAPTIONER,))
def main(run: Run) -> None:
    """Unpack, train, download or copy the captioner."""
    from pipeline.foundation import bundle, hub
    from pipeline.runtime import device, threads

    params, clip, out = run.params, run.path(FOUNDATION_CLIP), run.out_folder(FOUNDATION_CAPTIONER)
    if params.source == "bundled":
        bundle.unpack(run.path(CAPTIONER_FOLDER) / bundle.CAPTIONER, out)
    elif params.source == "train":
        from pipeline.foundation.training import sources

        sources.captioner_by_recipe(params.recipe, clip, out, run.work.parts, device(), threads())
    elif params.source == "hub":
        hub.download(params.hub_id, params.hub_revision, out, "config.json")
    else:
        hub.copy(run.path(CAPTIONER_FOLDER), out, "config.json")


if __name__ == "__main__":
    main()
