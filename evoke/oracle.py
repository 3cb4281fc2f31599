"""Define `evoke oracle FOLDER`, which draws any number of test images of the drawn world.

They serve for claims for which a test split is too small.
"""

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--num", default=20_000, show_default=True, type=click.IntRange(min=1), help="Number of images to draw.")
def oracle(folder: Path, num: int) -> None:
    """Draw images that are in no corpus into FOLDER, in EmoSet's layout, with truth.parquet beside them.

    They belong to the world of params.yaml (miniature.seed, miniature.polarity_share) but come from a separate stream.
    """
    from pipeline.artifacts import write_table
    from pipeline.miniature.layouts import write_emoset
    from pipeline.miniature.table import truth_table
    from pipeline.miniature.world import World
    from pipeline.params import load_params
    from pipeline.runtime import progress, threads
    from pipeline.schemas import TRUTH_SCHEMA

    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"{folder} is not empty; name a new or empty folder")
    params = load_params(Path("params.yaml")).miniature
    world = World(params.seed, params.polarity_share)
    truths = write_emoset(world, num, folder, threads(), stream="oracle")
    write_table(folder / "truth.parquet", truth_table(world, progress(truths, num, "oracle")), TRUTH_SCHEMA)
    click.echo(f"{folder}: {num} images; run `evoke validate {folder}` to count them")
