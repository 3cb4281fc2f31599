"""features: every picture of a corpus in CLIP's joint space."""

from pipeline.artifacts import CORPUS, FEATURES, FOUNDATION_CLIP, read_table
from pipeline.stage import Run, stage


@stage(reads=(CORPUS, FOUNDATION_CLIP), writes=(FEATURES,), item="corpus")
def main(run: Run) -> None:
    """Encode the pictures of one corpus."""
    from pipeline.engine import map_shards
    from pipeline.features import image_features
    from pipeline.foundation.clip import load_clip
    from pipeline.runtime import device

    clip = load_clip(run.path(FOUNDATION_CLIP), device())
    names = map_shards(
        lambda shard: image_features(clip, read_table(shard, columns=["image_id", "image"]), run.params.batch_size),
        run.shards(CORPUS),
        run.work,
        FEATURES.schema,
    )
    run.assemble(FEATURES, names)


if __name__ == "__main__":
    main()
