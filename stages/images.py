"""Stage images: generate images of every emotion with one method, each image from its own seed."""

from collections.abc import Callable

from pipeline.artifacts import FOUNDATION_CLIP, FOUNDATION_DIFFUSION, GENERATOR, IMAGES
from pipeline.stage import Run, stage


@stage(
    reads=(GENERATOR, FOUNDATION_CLIP, FOUNDATION_DIFFUSION), writes=(IMAGES,), item="method",
    sections=("seed", "images"), generates=True,
)  # fmt: skip
def main(run: Run) -> None:
    """Generate the images of one method."""
    from pyarrow import Table

    from pipeline.engine import map_shards
    from pipeline.generation.folder import known_emotions, load_foundation, model_hash
    from pipeline.generation.images import Planned, image_rows, plan
    from pipeline.generation.load import load_generator
    from pipeline.generation.sampling import sample, sampling_of
    from pipeline.runtime import device

    model, sampling = model_hash(run.path(GENERATOR)), sampling_of(run.params)

    def load() -> Callable[[list[Planned]], Table]:
        foundation = load_foundation(run.path(FOUNDATION_DIFFUSION), run.path(FOUNDATION_CLIP), device())
        generator = load_generator(run.path(GENERATOR), foundation, run.params.source)

        def make(planned: list[Planned]) -> Table:
            drawn = sample(foundation.base, generator, [each.request for each in planned], sampling)
            return image_rows(planned, drawn, run.item, model)

        return make

    shards = plan(run.item, known_emotions(run.path(GENERATOR)), run.params, run.seed)
    run.assemble(IMAGES, map_shards(load, shards, run.work, IMAGES.schema))


if __name__ == "__main__":
    main()
