"""Stage stable_diffusion: use the foundation model as a generator with "an image of {emotion}" (CoEmoGen Table 1)."""

from pipeline.artifacts import FOUNDATION_DIFFUSION, STABLE_DIFFUSION
from pipeline.stage import Run, stage


@stage(reads=(FOUNDATION_DIFFUSION,), writes=(STABLE_DIFFUSION,))
def main(run: Run) -> None:
    """Record the prompt and the digest of the foundation model."""
    from pipeline.generation.folder import digest_of, save_generator

    digest = digest_of(run.path(FOUNDATION_DIFFUSION))
    save_generator(run.out_folder(STABLE_DIFFUSION), "prompt", run.params.model_dump(mode="json"), digest)


if __name__ == "__main__":
    main()
