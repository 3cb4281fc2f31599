"""Stage caption_prompts: use the foundation model as a generator, prompted with captions of each emotion."""

from pipeline.artifacts import CAPTION_FILTER, CAPTION_PROMPTS, CAPTIONS, FOUNDATION_DIFFUSION
from pipeline.stage import Run, stage


@stage(
    reads=(CAPTIONS.of("${corpus}"), CAPTION_FILTER.of("${corpus}"), FOUNDATION_DIFFUSION),
    writes=(CAPTION_PROMPTS,),
    sections=(),
)
def main(run: Run) -> None:
    """Record the captions that CoEmoGen is trained on, and the digest of the foundation model."""
    from pipeline.generation.captioned import kept_captions
    from pipeline.generation.folder import digest_of, save_generator

    kept = run.read(CAPTION_FILTER.of("${corpus}"), ["emotion", "kept"])
    captions = kept_captions(run.read(CAPTIONS.of("${corpus}"), ["caption"]), kept)
    digest, out = digest_of(run.path(FOUNDATION_DIFFUSION)), run.out_folder(CAPTION_PROMPTS)
    save_generator(out, "caption", {"captions": captions}, digest, emotions=tuple(captions))


if __name__ == "__main__":
    main()
