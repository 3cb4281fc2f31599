"""Stage foundation_diffusion: provide the latent diffusion model that is then trained on emotions."""

from pipeline.artifacts import DIFFUSION_FOLDER, FOUNDATION_CLIP, FOUNDATION_DIFFUSION
from pipeline.stage import Run, stage


@stage(reads=(DIFFUSION_FOLDER, FOUNDATION_CLIP), writes=(FOUNDATION_DIFFUSION,))
def main(run: Run) -> None:
    """Unpack, train, download or copy the diffusion model."""
    from pipeline.foundation import bundle, hub
    from pipeline.runtime import device, threads

    params, clip, out = run.params, run.path(FOUNDATION_CLIP), run.out_folder(FOUNDATION_DIFFUSION)
    if params.source == "bundled":
        bundle.unpack_diffusion(run.path(DIFFUSION_FOLDER), clip, out, run.work.parts)
    elif params.source == "bundled-xl":
        from pipeline.foundation.training import widened

        narrow = run.work.parts / "narrow"
        bundle.unpack_diffusion(run.path(DIFFUSION_FOLDER), clip, narrow, run.work.parts)
        widened.widen(narrow, clip, widened.world_texts(clip, threads()), out)
    elif params.source == "train":
        from pipeline.foundation.training import sources

        sources.diffusion_by_recipe(params.recipe, clip, out, run.work.parts, device(), threads())
    elif params.source == "hub":
        hub.download(params.hub_id, params.hub_revision, out, "model_index.json")
    else:
        hub.copy(run.path(DIFFUSION_FOLDER), out, "model_index.json")


if __name__ == "__main__":
    main()
