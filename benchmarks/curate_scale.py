"""Measure what an image costs in `evoke curate`, on one thread and in CPU time, which other work hardly changes.

    python -m benchmarks.curate_scale --out benchmarks/results/DATE-curate-scale.json

Images are drawn, of 512 x 384 px, in a tar. CLIPs have constant weights. The second pass runs on tables of two sizes,
and time and memory are those of the difference. evoke/plan/rates.yaml holds the figures, and `evoke plan --curate`
uses them.
"""

import io
import json
import resource
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click
import numpy as np
import pyarrow as pa
import torch
from PIL import Image

from evoke.plan.costs import META
from pipeline.corpora import tar
from pipeline.corpora.curate import JUDGED_SCHEMA, judge, plan
from pipeline.corpora.images import read_image, to_rgb
from pipeline.corpora.pack import reject_table
from pipeline.corpora.selection import select
from pipeline.emotion_set import EMOTIONS, polarity
from pipeline.params import Emoart
from pipeline.runtime import cpu_name

SIZE = (512, 384)
NUM, PIECE, ROWS = 100, 10_000, (20_000, 120_000)
CLIPS = {"ViT-B-32": 8, "ViT-L-14": 2}  # images that are encoded
SETTINGS = Emoart(
    folder="-", min_confidence=0.0, min_emotion_frac=0.0, val_frac=0.05, test_frac=0.15, batch_size=50,
    shard_images=1000, max_reject_frac=1.0,
)  # fmt: skip


class Blind:
    """A CLIP and a head that cost nothing, so that what is left is the rest of the first pass."""

    def encode_images(self, images: list[Image.Image], normalize: bool) -> torch.Tensor:
        return torch.ones(len(images), 4)

    def probabilities(self, features: np.ndarray, _: np.ndarray) -> np.ndarray:
        return np.eye(len(EMOTIONS), dtype=np.float32)[np.arange(len(features)) % len(EMOTIONS)]


def drawn(number: int) -> bytes:
    """Return a JPEG with the smooth areas and edges of a photograph, and about its size in bytes."""
    generator = np.random.default_rng(number)
    layers = [
        Image.fromarray(generator.integers(0, 256, (SIZE[1] // step, SIZE[0] // step, 3), np.uint8)).resize(SIZE, 3)
        for step in (64, 16, 2)
    ]
    image = Image.blend(Image.blend(layers[0], layers[1], 0.3), layers[2], 0.15)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def packed(path: Path) -> list[bytes]:
    """Write NUM images with a caption each into a tar, and return the images."""
    files = [drawn(number) for number in range(NUM)]
    with tarfile.open(path, "w") as out:
        for number, data in enumerate(files):
            for suffix, content in (("jpg", data), ("txt", b"a caption")):
                info = tarfile.TarInfo(f"{number:09d}.{suffix}")
                info.size = len(content)
                out.addfile(info, io.BytesIO(content))
    return files


def cpu_s(call: Callable[[], object], turns: int = 3) -> float:
    """Return the least CPU time of a call in seconds."""
    times = []
    for _ in range(turns):
        begin = time.process_time()
        call()
        times.append(time.process_time() - begin)
    return min(times)


def judged(begin: int, number: int) -> pa.Table:
    """Return rows as the first pass writes them, with ids and hashes of the usual length."""
    rows = range(begin, begin + number)
    emotions = [EMOTIONS[row % len(EMOTIONS)] for row in rows]
    columns: dict[str, Sequence[object]] = {
        "image_id": [f"corpus/{row // 10_000:05d}/{row % 10_000:09d}" for row in rows],
        "emotion": emotions, "polarity": [polarity(emotion) for emotion in emotions], "confidence": [0.9] * number,
        "reason": ["unsure" if row % 6 else "kept" for row in rows], "sha256": [f"{row:064x}" for row in rows],
        "path": [f"{row // 10_000:05d}/{row % 10_000:09d}.jpg" for row in rows],
    }  # fmt: skip
    named = [{name: columns[name][row] for name in columns} for row in range(number)]
    return pa.Table.from_pylist(named, schema=JUDGED_SCHEMA.arrow)


def second_pass(number: int) -> tuple[float, float]:
    """Return CPU seconds of the second pass over so many rows, and the peak of the process's memory in bytes."""
    table = pa.concat_tables(judged(begin, PIECE) for begin in range(0, number, PIECE))
    seconds = cpu_s(lambda: select(iter([table]), iter([reject_table([])]), SETTINGS, np.random.default_rng(0)), 1)
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


def encoding(name: str, images: list[Image.Image]) -> dict[str, float]:
    """Return the CPU seconds per image of a CLIP, whose weights do not matter, and of fitting images to its square."""
    import open_clip

    config = open_clip.get_model_config(name)
    with META:
        tower = open_clip.model.CLIP(**config).visual.eval()
    tower.to_empty(device="cpu").requires_grad_(False)
    for weight in tower.parameters():
        weight.fill_(0.01)
    transform = open_clip.image_transform(config["vision_cfg"]["image_size"], is_train=False)
    fitted = torch.stack([transform(image) for image in images])
    return {
        "fit_s": cpu_s(lambda: [transform(image) for image in images]) / len(images),
        "encode_s": cpu_s(lambda: tower(fitted), 2) / len(images),
    }


def measured() -> Iterator[tuple[str, object]]:
    """Yield every figure by name: seconds and bytes are those of one image."""
    (few_s, few_bytes), (many_s, many_bytes) = (second_pass(number) for number in ROWS)
    yield "second_pass_s", (many_s - few_s) / (ROWS[1] - ROWS[0])
    yield "second_pass_bytes", (many_bytes - few_bytes) / (ROWS[1] - ROWS[0])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "00000.tar"
        files = packed(path)
        yield "image_bytes", sum(map(len, files)) / NUM
        yield "list_s", cpu_s(lambda: tar._images.__wrapped__(path, path.stat().st_size, 0)) / NUM
        yield "decode_s", cpu_s(lambda: [to_rgb(read_image(data)) for data in files]) / NUM
        (unit,) = plan(path, "corpus", 1000)
        yield "read_s", cpu_s(lambda: sum(1 for _ in unit.read())) / NUM
        yield "first_pass_s", cpu_s(lambda: judge(unit, Blind(), Blind(), SETTINGS)) / NUM  # type: ignore[arg-type]
    images = [to_rgb(read_image(data)) for data in files[: max(CLIPS.values())]]
    for name, number in CLIPS.items():
        yield name, encoding(name, images[:number])


@click.command()
@click.option("--out", type=click.Path(path_type=Path), help="JSON file for the figures.")
def main(out: Path | None) -> None:
    """Print the seconds of one thread for each step and image."""
    torch.set_num_threads(1)
    figures: dict[str, object] = {"cpu": cpu_name(), "image_px": SIZE, "num_images": NUM, "num_rows": ROWS}
    for name, figure in measured():
        click.echo(f"{name}: {figure}")
        figures[name] = figure
    if out:
        out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
