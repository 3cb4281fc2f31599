"""caption_features: every caption of a corpus in CLIP's joint space."""

from pipeline.artifacts import CAPTION_FEATURES, CAPTIONS, FOUNDATION_CLIP, read_table
from pipeline.stage import Run, stage


@stage(reads=(CAPTIONS, FOUNDATION_CLIP), writes=(CAPTION_FEATURES,), item="corpus")
def main(run: Run) -> None:
    """Encode the captions of one corpus."""
    from pipeline.engine import map_shards
    from pipeline.features import text_features
    from pipeline.foundation.clip import load_clip
    from pipeline.runtime import device

    clip = load_clip(run.path(FOUNDATION_CLIP), device())
    names = map_shards(
        lambda shard: text_features(clip, read_table(shard, columns=["image_id", "caption"]), run.params.batch_size),
        run.shards(CAPTIONS),
        run.work,
        CAPTION_FEATURES.schema,
    )
    run.assemble(CAPTION_FEATURES, names)


if __name__ == "__main__":
    main()
