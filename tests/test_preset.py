"""Presets: valid, reversible, comments kept, hub models pinned; which keys a whole preset resets and which it keeps."""

import inspect
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from evoke import preset as preset_module
from evoke.params import fixed
from evoke.preset import Preset, apply_preset, laid_over, load_preset, preset
from pipeline.params import ParamsError, default_values, dotted_keys, load_params, read_yaml, schema_of

ROOT = Path(__file__).parents[1]
HEX = "0123456789abcdef0123456789abcdef01234567"
LEAVES = [key for key in dotted_keys() if "properties" not in schema_of(key.split("."))]
DEFAULTS = default_values()
KEPT = {
    "seed", "miniature.seed", "emoset.folder", "emoart.folder", "captions.override", "understanding_scores.fi_folder",
    "understanding_scores.emotionroi_folder", "understanding_scores.twitter_folder",
}  # fmt: skip


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(ROOT / "presets", tmp_path / "presets")
    text = (ROOT / "params.yaml").read_text()
    text = "# first\n" + re.sub(r"source: bundled .*", "source: bundled  # where from", text)
    text = text.replace("  sem_weight:", "  # my reason\n  sem_weight:") + "# last\n"
    (tmp_path / "params.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(preset_module, "resolve_revision", lambda hub_id: HEX)
    return tmp_path


def at(values: dict[str, Any], key: str) -> Any:
    for name in key.split("."):
        values = values[name]
    return values


def other_value(key: str) -> Any:
    """A value that the type of a key allows and that is not its default, if there is one."""
    schema, default = schema_of(key.split(".")), at(DEFAULTS, key)
    choices = [choice for choice in schema.get("anyOf", [schema]) if choice.get("type") != "null"]
    match choices[0]:
        case {"enum": words}:
            return next(word for word in words if word != default)
        case {"type": "boolean"}:
            return not default
        case {"type": "integer"}:
            return (default or 32) + 1
        case {"type": "number"}:
            return (default or 0.5) / 2
        case {"type": "array"}:
            return default[1:] if default else ["emoset"]
        case {"pattern": pattern} if "S" in pattern:
            return f"{default} x"
    return f"{default or 'some'}x"


def changed(keys: list[str]) -> dict[str, Any]:
    """The defaults with another value of each key: not valid as a whole."""
    values = default_values()
    for key in keys:
        *sections, name = key.split(".")
        (at(values, ".".join(sections)) if sections else values)[name] = other_value(key)
    return values


def resolved(name: str) -> dict[str, Any]:
    """Return what a whole preset sets: the defaults with the preset over them."""
    return laid_over(default_values(), load_preset(name, ROOT / "presets").values)


@pytest.mark.parametrize(
    "name", ["miniature", "smoke", "full", "xl", "paper", "paper-literal", "paper-xl", "desk", "desk-xl"]
)
@pytest.mark.parametrize("before", ["miniature", "paper-literal"])
def test_a_file_that_dvc_exp_run_has_rewritten_takes_every_preset_check_and_fix(
    project: Path, before: str, name: str
) -> None:
    from dvc.utils.hydra import apply_overrides

    path = Path("params.yaml")
    apply_preset(path, load_preset(before), {})
    apply_overrides("params.yaml", ["coemogen.steps=5", "coemogen.learning_rate=1e-5"])
    rewritten = path.read_text()
    assert "- emoset\n" in rewritten
    assert load_params(path).coemogen.steps == 5
    apply_preset(path, load_preset(name), {})
    values = read_yaml(path)
    assert load_params(path)
    assert "# my reason\n" in path.read_text()
    assert fixed(path)
    assert fixed(path) == []
    assert read_yaml(path) == values
    path.write_text(rewritten)
    assert fixed(path)
    assert "corpora: [emoset, emoart]  # " in path.read_text()


@pytest.mark.parametrize("name", ["miniature", "smoke", "paper", "paper-literal", "paper-xl", "desk", "desk-xl"])
def test_no_key_survives_a_whole_preset_but_those_it_keeps(name: str) -> None:
    old, defaults, wanted = changed(LEAVES), default_values(), resolved(name)
    assert [key for key in LEAVES if at(old, key) == at(defaults, key)] == []
    values = load_preset(name, ROOT / "presets").applied_to(old)
    survivors = {key for key in LEAVES if at(values, key) != at(wanted, key)}
    assert survivors == (KEPT if name.startswith(("paper", "desk")) else set())
    assert {key: at(values, key) for key in survivors} == {key: at(old, key) for key in survivors}


def test_the_papers_ablations_do_not_survive_the_paper_preset(project: Path) -> None:
    path = Path("params.yaml")
    path.write_text(path.read_text().replace("sem_weight: 1.0", "sem_weight: 0.0").replace("rank: 4", "rank: 64"))
    assert "# my reason\n  sem_weight: 0.0" in path.read_text()
    result = CliRunner().invoke(preset, ["paper"], catch_exceptions=False)
    assert "coemogen.sem_weight: 0.0 -> 1.0\n" in result.output
    params = load_params(path)
    assert (params.coemogen.sem_weight, params.coemogen.rank, params.dreambooth.rank) == (1.0, 4, 4)


def test_a_key_that_is_kept_gets_the_value_of_the_preset_while_it_is_the_default(project: Path) -> None:
    path = Path("params.yaml")
    path.write_text(path.read_text().replace("folder: data/miniature/wikiart", "folder: /art"))
    apply_preset(path, load_preset("paper"), {})
    assert load_params(path).emoset.folder == "data/emoset118k"
    assert load_params(path).emoart.folder == "/art"
    apply_preset(path, load_preset("miniature"), {})
    assert read_yaml(path) == default_values()


@pytest.mark.parametrize(
    ("name", "least"), [("paper", 21), ("paper-literal", 21), ("paper-xl", 4), ("desk", 21), ("desk-xl", 13)]
)
def test_each_key_of_the_paper_presets_says_whose_its_value_is(name: str, least: int) -> None:
    text = (ROOT / f"presets/{name}.yaml").read_text()
    body = re.sub(r"(?m)^preset:.*\n(  .*\n)*", "", text)
    lines = [line for line in body.splitlines() if line and not line.startswith("#")]
    assert len(lines) >= least
    assert [line for line in lines if not re.search(r"  # \w|^\w+:$", line)] == []


def test_the_paper_preset_names_every_key_but_those_of_what_is_not_drawn_or_trained() -> None:
    stated = load_preset("paper", ROOT / "presets").values
    silent = {key for key in LEAVES if not has(stated, key)} - {"seed"}
    assert {key.split(".")[0] for key in silent if ".recipe." not in key} == {"miniature"}


def has(values: Any, key: str) -> bool:
    for name in key.split("."):
        if name not in values:
            return False
        values = values[name]
    return True


def test_help_tells_of_every_preset_whether_it_is_whole() -> None:
    whole, overlays = inspect.cleandoc(preset.help or "").split("Overlays")
    for name in ("miniature", *(path.stem for path in (ROOT / "presets").glob("*.yaml"))):
        told = whole if load_preset(name, ROOT / "presets").is_whole else overlays
        assert f"\n  {name} " in told


def test_full_is_an_overlay_and_keeps_the_rest(project: Path) -> None:
    path = Path("params.yaml")
    path.write_text(path.read_text().replace("sem_weight: 1.0", "sem_weight: 0.5"))
    changes = apply_preset(path, load_preset("full"), {})
    assert {key for key, _, _ in changes} == {"methods", *(f"{name}.corpora" for name in
                                              ("textual_inversion", "dreambooth", "emogen"))}  # fmt: skip
    assert load_params(path).coemogen.sem_weight == 0.5


def test_the_literal_setting_trains_generators_on_all_splits_and_readers_on_train(project: Path) -> None:
    apply_preset(Path("params.yaml"), load_preset("paper-literal"), {})
    params = load_params(Path("params.yaml"))
    assert {params.coemogen.training_splits, params.emogen.training_splits, params.latents.training_splits} == {"all"}
    assert params.uniemo_joint.training_splits == "train"
    literal = params.uniemo_joint
    assert (literal.learning_rate, literal.max_grad_norm, literal.condition_weight) == (0.01, None, 0.3)
    assert (params.correlation.folds, literal.norms) == (1, False)
    assert not hasattr(params.uniemo_understanding, "training_splits")


def test_every_preset_is_valid_and_the_way_back_restores_the_file(project: Path) -> None:
    before = Path("params.yaml").read_text()
    for name in ("desk", "desk-xl", "paper", "smoke", "paper", "paper-literal", "full", "xl", "miniature"):
        result = CliRunner().invoke(preset, [name], catch_exceptions=False)
        assert f"changed to the preset {name}" in result.output
        load_params(Path("params.yaml"))
        assert "# where from" in Path("params.yaml").read_text()
    assert Path("params.yaml").read_text() == before


def test_a_file_in_another_layout_keeps_its_comments(project: Path) -> None:
    path = Path("params.yaml")
    text = path.read_text().replace("corpora: [emoset, emoart]  #", "corpora:  # mine\n  # why\n- emoset  #", 1)
    path.write_text(re.sub(r"(?m)^(- emoset .*)$", r"\1\n- emoart\n", text))
    apply_preset(path, load_preset("smoke"), {})
    assert re.search(r"(?m)^corpora: \[emoset, emoart\]  # mine; corpora to caption", path.read_text())
    assert "# why" in path.read_text()


def test_the_difference_is_shown_key_by_key(project: Path) -> None:
    result = CliRunner().invoke(preset, ["paper"], catch_exceptions=False)
    assert "foundation_clip.source: bundled -> hub\n" in result.output
    assert "miniature.layouts: [emoset, wikiart, fi, emotionroi, twitter] -> []\n" in result.output
    assert f"foundation_clip.hub_revision: null -> {HEX}\n" in result.output
    assert "0 value(s) changed" in CliRunner().invoke(preset, ["paper"], catch_exceptions=False).output


def test_a_preset_of_ones_own_is_an_overlay_or_rests_on_another(project: Path) -> None:
    path = Path("params.yaml")
    path.write_text(path.read_text().replace("polarity_share: 1.0", "polarity_share: 0.5"))
    Path("presets/mine.yaml").write_text("coemogen: {steps: 7}\n")
    assert apply_preset(path, load_preset("mine"), {}) == [("coemogen.steps", 300, 7)]
    assert "polarity_share: 0.5" in path.read_text()
    Path("presets/mine.yaml").write_text("preset: {base: smoke, keeps: [miniature.polarity_share]}\nseed: 3\n")
    apply_preset(path, load_preset("mine"), {})
    params = load_params(path)
    assert (params.seed, params.coemogen.steps, params.miniature.polarity_share) == (3, 4, 0.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("preset: {bse: defaults}", r"mine.yaml: preset.bse: .*; allowed are base, keeps and num_images"),
        ("preset: 3", r"mine.yaml: preset: .*; allowed are base, keeps and num_images"),
        ("preset: {keeps: [seeds]}", r"preset.keeps: seeds: no such key in params.yaml"),
        ("preset: {base: mine}", r"preset.base: the preset mine is based on itself"),
        (
            "preset: {base: yours}",
            r"there is no preset 'yours'; the presets are desk, desk-xl, full, mine, miniature, paper",
        ),
    ],
)
def test_a_wrong_header_is_one_line(project: Path, text: str, message: str) -> None:
    Path("presets/mine.yaml").write_text(text)
    with pytest.raises(ValueError, match=message):
        load_preset("mine")


def test_a_pin_is_given_or_kept_or_resolved(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = HEX[::-1]
    path = Path("params.yaml")
    apply_preset(path, load_preset("paper"), {"foundation_clip": other})
    assert load_params(path).foundation_clip.hub_revision == other
    assert load_params(path).foundation_diffusion.hub_revision == HEX

    def unreachable(hub_id: str) -> str:
        raise ValueError(f"cannot ask the hub for {hub_id}")

    monkeypatch.setattr(preset_module, "resolve_revision", unreachable)
    assert apply_preset(path, load_preset("paper"), {}) == []
    apply_preset(path, load_preset("miniature"), {})
    with pytest.raises(ValueError, match="--revision foundation_clip=<40 hex digits>"):
        apply_preset(path, load_preset("paper"), {})


def test_a_preset_that_makes_wrong_params_changes_nothing(project: Path) -> None:
    before = Path("params.yaml").read_text()
    with pytest.raises(ParamsError, match=r"features\.batch_size = 0"):
        apply_preset(Path("params.yaml"), Preset({"features": {"batch_size": 0}}, is_whole=False), {})
    with pytest.raises(ParamsError, match="hub_revision = 'abc'"):
        apply_preset(Path("params.yaml"), load_preset("paper"), {"foundation_clip": "abc"})
    with pytest.raises(ValueError, match="no hub model of this preset"):
        apply_preset(Path("params.yaml"), load_preset("paper"), {"emoset": HEX})
    assert Path("params.yaml").read_text() == before


def test_an_unknown_key_is_no_preset_s_to_drop(project: Path) -> None:
    path = Path("params.yaml")
    path.write_text(path.read_text().replace("  sem_weight:", "  sem_wieght: 2.0\n  sem_weight:"))
    before = path.read_text()
    with pytest.raises(
        ParamsError, match=r"coemogen\.sem_wieght: unknown key; the nearest right name is coemogen\.sem_w"
    ):
        apply_preset(path, load_preset("paper"), {})
    assert path.read_text() == before


def test_a_missing_key_is_completed_with_its_comment(project: Path) -> None:
    path = Path("params.yaml")
    path.write_text(re.sub(r"(?m)^  margin:.*\n", "", path.read_text()))
    assert ("uniemo_joint.margin", None, 0.1) in apply_preset(path, load_preset("miniature"), {})
    assert "  margin: 0.1  # xi of Eq. 7 (UniEmo: 0.1); >= 0\n" in path.read_text()


def test_an_unknown_preset_names_the_known_ones(project: Path) -> None:
    result = CliRunner().invoke(preset, ["papre"])
    assert "the presets are desk, desk-xl, full, miniature, paper, paper-literal, paper-xl, smoke, xl" in str(
        result.exception
    )


def test_a_hub_that_cannot_be_reached_is_one_line(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub.errors import HTTPError

    def model_info(self: object, hub_id: str) -> None:
        raise HTTPError("name or service not known")

    monkeypatch.undo()
    monkeypatch.chdir(project)
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", model_info)
    before = Path("params.yaml").read_text()
    with pytest.raises(ValueError, match=r"not known\); give it by --revision foundation_clip=<40 hex digits>"):
        apply_preset(Path("params.yaml"), load_preset("paper"), {})
    assert Path("params.yaml").read_text() == before
