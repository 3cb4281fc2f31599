"""Models from a hub: at the revision asked for, in the format wanted."""

from pathlib import Path

import pytest

from pipeline.foundation import hub


def test_a_hub_repository_of_another_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}
    weights = ["model.safetensors"]

    def snapshot_download(hub_id: str, local_dir: str, **options: object) -> None:
        asked.update(options, hub_id=hub_id, local_dir=local_dir)
        (Path(local_dir) / ".cache").mkdir(parents=True, exist_ok=True)
        for name in ("config.json", *weights):
            (Path(local_dir) / name).write_text("{}")

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    out, work = tmp_path / "out", tmp_path / "work"
    hub.download("owner/name", "0" * 40, out, work, "config.json")
    assert asked["revision"] == "0" * 40
    assert asked["local_dir"] == str(work / "hub")
    assert sorted(path.name for path in out.iterdir()) == ["config.json", "model.safetensors"]
    with pytest.raises(ValueError, match=r"owner/name.*open_clip_config"):
        hub.download("owner/name", "0" * 40, out, work, "open_clip_config.json")
    (work / "hub/model.safetensors").unlink()
    weights.clear()
    with pytest.raises(ValueError, match=r"has no \*\*/\*\.safetensors"):
        hub.download("owner/name", "0" * 40, out, work, "config.json")


def test_a_connection_that_breaks_is_one_line_and_keeps_what_has_arrived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub.errors import HTTPError

    def snapshot_download(hub_id: str, local_dir: str, **options: object) -> None:
        Path(local_dir).mkdir(parents=True)
        (Path(local_dir) / "config.json").write_text("{}")
        raise HTTPError("the peer closed the connection")

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    with pytest.raises(ValueError, match=r"owner/name.*closed the connection\. Run again to resume"):
        hub.download("owner/name", "0" * 40, tmp_path / "out", tmp_path / "work", "config.json")
    assert (tmp_path / "work/hub/config.json").is_file()
