"""latents: the pictures of a corpus that are trained on, in the autoencoder's latents, plain and mirrored."""

from pathlib import Path

from pipeline.artifacts import CORPUS, FOUNDATION_DIFFUSION, LATENTS, read_table
from pipeline.stage import Run, stage


@stage(reads=(CORPUS, FOUNDATION_DIFFUSION), writes=(LATENTS,), item="corpus")
def main(run: Run) -> None:
    """Encode the train split of one corpus."""
    import pyarrow.compute as pc
    from diffusers import AutoencoderKL
    from pyarrow import Table

    from pipeline.engine import map_shards
    from pipeline.foundation.diffusion import image_px, load_module
    from pipeline.runtime import device
    from pipeline.training.latents import encode_pictures

    folder = run.path(FOUNDATION_DIFFUSION)
    vae = load_module(AutoencoderKL, folder / "vae").to(device())
    edge = image_px(folder)

    def encode(shard: Path) -> Table:
        rows = read_table(shard, columns=["image_id", "image", "split"])
        rows = rows.filter(pc.equal(rows["split"].cast("string"), "train"))
        return encode_pictures(vae, rows, edge, run.params.fit, run.params.batch_size)

    run.assemble(LATENTS, map_shards(encode, run.shards(CORPUS), run.work, LATENTS.schema))


if __name__ == "__main__":
    main()
