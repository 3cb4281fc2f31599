"""Foundation models from a folder of one's own and from a hub's cache, by their stages; DVC depends on the folder."""

import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from ruamel.yaml import YAML

from evoke.dag import graph_of
from pipeline.foundation import bundle
from pipeline.params import FoundationClip, Params, ParamsError, parse_params, read_yaml
from pipeline.stage import declaration_of
from tests.foundation.hubs import REVISION, fill_cache
from tests.repository import enter_repository

ROOT = Path(__file__).parents[2]
MARKS = {"clip": "open_clip_config.json", "vit": "open_clip_config.json", "diffusion": "model_index.json",
         "captioner": "config.json"}  # fmt: skip


@pytest.fixture(scope="module")
def own(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of one's own models: here the miniature's, as other programs would save them."""
    folder = tmp_path_factory.mktemp("own")
    for name, source in (("clip", "clip"), ("vit", "clip"), ("diffusion", "diffusion")):
        shutil.copytree(models / "foundation" / source, folder / name)
    bundle.unpack(ROOT / "models/miniature/captioner" / bundle.CAPTIONER, folder / "captioner")
    return folder


@pytest.fixture(autouse=True)
def _repository(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enter_repository(monkeypatch, tmp_path)
    shutil.copytree(models / "foundation/clip", "models/foundation/clip")
    Path("models/miniature").symlink_to(ROOT / "models/miniature")


def run(name: str, section: dict[str, Any], **folders: str) -> Result:
    values = read_yaml(ROOT / "params.yaml")
    values[f"foundation_{name}"] = {
        **(values[f"foundation_{name}"] or FoundationClip().model_dump(mode="json")),
        **section,
    }
    values["foundation_folders"] |= folders
    with Path("params.yaml").open("w") as file:
        YAML().dump(values, file)
    return CliRunner().invoke(import_module(f"stages.foundation_{name}").main, [])


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", MARKS)
def test_a_folder_of_ones_own_becomes_the_foundation_model(name: str, own: Path) -> None:
    result = run(name, {"source": "folder"}, **{name: str(own / name)})
    assert result.exit_code == 0, result.output
    assert files(Path("models/foundation", name)) == files(own / name)


@pytest.mark.parametrize("name", MARKS)
def test_a_folder_of_something_else_or_none_is_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder, said in (("empty", f"empty has no {MARKS[name]}"), ("gone", "the input gone does not exist")):
        result = run(name, {"source": "folder"}, **{name: folder})
        assert result.exit_code == 1
        assert said in result.output
        assert len(result.output.strip().splitlines()) == 1


def test_a_filled_cache_gives_the_model_offline(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "home/hub"))
    hub = {"source": "hub", "hub_id": "owner/name", "hub_revision": REVISION}
    result = run("clip", hub)
    assert result.exit_code == 1
    assert f"the model owner/name at {REVISION} is not in Hugging Face's cache" in result.output
    fill_cache(tmp_path / "home", files(own / "clip"))
    result = run("clip", hub)
    assert result.exit_code == 0, result.output
    assert files(Path("models/foundation/clip")) == files(own / "clip")


@pytest.mark.parametrize("name", MARKS)
def test_dvc_depends_on_the_folder(name: str) -> None:
    deps = read_yaml(ROOT / "dvc.yaml")["stages"][f"foundation_{name}"]["deps"]
    assert f"${{foundation_folders.{name}}}" in deps
    values = Params().model_dump(mode="json")
    values["foundation_folders"][name] = "/data/mine"
    values[f"foundation_{name}"] = FoundationClip(source="folder").model_dump() if name == "vit" else {
        **values[f"foundation_{name}"], "source": "folder"}  # fmt: skip
    params = parse_params(values)
    reads = [
        artifact.locate(f"foundation_{name}", None, params)
        for artifact in declaration_of(f"stages.foundation_{name}").reads
    ]
    assert Path("/data/mine") in reads
    assert graph_of(read_yaml(ROOT / "dvc.yaml")["stages"], "emoset")["foundation_vit"] == ["foundation_clip"]


@pytest.mark.parametrize(
    ("source", "folder", "said"),
    [
        ("folder", "models/miniature/clip", "foundation_folders.clip = 'models/miniature/clip': these are the bundled"),
        ("bundled", "mine", "foundation_clip.source is bundled, so it is not read; set that to folder, or this to"),
    ],
)
def test_source_and_folder_agree(source: str, folder: str, said: str) -> None:
    values = Params().model_dump(mode="json")
    values["foundation_clip"]["source"], values["foundation_folders"]["clip"] = source, folder
    with pytest.raises(ParamsError, match=said):
        parse_params(values)
