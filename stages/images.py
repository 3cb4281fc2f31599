"""images: every emotion by one method, each image from a seed of its own."""

from pipeline.artifacts import FOUNDATION_CLIP, FOUNDATION_DIFFUSION, GENERATOR, IMAGES
from pipeline.stage import Run, stage


@stage(
    reads=(GENERATOR, FOUNDATION_CLIP, FOUNDATION_DIFFUSION), writes=(IMAGES,), item="method",
    sections=("seed", "images"),
)  # fmt: skip
def main(run: Run) -> None:
    """Sample the images of one method."""
    from pyarrow import Table

    from pipeline.engine import map_shards
    from pipeline.generation.folder import load_foundation, model_hash
    from pipeline.generation.images import Planned, image_rows, plan
    from pipeline.generation.load import load_generator
    from pipeline.generation.sampling import sample, sampling_of
    from pipeline.runtime import device

    foundation = load_foundation(run.path(FOUNDATION_DIFFUSION), run.path(FOUNDATION_CLIP), device())
    generator = load_generator(run.path(GENERATOR), foundation, run.params.source)
    model, sampling = model_hash(run.path(GENERATOR)), sampling_of(run.params)

    def make(planned: list[Planned]) -> Table:
        made = sample(foundation.pipeline, foundation.encoder, generator, [each.request for each in planned], sampling)
        return image_rows(planned, made, run.item, model)

    shards = plan(run.item, generator.emotions, run.params, run.seed)
    run.assemble(IMAGES, map_shards(make, shards, run.work, IMAGES.schema))


if __name__ == "__main__":
    main()
