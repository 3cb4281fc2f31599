"""Stage scores: score a method's images with every judge and compute all metrics, next to those of real images."""

from collections.abc import Callable
from pathlib import Path

from pipeline.artifacts import (
    EMOTION_CLASSIFIER,
    FOUNDATION_CLIP,
    IMAGES,
    JUDGES,
    METRICS,
    PRETRAINED,
    REAL_METRICS,
    REAL_REFERENCE,
    REAL_SCORES,
    SCORES,
    read_table,
)
from pipeline.stage import Run, stage

MODELS = (FOUNDATION_CLIP, EMOTION_CLASSIFIER, JUDGES, PRETRAINED)


@stage(
    reads=(IMAGES, *MODELS, REAL_SCORES, REAL_REFERENCE, REAL_METRICS), writes=(SCORES, METRICS), item="method",
    sections=("seed", "scores", "foundation_clip"),
)  # fmt: skip
def main(run: Run) -> None:
    """Score the images of one method."""
    from pyarrow import Table

    from pipeline.engine import map_shards
    from pipeline.metrics.columns import OnDisk
    from pipeline.metrics.judgement import ModelFiles, judged, load_bench, taker
    from pipeline.metrics.real import load_real
    from pipeline.metrics.result import clip_name
    from pipeline.metrics.summary import method_metrics, yardstick_of
    from pipeline.runtime import device

    files = ModelFiles(*map(run.path, MODELS))
    columns = ["image_id", "image", "emotion"]

    def load() -> Callable[[Path], Table]:
        bench = load_bench(files, run.params, device())
        return lambda shard: judged(read_table(shard, columns=columns), bench, run.params.batch_size, generated=True)

    names = map_shards(load, run.shards(IMAGES), run.work, SCORES.schema)
    run.assemble(SCORES, names)
    bench = load_bench(files, run.params, device())
    scores = OnDisk([run.work.part(name) for name in names])
    real = load_real(run.path(REAL_REFERENCE), lambda names: run.read(REAL_SCORES, names), run.read(REAL_METRICS))
    clip = clip_name(run.section("foundation_clip"))
    yardstick = yardstick_of(bench, run.params, files.pretrained, clip, real.plausibility)
    take = taker(lambda rows: run.take(IMAGES, rows, ["image"]), generated=True)
    run.metrics({"seed": run.seed, **method_metrics(scores, take, yardstick, real, run.generator)})


if __name__ == "__main__":
    main()
