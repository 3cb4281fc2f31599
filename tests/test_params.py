"""params.yaml: every key removed, misspelt, of the wrong type and out of range, generated from the classes."""

import copy
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.params import Params, ParamsError, default_values, dotted_keys, load_params, parse_params, schema_of

ROOT = Path(__file__).parents[1]
KEYS = list(dotted_keys())
DEFAULTS = default_values()


def holder(values: dict[str, Any], key: str) -> tuple[dict[str, Any], str]:
    """The mapping that holds a dotted key, and its last name."""
    *sections, name = key.split(".")
    for section in sections:
        values = values[section]
    return values, name


def with_value(key: str, value: Any) -> dict[str, Any]:
    values = copy.deepcopy(DEFAULTS)
    section, name = holder(values, key)
    section[name] = value
    return values


def wrong_values(key: str) -> list[Any]:
    """Values that a key must refuse, from its JSON schema: other types, and beyond each bound."""
    schema = schema_of(key.split("."))
    kinds = {choice.get("type") for choice in schema.get("anyOf", [schema])}
    wrong: list[Any] = [{"x": 1}, 1.5 if kinds == {"integer"} else [[]]]
    wrong += [] if "null" in kinds else [None]
    wrong += [True, "1e-4"] if kinds - {"null"} <= {"integer", "number"} else [3]
    wrong += ["", "nonsense"] if "enum" in schema else []
    for bound, beyond in (("minimum", -1), ("exclusiveMinimum", 0), ("maximum", 1), ("exclusiveMaximum", 0)):
        wrong += [schema[bound] + beyond] if bound in schema else []
    return wrong + ([float("nan"), float("inf")] if kinds == {"number"} else [])


def test_the_params_of_the_repository_are_valid() -> None:
    assert isinstance(load_params(ROOT / "params.yaml"), Params)


@pytest.mark.parametrize("key", KEYS)
def test_a_missing_key_is_named(key: str) -> None:
    values = copy.deepcopy(DEFAULTS)
    section, name = holder(values, key)
    del section[name]
    with pytest.raises(ParamsError, match=rf"{key}: missing"):
        parse_params(values)


@pytest.mark.parametrize("key", KEYS)
def test_a_misspelt_key_is_told_the_nearest_right_name(key: str) -> None:
    values = copy.deepcopy(DEFAULTS)
    section, name = holder(values, key)
    section[f"{name}_x"] = section.pop(name)
    with pytest.raises(ParamsError, match=rf"{key}_x: unknown key; the nearest right name is {key}\b"):
        parse_params(values)


@pytest.mark.parametrize(("key", "value"), [(key, value) for key in KEYS for value in wrong_values(key)])
def test_a_wrong_value_is_refused_with_what_is_allowed(key: str, value: Any) -> None:
    with pytest.raises(ParamsError) as error:
        parse_params(with_value(key, value))
    assert any(line.startswith(f"  {key}") for line in str(error.value).splitlines())


def test_every_problem_is_listed_at_once() -> None:
    values = with_value("features.batch_size", 0)
    values["captions"]["variant"] = "emotional"
    del values["seed"]
    with pytest.raises(ParamsError) as error:
        parse_params(values)
    lines = str(error.value).splitlines()
    assert lines[0] == "params.yaml: 3 problem(s)"
    assert "  features.batch_size = 0: allowed is a whole number >= 1 and <= 65536" in lines
    assert any(line.startswith("  captions.variant = 'emotional': allowed is one of neutral,") for line in lines)


@pytest.mark.parametrize(
    ("key", "value", "nearest"),
    [("captions.variant", "emtion", "emotion"), ("miniature.layouts", ["wikart"], "wikiart")],
)
def test_a_misspelt_choice_is_told_the_nearest(key: str, value: Any, nearest: str) -> None:
    with pytest.raises(ParamsError, match=rf"{key}.*; the nearest is {nearest}\b"):
        parse_params(with_value(key, value))


def test_a_number_that_came_as_text_is_explained() -> None:
    with pytest.raises(ParamsError, match=r"this is text, not a number: write 0\.0001 without quotes"):
        parse_params(with_value("foundation_clip.recipe.learning_rate", "1e-4"))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("scores.lpips_heads", "a.safetensors", "lpips_heads = 'a.safetensors': heads need AlexNet; name it"),
        ("scores.protocols", ["clean", "clean"], "each name at most once"),
        ("scores.protocols", ["clean-fid"], "inception_weights = None: it is FID by Inception; name its weights"),
        ("judges.half", "both", "the emotion classifier learns from 'first'; take `first` for one and `second`"),
        ("emotion_classifier.half", "both", "learns from 'both'; take `first` for one"),
        ("foundation_clip.source", "hub", "foundation_clip.hub_id = None: must be given when source is hub"),
        ("foundation_clip.hub_id", "a/b", "foundation_clip.hub_id = 'a/b': must be null when source is bundled"),
        ("miniature.layouts", ["wikiart"], "truth_checks.corpora: emoset needs both drawn layouts"),
        ("miniature.layouts", ["emoset", "emoset"], "each name at most once"),
        (
            "miniature.layouts",
            ["emoset", "wikiart", "fi", "twitter"],
            "emotionroi_folder = .*: nothing draws it; add e",
        ),
        ("understanding_scores.datasets", ["fi", "fi"], "datasets = .*: each name at most once"),
    ],
)
def test_rules_between_fields_are_checked(key: str, value: Any, message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        parse_params(with_value(key, value))


HUB = {"source": "hub", "hub_id": "timm/vit_base_patch32_clip_224.openai", "hub_revision": "0" * 40}


def test_foundation_vit_is_null_or_a_section_that_is_checked_as_any_other() -> None:
    assert parse_params(with_value("foundation_vit", None)).foundation_vit is None
    found = parse_params(with_value("foundation_vit", HUB)).foundation_vit
    assert found is not None
    assert found.hub_id == HUB["hub_id"]
    recipe = with_value("foundation_vit", None)["foundation_clip"]["recipe"]
    trained = {"source": "train", "hub_id": None, "hub_revision": None, "recipe": recipe | {"text_width": 512}}
    assert parse_params(with_value("foundation_vit", trained)).foundation_vit.recipe.text_width == 512
    for wrong, message in (
        ({**HUB, "hub_id": None}, "foundation_vit.hub_id = None: must be given when source is hub"),
        ({**HUB, "hub": 1}, "foundation_vit.hub: unknown key; the nearest right name is foundation_vit.hub_id"),
        ({**HUB, "source": "hubs"}, "foundation_vit.source = 'hubs': allowed is .*; the nearest is hub"),
        ({**trained, "recipe": {**recipe, "steps": 0}}, "foundation_vit.recipe.steps = 0: allowed is a whole number"),
        ("bundled", "foundation_vit = 'bundled': allowed is a section with the keys source, hub_id.* or null"),
    ):
        with pytest.raises(ParamsError, match=message):
            parse_params(with_value("foundation_vit", wrong))


@pytest.mark.parametrize("heads", [None, "b.safetensors"])
def test_alexnet_may_stand_without_heads_of_its_own(heads: str | None) -> None:
    values = with_value("scores.alexnet_weights", "a.safetensors")
    values["scores"]["lpips_heads"] = heads
    assert parse_params(values).scores.lpips_heads == heads


def test_log_probabilities_are_refused_for_emogen_which_weighs_by_shares() -> None:
    values = with_value("correlation.value", "log_probability")
    assert parse_params(values).correlation.value == "log_probability"
    values["emogen"]["corpora"] = ["emoset"]
    with pytest.raises(ParamsError, match=r"correlation.value = 'log_probability': emogen weighs .* take probability"):
        parse_params(values)


def test_a_folder_that_nothing_draws_is_refused() -> None:
    values = with_value("miniature.layouts", [])
    values["truth_checks"]["corpora"] = []
    with pytest.raises(ParamsError, match=r"emoset.folder = 'data/miniature/emoset': nothing draws it"):
        parse_params(values)


@pytest.mark.parametrize("text", ["seed: [1", "seed: 1\nseed: 2\n", "- 1\n", "", "\x00"])
def test_a_file_that_is_no_mapping_is_one_clear_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(ParamsError, match=r"params\.yaml"):
        load_params(path)
    with pytest.raises(ParamsError, match="there is no such file"):
        load_params(tmp_path / "none.yaml")


def test_every_field_says_what_it_is() -> None:
    undescribed = [key for key in KEYS if "description" not in schema_of(key.split("."))]
    assert not undescribed


def test_a_wrong_key_answers_within_a_second_and_without_torch(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text().replace("drop_fraction", "drop_fractoin"))
    code = (
        "import sys, pathlib; from pipeline.params import load_params\n"
        "try: load_params(pathlib.Path('params.yaml'))\n"
        "except ValueError as error: print(error); print('torch' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    begin = os.times()
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    end = os.times()  # of a core, whatever else the machine does
    assert "the nearest right name is caption_filter.drop_fraction" in done.stdout
    assert done.stdout.endswith("False\n")
    assert end.children_user + end.children_system - begin.children_user - begin.children_system < 1.0


def test_params_hold_values_alone() -> None:
    """A property would be code of the stages that use it, and params.py is left out of it (pipeline/closure.py)."""
    assert "@property" not in (ROOT / "pipeline/params.py").read_text()
