"""Stage real_scores: score the images of the test split with every judge.

It also saves what the metrics of generated images need from the real ones.
"""

from pipeline.artifacts import (
    EMOTION_CLASSIFIER,
    FOUNDATION_CLIP,
    JUDGES,
    LABELLED,
    METRICS,
    PRETRAINED,
    REAL_REFERENCE,
    REAL_SCORES,
)
from pipeline.stage import Run, stage

MODELS = (FOUNDATION_CLIP, EMOTION_CLASSIFIER, JUDGES, PRETRAINED)


@stage(
    reads=(LABELLED, *MODELS), writes=(REAL_SCORES, REAL_REFERENCE, METRICS),
    sections=("seed", "scores", "foundation_clip"),
)  # fmt: skip
def main(run: Run) -> None:
    """Score the real images of the labelled corpus's test split."""
    from pipeline.metrics import corpus
    from pipeline.metrics.coherence import has_pairs, plausibility_of
    from pipeline.metrics.judgement import Bench, ModelFiles, load_bench, taker
    from pipeline.metrics.real import references_of, save_real
    from pipeline.metrics.result import clip_name
    from pipeline.metrics.summary import real_metrics, yardstick_of
    from pipeline.runtime import device

    settings, files = run.section("scores"), ModelFiles(*map(run.path, MODELS))

    def load() -> Bench:
        return load_bench(files, settings, device())

    rows = run.read(LABELLED, corpus.COLUMNS)
    places, train = corpus.test_places(rows), corpus.train_rows(rows)
    plausibility = plausibility_of(train) if has_pairs(train) else None
    judged = corpus.judge_corpus(run.shards(LABELLED), load, settings, run.work, REAL_SCORES.schema)
    run.assemble(REAL_SCORES, judged.names)
    bench = load()
    clip = clip_name(run.section("foundation_clip"))
    yardstick = yardstick_of(bench, settings, files.pretrained, clip, plausibility)
    content = corpus.content_of(rows, files, settings)
    references = references_of(judged.scores, judged.rest, yardstick.names, content)
    save_real(run.out_folder(REAL_REFERENCE), references, plausibility)
    take = taker(lambda wanted: run.take(LABELLED, places[wanted].tolist(), ["image"]), generated=False)
    run.metrics({"seed": run.seed, **real_metrics(judged.scores, take, yardstick, references, run.generator)})


if __name__ == "__main__":
    main()
