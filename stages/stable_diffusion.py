"""Stage stable_diffusion: use the foundation model as a generator with "an image of {emotion}" (CoEmoGen Table 1)."""

from pipeline.artifacts import FOUNDATION_DIFFUSION, LABELLED, STABLE_DIFFUSION
from pipeline.stage import Run, stage


@stage(reads=(LABELLED, FOUNDATION_DIFFUSION), writes=(STABLE_DIFFUSION,))
def main(run: Run) -> None:
    """Record the prompt, the foundation model's digest, and the labelled emotions, which the other methods draw."""
    from pipeline.generation.folder import digest_of, save_generator
    from pipeline.rows import train_split, trained_emotions

    emotions = trained_emotions(train_split(run.read(LABELLED, ["emotion", "split"])))
    digest, params = digest_of(run.path(FOUNDATION_DIFFUSION)), run.params.model_dump(mode="json")
    save_generator(run.out_folder(STABLE_DIFFUSION), "prompt", params, digest, emotions=emotions)


if __name__ == "__main__":
    main()
