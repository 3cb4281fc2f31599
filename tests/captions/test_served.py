"""A captioner behind a server: a real `transformers serve` says what the model says here, and one that dies costs no
more than the shard it was at.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from ruamel.yaml import YAML

from pipeline import stage as stage_module
from pipeline.artifacts import CAPTIONS, EMOSET, read_shards, shard_name, write_table
from pipeline.captions import connection
from pipeline.captions.prompts import VARIANTS, WORDING, prompt
from pipeline.captions.served import ServedCaptioner, captioner_of, load_served
from pipeline.corpora import emoset, pack
from pipeline.emotions import EMOTIONS
from pipeline.features import pictures
from pipeline.foundation import bundle
from pipeline.foundation.captioner import load_captioner
from pipeline.miniature.layouts import write_emoset
from pipeline.miniature.world import World
from pipeline.params import read_yaml
from stages import captions
from tests.captions.servers import GREYS, Reply, Request, at, said, scripted, tone, transformers_server

ROOT = Path(__file__).parents[2]
OUT, NUMBERS = Path(CAPTIONS.of("emoset").path), Path("metrics/captions/emoset.json")
NUM_SHARDS, SHARD_IMAGES = 3, 8


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that the stage reads: a packed EmoSet of three shards, CLIP, the captioner, no own captions."""
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("repository")
    for name in ("pipeline", "stages"):
        (root / name).symlink_to(ROOT / name)
    for model in ("clip", "captioner"):
        bundle.unpack(ROOT / f"models/miniature/{model}/{model}.safetensors", root / "models/foundation" / model)
    assert list(write_emoset(World(0), NUM_SHARDS * SHARD_IMAGES, root / "emoset"))
    for index, one in enumerate(emoset.shards(emoset.plan(root / "emoset"), SHARD_IMAGES, 256)):
        rows = pack.tables(emoset.read(root / "emoset", one))["records"]
        write_table(root / EMOSET.path / shard_name(index), rows, EMOSET.schema)
    (root / "data/overrides").mkdir()
    (root / "data/overrides/captions.csv").write_text("image_id,caption\n")
    return root


@pytest.fixture(autouse=True)
def _environment(repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(repository)
    monkeypatch.setattr(stage_module, "die_with_parent", lambda: None)
    for name in ("EVOKE_CAPTION_SERVER", "EVOKE_CAPTION_CONCURRENCY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("EVOKE_WORK", str(tmp_path / "work"))
    monkeypatch.setenv("EVOKE_DEVICE", "cpu")


@pytest.fixture(scope="module")
def transformers(repository: Path) -> Iterator[str]:
    """A server of the miniature captioner, which it calls `captioner`."""
    with transformers_server(repository / "models/foundation/captioner") as url:
        yield url


def run(served_model: str | None, **changes: Any) -> Result:
    values = read_yaml(ROOT / "params.yaml")
    values["captions"] |= {"served_model": served_model, "batch_size": 4, **changes}
    with Path("params.yaml").open("w") as file:
        YAML().dump(values, file)
    return CliRunner().invoke(captions.main, ["--item", "emoset"])


def made(served_model: str | None) -> tuple[dict[str, bytes], dict[str, float]]:
    """The bytes of each shard that the stage writes, and its metrics."""
    result = run(served_model)
    assert result.exit_code == 0, result.output
    return {path.name: path.read_bytes() for path in OUT.iterdir()}, json.loads(NUMBERS.read_text())


def test_a_served_model_says_what_it_says_here(
    transformers: str, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVOKE_CAPTION_SERVER", transformers)
    images = pictures(read_shards(repository / EMOSET.path, columns=["image"]))
    asked = [prompt(VARIANTS[index % 4], EMOTIONS[index % 8]) for index in range(len(images))]
    here = load_captioner(repository / "models/foundation/captioner")
    alone = [here.caption([image], [text], 77)[0] for image, text in zip(images, asked, strict=True)]
    there = load_served("captioner", 1024)
    assert there.caption(images, asked, 77) == alone
    cut = [there._complete(image, text, 3) for image, text in zip(images[:2], asked[:2], strict=True)]
    said_of = [(choice.message.content.strip(), choice.finish_reason) for choice in (one.choices[0] for one in cut)]
    assert said_of == [(" ".join(text.split()[:3]), "length") for text in alone[:2]]
    assert there.caption(images[:2], asked[:2], 3) == ["", ""], "a caption that was cut is none"


def test_the_stage_writes_the_same_by_a_server_without_loading_the_model(
    transformers: str, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = made(None)
    monkeypatch.setenv("EVOKE_CAPTION_SERVER", transformers)
    weights = repository / "models/foundation/captioner/model.safetensors"
    kept = weights.rename(repository / "weights")
    try:
        assert made("captioner") == here
    finally:
        kept.rename(weights)
    assert len(here[0]) == NUM_SHARDS


def test_a_served_model_is_asked_in_the_wording_for_real_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """The miniature knows a neutral prompt of its own; any other model gets the default less its prior."""
    with scripted(tone) as server:
        monkeypatch.setenv("EVOKE_CAPTION_SERVER", server.url)
        result = run("small", variant="neutral")
    assert result.exit_code == 0, result.output
    assert {request.prompt for request in server.requests} == {WORDING["neutral"]}


def test_a_name_that_a_pinned_server_does_not_have_is_refused(
    transformers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVOKE_CAPTION_SERVER", transformers)
    result = run("captoiner")
    assert result.exit_code == 1
    assert "captions.served_model = 'captoiner'" in result.output
    assert "pinned to 'captioner'" in result.output
    assert result.output.count("\n") == 1


def test_a_server_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run("small")
    assert result.exit_code == 1
    assert "'small': set EVOKE_CAPTION_SERVER to the URL of its server, such as http://localhost" in result.output
    monkeypatch.setenv("EVOKE_CAPTION_SERVER", "localhost:8000/v1")
    with pytest.raises(ValueError, match="EVOKE_CAPTION_SERVER = 'localhost:8000/v1': allowed is a URL"):
        load_served("small", 1024)


def test_without_a_served_model_the_server_is_not_asked_and_this_is_told(
    repository: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("EVOKE_CAPTION_SERVER", "http://127.0.0.1:9/v1")
    assert not isinstance(captioner_of(repository / "models/foundation/captioner", None, 1024), ServedCaptioner)
    assert "captions.served_model is null" in caplog.text


def test_pictures_go_whole_and_are_answered_greedily_in_order_a_few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting, most, lock = 0, 0, Lock()

    def slow(request: Request) -> Reply:
        nonlocal waiting, most
        with lock:
            waiting += 1
            most = max(most, waiting)
        time.sleep(0.02 * (4 - np.asarray(request.image)[0, 0, 0] % 4))
        with lock:
            waiting -= 1
        return tone(request)

    monkeypatch.setenv("EVOKE_CAPTION_CONCURRENCY", "4")
    with scripted(slow) as server:
        said_of = at(server, monkeypatch).caption(GREYS, [f"what is {index}?" for index in range(20)], 33)
    assert said_of == [f"tone {index}" for index in range(20)]
    assert 1 < most <= 4
    for request in server.requests:
        assert (request.body["temperature"], request.body["max_tokens"]) == (0, 33)
        grey = int(request.prompt.removeprefix("what is ").removesuffix("?"))
        assert request.image.format == "JPEG"
        assert np.array_equal(np.asarray(request.image), np.asarray(GREYS[grey]))


def test_a_server_that_dies_half_way_costs_what_was_not_finished(
    repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EVOKE_CAPTION_CONCURRENCY", "2")
    monkeypatch.setattr(connection, "MAX_RETRIES", 1)

    def mortal(request: Request) -> Reply:
        if len(server.requests) <= SHARD_IMAGES + 2:
            return tone(request)
        server.die()
        return Reply(None)

    with scripted(tone) as whole:
        monkeypatch.setenv("EVOKE_CAPTION_SERVER", whole.url)
        uninterrupted = made("small")
    assert len(whole.requests) == NUM_SHARDS * SHARD_IMAGES
    for path in OUT.iterdir():
        path.unlink()
    monkeypatch.setenv("EVOKE_WORK", str(tmp_path / "other"))  # where no answer is kept
    with scripted(mortal) as server:
        monkeypatch.setenv("EVOKE_CAPTION_SERVER", server.url)
        result = run("small")
    assert result.exit_code == 1
    assert f"{server.url} cannot be reached" in result.output
    assert result.output.count("\n") == 1
    assert not list(OUT.iterdir())
    with scripted(tone) as again:
        monkeypatch.setenv("EVOKE_CAPTION_SERVER", again.url)
        assert made("small") == uninterrupted
    assert len(again.requests) == (NUM_SHARDS - 1) * SHARD_IMAGES


@pytest.fixture
def own(repository: Path) -> Iterator[Path]:
    """The file of own captions, which is as before after the test."""
    path = repository / "data/overrides/captions.csv"
    before = path.read_text()
    yield path
    path.write_text(before)


def captions_by_id() -> dict[str, str]:
    table = read_shards(OUT, columns=["image_id", "caption"])
    return dict(zip(table["image_id"].to_pylist(), table["caption"].to_pylist(), strict=True))


def test_an_edited_file_of_own_captions_asks_the_model_for_nothing(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(tone) as server:
        monkeypatch.setenv("EVOKE_CAPTION_SERVER", server.url)
        made("small")
        before = captions_by_id()
        assert len(server.requests) == len(before) == NUM_SHARDS * SHARD_IMAGES
        edited = list(before)[5]
        own.write_text(f"image_id,caption\n{edited},my own words\n")
        made("small")
        assert captions_by_id() == before | {edited: "my own words"}
        assert len(server.requests) == NUM_SHARDS * SHARD_IMAGES, "not one request more"
    own.write_text("image_id,caption\n")
    assert run("small").exit_code == 0, "the server is no longer needed"
    assert captions_by_id() == before
    with scripted(tone) as server:
        monkeypatch.setenv("EVOKE_CAPTION_SERVER", server.url)
        assert run("small", max_new_tokens=99).exit_code == 0
        assert not server.requests, "no answer was cut"
        for number, changes in enumerate(({"variant": "details"}, {"max_new_tokens": 9}), start=1):
            assert run("small", **changes).exit_code == 0
            assert len(server.requests) == number * NUM_SHARDS * SHARD_IMAGES, "a prompt or lower limit is asked anew"


def test_an_edited_file_of_own_captions_does_not_load_the_local_model(
    own: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(None)
    edited, before = next(iter(captions_by_id())), captions_by_id()
    own.write_text(f"image_id,caption\n{edited},my own words\n")
    monkeypatch.setattr("pipeline.foundation.captioner.load_captioner", lambda *_: pytest.fail("it was loaded"))
    made(None)
    assert captions_by_id() == before | {edited: "my own words"}


def test_too_many_empty_captions_cost_no_answer_that_was_one(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The remedies that the error names ask for the empty captions alone, and for none if own ones take their place."""
    refused: list[str] = []

    def choosy(request: Request) -> Reply:
        if len(server.requests) % SHARD_IMAGES:
            return tone(request)
        refused.append("one")
        return said("I'm sorry, but I can't help with that.")

    monkeypatch.setenv("EVOKE_CAPTION_CONCURRENCY", "1")
    with scripted(choosy) as server:
        monkeypatch.setenv("EVOKE_CAPTION_SERVER", server.url)
        result = run("small", max_empty_frac=0.0)
    assert result.exit_code == 1
    assert f"{len(refused)} of {NUM_SHARDS * SHARD_IMAGES} images have no caption, more than" in result.output
    assert result.output.count("\n") == 1
    assert not OUT.exists() or len(captions_by_id()) == NUM_SHARDS * SHARD_IMAGES, "the captions of another run"
    with scripted(lambda _: said("A red boat.", finish_reason="length")) as server:
        monkeypatch.setenv("EVOKE_CAPTION_SERVER", server.url)
        assert run("small", max_empty_frac=0.5).exit_code == 0
        assert len(server.requests) == len(refused)
    empty = [image_id for image_id, caption in captions_by_id().items() if not caption]
    assert len(empty) == len(refused)
    own.write_text("image_id,caption\n" + "".join(f"{image_id},mine\n" for image_id in empty))
    assert run("small", max_empty_frac=0.0).exit_code == 0, "without a server"
    assert [captions_by_id()[image_id] for image_id in empty] == ["mine"] * len(empty)
