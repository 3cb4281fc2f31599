"""Stage miniature: draw one data set of the drawn world in its official layout, with its truth (SCIENCE 1)."""

from pipeline.artifacts import METRICS, MINIATURE, MINIATURE_TRUTH
from pipeline.stage import Run, stage


@stage(writes=(MINIATURE, MINIATURE_TRUTH, METRICS), item="layout")
def main(run: Run) -> None:
    """Draw one data set of the miniature world."""
    from pipeline.miniature import layouts, small_sets
    from pipeline.miniature.table import truth_table
    from pipeline.miniature.world import World
    from pipeline.runtime import threads

    params, folder = run.params, run.out_folder(MINIATURE)
    world = World(params.seed, params.polarity_share)
    draw = {
        "emoset": lambda: layouts.write_emoset(world, params.num_emoset, folder, workers=threads()),
        "wikiart": lambda: layouts.write_wikiart(world, params.num_wikiart, folder, workers=threads()),
        "fi": lambda: small_sets.write_fi(world, params.num_fi, folder),
        "emotionroi": lambda: small_sets.write_emotionroi(world, params.num_emotionroi, folder),
        "twitter": lambda: small_sets.write_twitter(world, params.num_twitter_i, params.num_twitter_ii, folder),
    }
    rows = list(draw[run.item]())
    run.write(MINIATURE_TRUTH, truth_table(world, rows))
    run.metrics(layouts.summary(world, [truth for _, truth in rows]))


if __name__ == "__main__":
    main()
