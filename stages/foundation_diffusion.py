"""Stage foundation_diffusion: provide the latent diffusion model that is then trained on emotions."""

from pipeline.artifacts import BUNDLED_DIFFUSION, FOUNDATION_CLIP, FOUNDATION_DIFFUSION
from pipeline.stage import Run, stage


@stage(reads=(BUNDLED_DIFFUSION, FOUNDATION_CLIP), writes=(FOUNDATION_DIFFUSION,))
def main(run: Run) -> None:
    """Unpack, train or download the diffusion model."""
    from pipeline.foundation import bundle, hub
    from pipeline.runtime import device, threads

    params, clip, out = run.params, run.path(FOUNDATION_CLIP), run.out_folder(FOUNDATION_DIFFUSION)
    if params.source == "bundled":
        bundle.unpack_diffusion(run.path(BUNDLED_DIFFUSION), clip, out, run.work.parts)
    elif params.source == "train":
        from pipeline.foundation.training import sources

        sources.diffusion_by_recipe(params.recipe, clip, out, run.work.parts, device(), threads())
    else:
        hub.download(params.hub_id, params.hub_revision, out, run.work.parts, "model_index.json")


if __name__ == "__main__":
    main()
