"""Stage grids: draw sheets of one method's images by emotion, and of its transfer, fusion and strength.

See CoEmoGen Fig. 7-8.
"""

from pipeline.artifacts import FIGURES, FOUNDATION_CLIP, FOUNDATION_DIFFUSION, GENERATOR, IMAGES
from pipeline.stage import Run, stage


@stage(
    reads=(GENERATOR, IMAGES, FOUNDATION_CLIP, FOUNDATION_DIFFUSION), writes=(FIGURES,), item="method",
    sections=("grids", "images"), generates=True,
)  # fmt: skip
def main(run: Run) -> None:
    """Draw the sheets of one method."""
    from pipeline.generation.folder import load_foundation
    from pipeline.generation.grids import draw_grid, grids
    from pipeline.generation.images import sheet
    from pipeline.generation.load import load_generator
    from pipeline.generation.sampling import sample, sampling_of
    from pipeline.runtime import device

    images, plots = run.section("images"), run.out_folder(FIGURES)
    sheet(run.read(IMAGES, ["image_id", "image", "emotion"])).save(plots / "emotions.png")
    if run.item not in run.params.methods:
        return
    foundation = load_foundation(run.path(FOUNDATION_DIFFUSION), run.path(FOUNDATION_CLIP), device())
    generator = load_generator(run.path(GENERATOR), foundation, images.source)
    for name, grid in grids(generator.emotions, run.params).items():
        draw_grid(
            grid,
            lambda requests: list(sample(foundation.base, generator, requests, sampling_of(images))),
            plots / f"{name}.png",
        )


if __name__ == "__main__":
    main()
