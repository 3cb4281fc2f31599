"""Presets: valid, reversible, comments kept, hub models pinned."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from evoke import preset as preset_module
from evoke.preset import apply_preset, preset
from pipeline.params import ParamsError, load_params, read_yaml

ROOT = Path(__file__).parents[1]
HEX = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(ROOT / "presets", tmp_path / "presets")
    shutil.copy(ROOT / "presets" / "miniature.yaml", tmp_path / "params.yaml")
    text = "# first\n" + (tmp_path / "params.yaml").read_text().replace(
        "source: bundled", "source: bundled  # where from"
    )
    (tmp_path / "params.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(preset_module, "resolve_revision", lambda hub_id: HEX)
    return tmp_path


def keys_of(values: dict[str, Any], prefix: str = "") -> set[str]:
    return {
        found
        for key, value in values.items()
        for found in (keys_of(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key})
    }


def test_the_params_of_the_repository_are_the_miniature() -> None:
    assert read_yaml(ROOT / "params.yaml") == read_yaml(ROOT / "presets" / "miniature.yaml")


def test_paper_and_smoke_name_the_same_keys_so_either_undoes_the_other() -> None:
    assert keys_of(read_yaml(ROOT / "presets/paper.yaml")) == keys_of(read_yaml(ROOT / "presets/smoke.yaml"))


def test_every_preset_is_valid_and_the_way_back_restores_the_file(project: Path) -> None:
    before = Path("params.yaml").read_text()
    for name in ("paper", "smoke", "paper", "miniature"):
        result = CliRunner().invoke(preset, [name], catch_exceptions=False)
        assert f"changed to the preset {name}" in result.output
        load_params(Path("params.yaml"))
        assert "# where from" in Path("params.yaml").read_text()
    assert Path("params.yaml").read_text() == before


def test_the_difference_is_shown_key_by_key(project: Path) -> None:
    result = CliRunner().invoke(preset, ["paper"], catch_exceptions=False)
    assert "foundation_clip.source: bundled -> hub\n" in result.output
    assert "miniature.layouts: [emoset, wikiart, fi, emotionroi, twitter] -> []\n" in result.output
    assert f"foundation_clip.hub_revision: null -> {HEX}\n" in result.output
    assert "0 value(s) changed" in CliRunner().invoke(preset, ["paper"], catch_exceptions=False).output


def test_what_a_preset_does_not_name_stays(project: Path) -> None:
    path = Path("params.yaml")
    path.write_text(path.read_text().replace("polarity_share: 1.0", "polarity_share: 0.5"))
    apply_preset(path, read_yaml(Path("presets/paper.yaml")), {})
    assert "polarity_share: 0.5" in path.read_text()


def test_a_pin_is_given_or_kept_or_resolved(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = HEX[::-1]
    path = Path("params.yaml")
    apply_preset(path, read_yaml(Path("presets/paper.yaml")), {"foundation_clip": other})
    assert load_params(path).foundation_clip.hub_revision == other
    assert load_params(path).foundation_diffusion.hub_revision == HEX

    def unreachable(hub_id: str) -> str:
        raise ValueError(f"cannot ask the hub for {hub_id}")

    monkeypatch.setattr(preset_module, "resolve_revision", unreachable)
    assert apply_preset(path, read_yaml(Path("presets/paper.yaml")), {}) == []
    apply_preset(path, read_yaml(Path("presets/miniature.yaml")), {})
    with pytest.raises(ValueError, match="--revision foundation_clip=<40 hex digits>"):
        apply_preset(path, read_yaml(Path("presets/paper.yaml")), {})


def test_a_preset_that_makes_wrong_params_changes_nothing(project: Path) -> None:
    before = Path("params.yaml").read_text()
    with pytest.raises(ParamsError, match=r"features\.batch_size = 0"):
        apply_preset(Path("params.yaml"), {"features": {"batch_size": 0}}, {})
    with pytest.raises(ParamsError, match="hub_revision = 'abc'"):
        apply_preset(Path("params.yaml"), read_yaml(Path("presets/paper.yaml")), {"foundation_clip": "abc"})
    with pytest.raises(ValueError, match="no hub model of this preset"):
        apply_preset(Path("params.yaml"), read_yaml(Path("presets/paper.yaml")), {"emoset": HEX})
    assert Path("params.yaml").read_text() == before


def test_an_unknown_preset_names_the_known_ones(project: Path) -> None:
    result = CliRunner().invoke(preset, ["papre"])
    assert "the presets are full, miniature, paper, smoke" in str(result.exception)


def test_a_hub_that_cannot_be_reached_is_one_line(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub.errors import HTTPError

    def model_info(self: object, hub_id: str) -> None:
        raise HTTPError("name or service not known")

    monkeypatch.undo()
    monkeypatch.chdir(project)
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", model_info)
    before = Path("params.yaml").read_text()
    with pytest.raises(ValueError, match=r"not known\); give it by --revision foundation_clip=<40 hex digits>"):
        apply_preset(Path("params.yaml"), read_yaml(Path("presets/paper.yaml")), {})
    assert Path("params.yaml").read_text() == before
