"""Stage features: encode every image of a corpus in CLIP's joint space."""

from collections.abc import Callable
from pathlib import Path

from pipeline.artifacts import CORPUS, FEATURES, FOUNDATION_CLIP, read_table
from pipeline.stage import Run, stage


@stage(reads=(CORPUS, FOUNDATION_CLIP), writes=(FEATURES,), item="corpus")
def main(run: Run) -> None:
    """Encode the images of one corpus."""
    from pyarrow import Table

    from pipeline.engine import map_shards
    from pipeline.features import image_features
    from pipeline.foundation.clip import load_clip
    from pipeline.runtime import device

    def load() -> Callable[[Path], Table]:
        clip = load_clip(run.path(FOUNDATION_CLIP), device())
        columns = ["image_id", "image"]
        return lambda shard: image_features(clip, read_table(shard, columns=columns), run.params.batch_size)

    run.assemble(FEATURES, map_shards(load, run.shards(CORPUS), run.work, FEATURES.schema))


if __name__ == "__main__":
    main()
