"""scores: what every judge says of a method's images, and what follows: Emo-A, Sem-C, with real images beside."""

from pipeline.artifacts import (
    EMOTION_CLASSIFIER,
    FOUNDATION_CLIP,
    IMAGES,
    JUDGES,
    METRICS,
    REAL_METRICS,
    SCORES,
    read_table,
)
from pipeline.stage import Run, stage


@stage(
    reads=(IMAGES, FOUNDATION_CLIP, EMOTION_CLASSIFIER, JUDGES, REAL_METRICS), writes=(SCORES, METRICS), item="method",
    sections=("seed", "scores"),
)  # fmt: skip
def main(run: Run) -> None:
    """Judge the images of one method."""
    import pyarrow as pa

    from pipeline.engine import map_shards
    from pipeline.metrics.judgement import judged, load_bench
    from pipeline.metrics.summary import summary
    from pipeline.runtime import device

    bench = load_bench(run.path(FOUNDATION_CLIP), run.path(EMOTION_CLASSIFIER), run.path(JUDGES), device())
    columns = ["image_id", "image", "emotion"]
    names = map_shards(
        lambda shard: judged(read_table(shard, columns=columns), bench, run.params.batch_size),
        run.shards(IMAGES),
        run.work,
        SCORES.schema,
    )
    run.assemble(SCORES, names)
    scores = pa.concat_tables([read_table(run.work.part(name)) for name in names])
    run.metrics(summary(scores, run.generator("bootstrap"), run.read(REAL_METRICS)))


if __name__ == "__main__":
    main()
