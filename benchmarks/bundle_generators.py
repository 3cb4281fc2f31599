"""Bundle the generators that the default run has trained, and write into each file how well it does.

    make repro
    python -m benchmarks.bundle_generators

Writes models/miniature/generators/{coemogen_emoset,uniemo_joint}.safetensors. The metadata hold the digest of the
diffusion model, and Emo-A of the images that the default run would make, made with the packed weights and judged by the
run's judge. A test holds it near that of metrics/scores.
"""

import json
import logging
import shutil
import tempfile
from pathlib import Path

import numpy as np

from evoke.bundled import BUNDLE, GENERATORS, pack_generator, unpack_generator
from pipeline.emotion_set import INDEX
from pipeline.foundation.bundle import add_facts, total_bytes
from pipeline.generation.folder import load_foundation, read_meta
from pipeline.generation.images import plan
from pipeline.generation.load import load_generator
from pipeline.generation.sampling import sample, sampling_of
from pipeline.judges.panel import load_judges
from pipeline.params import load_params
from pipeline.runtime import device

NAMES = ("coemogen_emoset", "uniemo_joint")
MODELS = Path("models")

log = logging.getLogger("bundle_generators")


def emo_a(folder: Path, name: str) -> float:
    """Return Emo-A by the judge on pixels of the default run's images of a generator's folder."""
    params = load_params(Path("params.yaml"))
    foundation = load_foundation(MODELS / "foundation/diffusion", MODELS / "foundation/clip", device())
    generator = load_generator(folder, foundation, params.images.source)
    planned = [one for shard in plan(name, generator.emotions, params.images, params.seed) for one in shard]
    images = sample(foundation.base, generator, [one.request for one in planned], sampling_of(params.images))
    seen = load_judges(MODELS / "judges", device()).judge(np.stack(list(images))).emotions
    return float(np.mean(seen.argmax(1) == np.array([INDEX[one.emotion] for one in planned])))


def main() -> None:
    """Bundle and judge the generators."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for name in NAMES:
        file, facts = BUNDLE / GENERATORS / f"{name}.safetensors", {"diffusion": read_meta(MODELS / name)["diffusion"]}
        pack_generator(MODELS / name, file, facts)
        unpacked = Path(tempfile.mkdtemp()) / name
        unpack_generator(file, unpacked)
        figures = {"emo_a/judge": emo_a(unpacked, name)}
        shutil.rmtree(unpacked.parent)
        add_facts(file, {"figures": json.dumps(figures)})
        log.info("%s: %d bytes, Emo-A %.4f", file, file.stat().st_size, figures["emo_a/judge"])
    log.info("%d bytes in all", total_bytes(BUNDLE))


if __name__ == "__main__":
    main()
