"""`--push-to-hub` tells what it would send, sends it with --yes alone, and gives one line for each way to fail."""

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from huggingface_hub import constants

from evoke import hub as module
from evoke.hub import Push, push_options, send
from evoke.origin import origin_of
from tests.evoke.hub_server import TOKEN, Hub, running

FILES = {"README.md": b"---\nlicense: apache-2.0\n---\n# a\n", "awe.safetensors": b"\0" * 5000, "data/train.csv": b"p"}


@click.command()
@click.option("--kind", default="model")
@push_options
def command(kind: str, push_to_hub: Push | None) -> None:
    """Send the files of the folder `written`, as `evoke export` and `evoke curate` do."""
    if push_to_hub:
        folder = Path("written")
        send(push_to_hub, kind, folder, [path for path in folder.rglob("*") if path.is_file()])


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub, a folder of files, a token, and no way but HTTP."""
    monkeypatch.chdir(tmp_path)
    for name, data in FILES.items():
        Path("written", name).parent.mkdir(parents=True, exist_ok=True)
        Path("written", name).write_bytes(data)
    monkeypatch.setattr(module, "OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)  # as after a model was loaded
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with running() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.address)
        yield server


def run(*words: str) -> Result:
    return CliRunner().invoke(command, ["--push-to-hub", "me/awe", *words])


def test_without_yes_nothing_is_sent_and_files_and_sizes_are_told(hub: Hub) -> None:
    result = run()
    assert result.exit_code == 0
    assert [line.split() for line in result.output.splitlines()[:3]] == [
        ["32", "B", "README.md"], ["5.0", "kB", "awe.safetensors"], ["1", "B", "data/train.csv"],
    ]  # fmt: skip
    assert "3 files, 5.0 kB would go to me/awe on the Hub; nothing is sent without --yes" in result.output
    assert hub.num_requests == 0


@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_with_yes_the_repository_holds_the_files(hub: Hub, kind: str) -> None:
    result = run("--yes", "--kind", kind)
    assert result.exit_code == 0, result.output
    assert hub.repositories == {f"{kind}s/me/awe": FILES}
    assert "sent: http" in result.output


def test_an_existing_repository_is_added_to_with_update_only(hub: Hub) -> None:
    hub.repositories["models/me/awe"] = {"old": b""}
    result = run("--yes")
    assert str(result.exception) == "me/awe was not written: the repository exists; pass --update to add to it"
    assert hub.repositories == {"models/me/awe": {"old": b""}}
    assert run("--yes", "--update").exit_code == 0
    assert hub.repositories == {"models/me/awe": {"old": b"", **FILES}}


@pytest.mark.parametrize(
    ("token", "status", "said"),
    [
        ("", 200, "there is no token; run `hf auth login`, or set HF_TOKEN"),
        ("hf_wrong", 200, "me/awe was not written: the Hub does not accept the token"),
        (TOKEN, 403, "me/awe was not written: the token may not write there"),
        (TOKEN, 500, "me/awe was not written: "),
    ],
)
def test_what_fails_is_one_line(hub: Hub, monkeypatch: pytest.MonkeyPatch, token: str, status: int, said: str) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    hub.status = status
    error = run("--yes").exception
    assert isinstance(error, ValueError)
    assert said in str(error)
    assert "\n" not in str(error)
    assert hub.repositories == {}


def test_no_hub_offline_and_no_name_are_one_line(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert "me/awe was not written: " in str(run("--yes").exception)
    monkeypatch.setattr(module, "OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in str(run("--yes").exception)
    assert "wanted ORG/NAME" in str(CliRunner().invoke(command, ["--push-to-hub", "awe"]).exception)
    assert "concern --push-to-hub" in str(CliRunner().invoke(command, ["--yes"]).exception)


LOCK = """
stages:
  foundation_diffusion:
    params:
      params.yaml:
        foundation_diffusion: {{source: {source}, hub_id: {hub_id}}}
"""


def test_the_origin_of_a_model_is_that_of_the_last_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name, model = "stable-diffusion-v1-5/stable-diffusion-v1-5", Path("models/coemogen_emoset")
    Path("dvc.lock").write_text(LOCK.format(source="hub", hub_id=name))
    bundled = origin_of(model, None, None, None, ())
    assert (bundled.base_model, bundled.base, bundled.licence) == (None, "models/foundation/diffusion", "apache-2.0")
    model.mkdir(parents=True)
    assert origin_of(model, None, None, None, ()).base_model == name
    assert origin_of(model, None, None, None, ()).licence == "creativeml-openrail-m"
    assert origin_of(model, None, "me/base", "mit", ("me/data",)).licence == "mit"
    own = origin_of(model, Path("mine"), None, None, ())
    assert (own.base_model, own.base, own.licence) == (None, "mine", None)
    Path("dvc.lock").write_text(LOCK.format(source="bundled", hub_id="null"))
    assert origin_of(model, None, None, None, ()).base == "models/foundation/diffusion"
