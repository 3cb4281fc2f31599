"""Stage captions: write one caption per image that says what triggers its emotion (CoEmoGen 3.1)."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

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
    reads=(CORPUS, FOUNDATION_CAPTIONER, FOUNDATION_CLIP, CAPTIONS_OVERRIDE), writes=(CAPTIONS, METRICS), item="corpus",
    sections=("captions", "foundation_captioner"),
)  # fmt: skip
def main(run: Run) -> None:
    """Write captions for the images of one corpus."""
    from pyarrow import Table

    from pipeline.captions.kept import Answers
    from pipeline.captions.override import check_known, read_captions
    from pipeline.captions.prompts import wording_of
    from pipeline.captions.served import captioner_of
    from pipeline.captions.write import check_empty, length_summary, write_captions
    from pipeline.engine import map_shards
    from pipeline.foundation.clip import load_tokenizer
    from pipeline.runtime import device

    own = read_captions(run.path(CAPTIONS_OVERRIDE), f"{run.item}/")
    check_known(own, set(run.read(CORPUS, ["image_id"])["image_id"].to_pylist()), run.path(CAPTIONS_OVERRIDE))
    tokenizer, settings = load_tokenizer(run.path(FOUNDATION_CLIP)), run.params
    is_ours = run.section("foundation_captioner").source in ("bundled", "train")
    wording = wording_of(settings.served_model is None and is_ours)
    if settings.served_model:
        kept = run.lasting((), without=("override", "max_empty_frac", "max_new_tokens"))
    else:
        kept = run.lasting((FOUNDATION_CAPTIONER,), without=("override", "max_empty_frac"))

    def load() -> Callable[[Path], Table]:
        captioner = cache(
            lambda: captioner_of(run.path(FOUNDATION_CAPTIONER), settings.served_model, settings.max_px, device())
        )
        answers, columns = Answers(kept, settings.max_new_tokens), ["image_id", "image", "emotion"]
        return lambda shard: write_captions(
            captioner, tokenizer, read_table(shard, columns=columns), settings, own, wording, answers
        )

    names = map_shards(load, run.shards(CORPUS), run.work, CAPTIONS.schema)
    check_empty(run.work, names, settings.max_empty_frac, kept)
    run.assemble(CAPTIONS, names)
    written = [read_table(run.work.part(name)) for name in names]
    run.metrics(length_summary(written, len(own), tokenizer.context_length))


if __name__ == "__main__":
    main()
