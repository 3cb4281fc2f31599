"""real_scores: what every judge says of the test split's pictures: the value to hold each method's against."""

from pathlib import Path

from pipeline.artifacts import EMOSET, EMOTION_CLASSIFIER, FOUNDATION_CLIP, JUDGES, METRICS, REAL_SCORES, read_table
from pipeline.stage import Run, stage


@stage(
    reads=(EMOSET, FOUNDATION_CLIP, EMOTION_CLASSIFIER, JUDGES), writes=(REAL_SCORES, METRICS),
    sections=("seed", "scores"),
)  # fmt: skip
def main(run: Run) -> None:
    """Judge the real pictures."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from pipeline.engine import map_shards
    from pipeline.metrics.judgement import judged, load_bench
    from pipeline.metrics.summary import summary
    from pipeline.runtime import device

    bench = load_bench(run.path(FOUNDATION_CLIP), run.path(EMOTION_CLASSIFIER), run.path(JUDGES), device())

    def test_rows(shard: Path, *columns: str) -> pa.Table:
        rows = read_table(shard, columns=["split", *columns])
        return rows.filter(pc.equal(rows["split"].cast("string"), "test"))

    names = map_shards(
        lambda shard: judged(test_rows(shard, "image_id", "image", "emotion"), bench, run.section("scores").batch_size),
        [shard for shard in run.shards(EMOSET) if len(test_rows(shard))],
        run.work,
        REAL_SCORES.schema,
    )
    run.assemble(REAL_SCORES, names)
    scores = pa.concat_tables([read_table(run.work.part(name)) for name in names])
    run.metrics(summary(scores, run.generator("bootstrap")))


if __name__ == "__main__":
    main()
