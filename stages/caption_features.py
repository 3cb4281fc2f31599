"""Stage caption_features: encode every caption of a corpus in CLIP's joint space."""

from collections.abc import Callable
from pathlib import Path

from pipeline.artifacts import CAPTION_FEATURES, CAPTIONS, FOUNDATION_CLIP, read_table
from pipeline.stage import Run, stage


@stage(reads=(CAPTIONS, FOUNDATION_CLIP), writes=(CAPTION_FEATURES,), item="corpus")
def main(run: Run) -> None:
    """Encode the captions of one corpus."""
    from pyarrow import Table

    from pipeline.engine import map_shards
    from pipeline.features import text_features
    from pipeline.foundation.clip import load_clip
    from pipeline.runtime import device

    def load() -> Callable[[Path], Table]:
        clip = load_clip(run.path(FOUNDATION_CLIP), device())
        columns = ["image_id", "caption"]
        return lambda shard: text_features(clip, read_table(shard, columns=columns), run.params.batch_size)

    run.assemble(CAPTION_FEATURES, map_shards(load, run.shards(CAPTIONS), run.work, CAPTION_FEATURES.schema))


if __name__ == "__main__":
    main()
