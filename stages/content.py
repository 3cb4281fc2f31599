"""Stage content: draw each noun with each emotion, and measure how often both show (EC-A of EmoCtrl)."""

from collections.abc import Callable

from pipeline.artifacts import (
    CONTENT,
    EMOTION_CLASSIFIER,
    FOUNDATION_CLIP,
    FOUNDATION_DIFFUSION,
    GENERATOR,
    JUDGES,
    METRICS,
)
from pipeline.stage import Run, stage


@stage(
    reads=(GENERATOR, FOUNDATION_CLIP, FOUNDATION_DIFFUSION, EMOTION_CLASSIFIER, JUDGES), writes=(CONTENT, METRICS),
    item="method", sections=("seed", "content", "images"), generates=True,
)  # fmt: skip
def main(run: Run) -> None:
    """Draw and judge the nouns of one method."""
    from pyarrow import Table

    from pipeline.engine import map_shards
    from pipeline.foundation.clip import load_clip
    from pipeline.generation.folder import known_emotions, load_foundation, model_hash
    from pipeline.generation.load import load_generator
    from pipeline.generation.sampling import sample, sampling_of
    from pipeline.judges.head import load_head
    from pipeline.judges.panel import load_judges
    from pipeline.metrics.columns import OnDisk
    from pipeline.metrics.content import Asked, content_metrics, content_rows, observed, observers, plan
    from pipeline.runtime import device

    settings, images = run.params, run.section("images")
    model = model_hash(run.path(GENERATOR))

    def load() -> Callable[[list[Asked]], Table]:
        foundation = load_foundation(run.path(FOUNDATION_DIFFUSION), run.path(FOUNDATION_CLIP), device())
        generator = load_generator(run.path(GENERATOR), foundation, images.source)
        by = observers(
            load_clip(run.path(FOUNDATION_CLIP), device()), load_head(run.path(EMOTION_CLASSIFIER), device()),
            load_judges(run.path(JUDGES), device()), settings,
        )  # fmt: skip

        def make(planned: list[Asked]) -> Table:
            requests = [each.request for each in planned]
            drawn = list(sample(foundation.base, generator, requests, sampling_of(images)))
            return content_rows(planned, drawn, observed(planned, drawn, by), model)

        return make

    shards = plan(run.item, known_emotions(run.path(GENERATOR)), settings, run.seed)
    names = map_shards(load, shards, run.work, CONTENT.schema)
    run.assemble(CONTENT, names)
    rows = OnDisk([run.work.part(name) for name in names])
    run.metrics({"seed": run.seed, **content_metrics(rows, settings.top)})


if __name__ == "__main__":
    main()
