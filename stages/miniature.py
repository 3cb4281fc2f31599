"""miniature: draw the world's EmoSet or WikiArt in its official layout, with the truth beside it (SCIENCE 1)."""

from pipeline.artifacts import METRICS, MINIATURE, MINIATURE_TRUTH
from pipeline.stage import Run, stage


@stage(writes=(MINIATURE, MINIATURE_TRUTH, METRICS), item="layout")
def main(run: Run) -> None:
    """Draw one layout of the miniature world."""
    from pipeline.miniature import layouts
    from pipeline.miniature.table import truth_table
    from pipeline.miniature.world import World
    from pipeline.runtime import threads

    world = World(run.params.seed, run.params.polarity_share)
    write, num_images = {
        "emoset": (layouts.write_emoset, run.params.num_emoset),
        "wikiart": (layouts.write_wikiart, run.params.num_wikiart),
    }[run.item]
    rows = list(write(world, num_images, run.out_folder(MINIATURE), workers=threads()))
    run.write(MINIATURE_TRUTH, truth_table(world, rows))
    run.metrics(layouts.summary(world, [truth for _, truth in rows]))


if __name__ == "__main__":
    main()
