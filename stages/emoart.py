"""Stage emoart: keep the images of WikiArt or any folder whose emotion the classifier is sure of (CoEmoGen 3.1)."""

from pipeline.artifacts import (
    CURATION,
    EMOART,
    EMOART_METRICS,
    EMOTION_CLASSIFIER,
    FOUNDATION_CLIP,
    REJECTS,
    WIKIART_FOLDER,
)
from pipeline.stage import Run, stage

REJECTS = REJECTS.of("emoart")


@stage(
    reads=(WIKIART_FOLDER, FOUNDATION_CLIP, EMOTION_CLASSIFIER),
    writes=(EMOART, CURATION, REJECTS, EMOART_METRICS),
    item="corpus",
    sections=("emoart", "seed"),
)
def main(run: Run) -> None:
    """Embed, classify and pack the image folder of params.yaml, a run of row groups or files at a time."""
    from pipeline.corpora.curate import judge_all, plan
    from pipeline.corpora.selection import select, shards, summary
    from pipeline.foundation.clip import Clip, load_clip
    from pipeline.judges.head import EmotionHead, load_head
    from pipeline.runtime import device, numpy_generator

    settings = run.params
    units = plan(run.path(WIKIART_FOLDER), "emoart", settings.shard_images)

    def load() -> tuple[Clip, EmotionHead]:
        return load_clip(run.path(FOUNDATION_CLIP), device()), load_head(run.path(EMOTION_CLASSIFIER), device())

    pieces = judge_all(units, load, settings, run.work)
    selection = select(pieces("judged"), pieces("rejects"), settings, numpy_generator(run.seed, "emoart", "", "splits"))
    run.write(EMOART, shards(pieces("confident"), selection.splits, settings.shard_images))
    run.write(CURATION, selection.judged)
    run.write(REJECTS, selection.rejects)
    run.metrics(summary(selection, settings))


if __name__ == "__main__":
    main()
