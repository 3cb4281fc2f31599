"""Models from a hub: at the revision asked for, in the format wanted."""

from pathlib import Path

import pytest

from pipeline.foundation import hub


def test_a_hub_repository_of_another_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}

    def snapshot_download(hub_id: str, **options: object) -> None:
        asked.update(options, hub_id=hub_id)
        (tmp_path / ".cache").mkdir()
        (tmp_path / "config.json").write_text("{}")

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    hub.download("owner/name", "0" * 40, tmp_path, "config.json")
    assert asked["revision"] == "0" * 40
    assert not (tmp_path / ".cache").exists()
    with pytest.raises(ValueError, match=r"owner/name.*open_clip_config"):
        hub.download("owner/name", "0" * 40, tmp_path, "open_clip_config.json")
