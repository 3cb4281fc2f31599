"""Real stages under every engine: the bytes of their outs are the same, also where an actor dies on the way."""

import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from ruamel.yaml import YAML

from pipeline.params import read_yaml
from tests.corpora.conftest import encoded
from tests.corpora.gallery import models_of_chance, noise, row, write_wikiart

ROOT = Path(__file__).parents[1]
NUM_ROWS, SHARD_IMAGES = 60, 10


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a WikiArt of noise in six runs."""
    folder = tmp_path_factory.mktemp("repository")
    models = models_of_chance(tmp_path_factory.mktemp("models"))
    for name, target in (("pipeline", ROOT / "pipeline"), ("stages", ROOT / "stages"), ("models", models)):
        (folder / name).symlink_to(target)
    values = read_yaml(ROOT / "params.yaml")
    values["emoart"] |= {"folder": "data/wikiart", "shard_images": SHARD_IMAGES, "min_confidence": 0.0, "batch_size": 8}
    values["emoart"] |= {"min_emotion_frac": 0.0}
    with (folder / "params.yaml").open("w") as file:
        YAML().dump(values, file)
    write_wikiart(folder / "data/wikiart", [row(encoded(noise(number))) for number in range(NUM_ROWS)], 6)
    return folder


STAGES = (["stages.emoart", "--item", "emoart"], ["stages.features", "--item", "emoart"])
OUTS = ("data/corpora/emoart", "data/features/emoart", "data/curation")


def outs(repository: Path, **environment: str) -> dict[str, str]:
    """Runs emoart and the features of what it kept, anew; hashes of all files that they leave."""
    hashes = {}
    for name in OUTS:
        shutil.rmtree(repository / name, ignore_errors=True)
    for stage in STAGES:
        command = [sys.executable, "-m", *stage]
        given = {**os.environ, "EVOKE_DEVICE": "cpu", "EVOKE_THREADS": "1", **environment}
        given["PYTHONPATH"] = str(repository)
        done = subprocess.run(command, cwd=repository, env=given, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    for name in OUTS:
        for path in sorted((repository / name).rglob("*.parquet")):
            hashes[str(path.relative_to(repository))] = hashlib.sha256(path.read_bytes()).hexdigest()
    assert len(hashes) > 2 * NUM_ROWS / SHARD_IMAGES
    return hashes


@pytest.fixture(scope="module")
def local(repository: Path) -> dict[str, str]:
    return outs(repository, EVOKE_WORKERS="0")


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_workers_change_no_byte(workers: int, repository: Path, local: dict[str, str]) -> None:
    assert outs(repository, EVOKE_WORKERS=str(workers)) == local


def test_ray_changes_no_byte_and_survives_an_actor(repository: Path, local: dict[str, str]) -> None:
    killed: list[int] = []
    over = threading.Event()
    killer = threading.Thread(target=kill_an_actor, args=(repository, killed, over))
    killer.start()
    try:
        assert outs(repository, EVOKE_ENGINE="ray", EVOKE_ACTORS="2") == local
    finally:
        over.set()
        killer.join()
    assert killed


def kill_an_actor(repository: Path, killed: list[int], over: threading.Event) -> None:
    """Ends the first actor that is seen at work, as a lost machine would. Actors work in the folder of their stage."""
    while not over.is_set() and not killed:
        for process in psutil.process_iter(["cmdline", "cwd"]):
            command: Any = process.info["cmdline"] or [""]
            if command[0].startswith("ray::Maker.make") and process.info["cwd"] == str(repository.resolve()):
                process.kill()
                killed.append(process.pid)
                break
        time.sleep(0.01)


def test_what_is_wrong_with_a_shard_is_one_line_under_ray_too(repository: Path) -> None:
    given = {**os.environ, "EVOKE_ENGINE": "ray", "EVOKE_ACTORS": "0", "PYTHONPATH": str(repository)}
    command = [sys.executable, "-m", "stages.features", "--item", "emoart"]
    done = subprocess.run(command, cwd=repository, env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "error: EVOKE_ACTORS = '0': allowed is a whole number >= 1" in done.stderr
    assert "Traceback" not in done.stderr
