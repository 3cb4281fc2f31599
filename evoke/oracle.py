"""`evoke oracle FOLDER`: any number of test pictures of the drawn world, for claims that a test split cannot carry."""

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--num", default=20_000, show_default=True, type=click.IntRange(min=1), help="Pictures to draw.")
def oracle(folder: Path, num: int) -> None:
    """Draw pictures that no corpus has into FOLDER, in EmoSet's layout, with truth.parquet beside them.

    They are of the world of params.yaml (miniature.seed, miniature.polarity_share), from a stream of their own.
    """
    from pipeline.artifacts import write_table
    from pipeline.miniature.layouts import write_emoset
    from pipeline.miniature.table import truth_table
    from pipeline.miniature.world import World
    from pipeline.params import load_params
    from pipeline.runtime import progress, threads
    from pipeline.schemas import TRUTH_SCHEMA

    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"{folder} is not empty; name a folder that is not there yet")
    params = load_params(Path("params.yaml")).miniature
    world = World(params.seed, params.polarity_share)
    drawn = write_emoset(world, num, folder, threads(), stream="oracle")
    write_table(folder / "truth.parquet", truth_table(world, progress(drawn, num, "oracle")), TRUTH_SCHEMA)
    click.echo(f"{folder}: {num} pictures; `evoke validate {folder}` counts them")
