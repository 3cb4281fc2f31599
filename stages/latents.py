"""Stage latents: encode the images that generators train on in the autoencoder's latent space, plain and mirrored."""

from collections.abc import Callable
from pathlib import Path

from pipeline.artifacts import CORPUS, FOUNDATION_DIFFUSION, LATENTS, read_table
from pipeline.stage import Run, stage


@stage(reads=(CORPUS, FOUNDATION_DIFFUSION), writes=(LATENTS,), item="corpus")
def main(run: Run) -> None:
    """Encode the train split of one corpus, or all of it."""
    from diffusers import AutoencoderKL
    from pyarrow import Table

    from pipeline.engine import map_shards
    from pipeline.foundation.bases import base_of
    from pipeline.foundation.diffusion import load_module
    from pipeline.rows import training_rows
    from pipeline.runtime import device
    from pipeline.training.latents import encode_pictures

    folder, params = run.path(FOUNDATION_DIFFUSION), run.params

    def load() -> Callable[[Path], Table]:
        vae = load_module(AutoencoderKL, folder / "vae").to(device())

        def encode(shard: Path) -> Table:
            rows = training_rows(read_table(shard, columns=["image_id", "image", "split"]), params.training_splits)
            return encode_pictures(vae, rows, base_of(folder).image_px(folder), params.fit, params.batch_size)

        return encode

    run.assemble(LATENTS, map_shards(load, run.shards(CORPUS), run.work, LATENTS.schema))


if __name__ == "__main__":
    main()
