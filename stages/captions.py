"""captions: one caption a picture that says what triggers its emotion (CoEmoGen, section 3.1)."""

from pipeline.artifacts import (
    CAPTIONS,
    CAPTIONS_OVERRIDE,
    CORPUS,
    FOUNDATION_CAPTIONER,
    FOUNDATION_CLIP,
    METRICS,
    read_table,
)
from pipeline.stage import Run, stage


@stage(
    reads=(CORPUS, FOUNDATION_CAPTIONER, FOUNDATION_CLIP, CAPTIONS_OVERRIDE), writes=(CAPTIONS, METRICS), item="corpus"
)
def main(run: Run) -> None:
    """Ask the captioner about the pictures of one corpus."""
    from pipeline.captions.override import check_known, read_captions
    from pipeline.captions.served import captioner_of
    from pipeline.captions.write import length_summary, write_captions
    from pipeline.engine import map_shards
    from pipeline.foundation.clip import load_clip
    from pipeline.runtime import device

    own = read_captions(run.path(CAPTIONS_OVERRIDE), f"{run.item}/")
    check_known(own, set(run.read(CORPUS, ["image_id"])["image_id"].to_pylist()), run.path(CAPTIONS_OVERRIDE))
    captioner = captioner_of(run.path(FOUNDATION_CAPTIONER), run.params.served_model, device())
    clip = load_clip(run.path(FOUNDATION_CLIP), device())
    names = map_shards(
        lambda shard: write_captions(
            captioner, clip, read_table(shard, columns=["image_id", "image", "emotion"]),
            run.params.variant, run.params.batch_size, run.params.max_new_tokens, own,
        ),
        run.shards(CORPUS),
        run.work,
        CAPTIONS.schema,
    )  # fmt: skip
    run.assemble(CAPTIONS, names)
    run.metrics(length_summary([read_table(run.work.part(name)) for name in names], len(own), clip.context_length))


if __name__ == "__main__":
    main()
