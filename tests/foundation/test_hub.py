"""Models from a hub, from its cache and from a folder: whole, in the format wanted, and without what is not loaded."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.foundation import hub as hub_module
from tests.foundation.hubs import REVISION, fill_cache, hub

ROOT = Path(__file__).parents[2]
FILES = {
    "config.json": b"{}", "part/model.safetensors": b"weights", "model.bin": b"pickle", "model.fp16.safetensors": b"x",
    ".gitattributes": b"", "README.md": b"",
}  # fmt: skip
LOADED = ["config.json", "part/model.safetensors"]


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def download(place: Path, wanted: str = "config.json", **environment: str) -> str:
    """Downloads in a process of its own, as the library reads its variables once; returns its line of error or ""."""
    call = f"hub.download('owner/name', '{REVISION}', Path('out'), {wanted!r})"
    script = f"from pathlib import Path\nfrom pipeline.foundation import hub\ntry:\n    {call}\nexcept ValueError as e:\n    print(e)"  # noqa: E501
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HOME": str(place / "home"), "HF_HUB_DISABLE_XET": "1"}
    ended = subprocess.run([sys.executable, "-c", script], cwd=place, env=variables | environment, check=True,
                           capture_output=True, text=True)  # fmt: skip
    return ended.stdout.strip()


def test_a_download_that_breaks_names_model_and_file_and_goes_on_when_run_again(tmp_path: Path) -> None:
    broken = {"part/model.safetensors"}
    with hub(FILES, broken) as address:
        online = {"HF_ENDPOINT": address, "HF_HUB_OFFLINE": "0"}
        line = download(tmp_path, **online)
        assert "\n" not in line
        assert f"owner/name at {REVISION} is not whole: part/model.safetensors did not arrive (1 of 2 files)" in line
        assert "Run again to go on" in line
        assert not (tmp_path / "out").exists()
        broken.clear()
        assert download(tmp_path, **online) == ""
    assert names(tmp_path / "out") == LOADED
    assert not (tmp_path / "out/config.json").is_symlink()


def test_a_hub_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    with hub(FILES, {"tree"}) as address:
        line = download(tmp_path, HF_ENDPOINT=address, HF_HUB_OFFLINE="0")
    assert "\n" not in line
    assert f"owner/name at {REVISION} is not in Hugging Face's cache, and its list of files did not arrive" in line


def test_a_cache_that_was_filled_elsewhere_is_enough_offline(tmp_path: Path) -> None:
    assert "owner/name" in download(tmp_path, HF_HUB_OFFLINE="1")
    fill_cache(tmp_path / "home", FILES)
    assert download(tmp_path, HF_HUB_OFFLINE="1") == ""
    assert names(tmp_path / "out") == LOADED
    line = download(tmp_path, "open_clip_config.json", HF_HUB_OFFLINE="1")
    assert line == "the hub model owner/name has no open_clip_config.json; choose a model in that format"


def test_a_folder_is_copied_without_pickles_and_links(tmp_path: Path) -> None:
    snapshot = fill_cache(tmp_path, FILES)
    hub_module.copy(snapshot, tmp_path / "out", "config.json")
    assert names(tmp_path / "out") == LOADED
    assert not (tmp_path / "out/config.json").is_symlink()


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, r"has no config\.json"),
        ({"config.json": b"{}", "model.bin": b""}, r"has no \*\*/\*\.safetensors"),
        (
            {"config.json": b"{}", "a.safetensors": b"",
             "m.safetensors.index.json": b'{"weight_map": {"w": "a.safetensors", "v": "b.safetensors"}}'},
            r"has no b\.safetensors, which its m\.safetensors\.index\.json lists",
        ),
    ],
)  # fmt: skip
def test_a_folder_that_is_no_such_model_or_not_whole_is_one_line(
    tmp_path: Path, files: dict[str, bytes], said: str
) -> None:
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=said):
        hub_module.copy(tmp_path, tmp_path / "out", "config.json")
