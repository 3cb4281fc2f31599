"""`evoke params --fix`: missing keys, layout and comments; values and the user's own comments stay."""

import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from evoke.cli import main
from evoke.params_text import Comments, default_comments, descriptions, params_text, read_comments, shown
from pipeline.params import default_values, dotted_keys, read_yaml

ROOT = Path(__file__).parents[2]
GOOD = (ROOT / "params.yaml").read_text()
PATH = Path("params.yaml")


@pytest.fixture(autouse=True)
def _params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", PATH)


def fix() -> Result:
    return CliRunner().invoke(main, ["params", "--fix"])


def test_the_params_of_the_repository_are_what_fix_writes_from_the_defaults() -> None:
    assert read_yaml(ROOT / "params.yaml") == default_values()
    assert params_text(default_values(), default_comments(Comments())) == GOOD
    PATH.write_text("")
    assert fix().exit_code == 0
    assert PATH.read_text() == GOOD


def test_every_key_has_a_comment_of_one_short_line() -> None:
    assert set(descriptions()) == set(dotted_keys())
    assert {key: text for key, text in descriptions().items() if not text or "\n" in text or len(text) > 170} == {}
    assert not [key for key, text in descriptions().items() if re.search(r"\bpictures?\b", text)]


def test_a_file_that_is_right_is_left_alone() -> None:
    assert fix().output == "params.yaml: valid\n"
    assert PATH.read_text() == GOOD


def test_values_and_comments_on_own_lines_stay_and_all_else_is_told() -> None:
    text = GOOD.replace(
        "  rank: 4  # rank of each of the ten", "  # as in my thesis\n  rank: 8  # rank of each of the ten"
    )
    text = re.sub(r"(?m)^  margin:.*\n", "", text).replace("low: 0.2  # minimum", "low: 0.3  # mine: minimum")
    PATH.write_text(f"# my project\n{text}# the end\n")
    result = fix()
    assert result.output.splitlines() == [
        "uniemo_joint.margin: missing -> 0.1",
        "feedback.low: comment replaced: mine: minimum rank, as a fraction of all images (UniEmo: 0.2); in [0, 1]",
        "params.yaml: 4 line(s) written anew",
        "params.yaml: valid",
    ]
    wanted = GOOD.replace(
        "  rank: 4  # rank of each of the ten", "  # as in my thesis\n  rank: 8  # rank of each of the ten"
    )
    wanted = wanted.replace("low: 0.2", "low: 0.3").replace("\nseed: 0", "\n# my project\n\nseed: 0", 1)
    assert PATH.read_text() == wanted + "# the end\n"
    assert fix().output == "params.yaml: valid\n"


def test_a_missing_section_is_completed() -> None:
    PATH.write_text(re.sub(r"(?ms)^grids:.*?\n\n", "", GOOD))
    assert "grids.nouns: missing -> [street, room, bench, book]\n" in fix().output
    assert PATH.read_text() == GOOD


def test_a_section_in_place_of_null_stays_with_its_comments() -> None:
    section = """foundation_vit:  # ViT-B/32
  # published weights
  source: hub
  hub_id: timm/vit_base_patch32_clip_224.openai  # of OpenAI
  hub_revision: 0123456789abcdef0123456789abcdef01234567
"""
    head, _, rest = GOOD.partition("foundation_vit: null")
    recipe = yaml_section(GOOD, "foundation_clip")
    PATH.write_text(head + section + recipe + rest.partition("\n")[2])
    before = read_yaml(PATH)
    assert fix().exit_code == 0
    assert read_yaml(PATH) == before
    assert before["foundation_vit"]["recipe"]["steps"] == 8000
    for kept in ("  # published weights", "timm/vit_base_patch32_clip_224.openai  # of OpenAI"):
        assert kept in PATH.read_text()
    text = PATH.read_text()
    assert fix().exit_code == 0
    assert PATH.read_text() == text


def yaml_section(text: str, name: str) -> str:
    """Return the lines of the recipe in a section of a foundation model."""
    section = text.partition(f"\n{name}:")[2]
    return re.split(r"\n(?=\S)", "  recipe:" + section.partition("\n  recipe:")[2])[0].rstrip() + "\n"


def test_what_dvc_exp_run_has_rewritten_is_mended() -> None:
    from dvc.utils.hydra import apply_overrides

    apply_overrides("params.yaml", ["coemogen.steps=5", "methods=[uniemo_joint]"])
    assert "- emoset\n" in PATH.read_text()
    assert fix().exit_code == 0
    wanted = GOOD.replace("  steps: 300 ", "  steps: 5 ")
    assert PATH.read_text() == re.sub(r"(?m)^methods: \[.*?\]", "methods: [uniemo_joint]", wanted)


@pytest.mark.parametrize(
    ("good", "wrong", "message"),
    [
        ("  rank: 4  # rank of each of the ten", "  rank: 0  #", "coemogen.rank = 0: allowed is a whole number >= 1"),
        (
            "  margin: 0.1",
            "  margn: 0.1",
            "uniemo_joint.margn: unknown key; the nearest right name is uniemo_joint.margin",
        ),
        ("miniature:  #", "miniature: 3\nold:  #", "old: unknown key"),
    ],
)
def test_a_wrong_value_or_an_unknown_key_is_told_and_nothing_is_written(good: str, wrong: str, message: str) -> None:
    PATH.write_text(GOOD.replace(good, wrong, 1))
    before = PATH.read_text()
    result = fix()
    assert result.exit_code == 1
    assert message in result.output
    assert PATH.read_text() == before


def test_a_check_that_misses_a_key_names_fix() -> None:
    PATH.write_text(re.sub(r"(?m)^  margin:.*\n", "", GOOD))
    output = CliRunner().invoke(main, ["params"]).output
    assert "uniemo_joint.margin: missing; allowed is a number >= 0" in output
    assert "`evoke params --fix` completes missing keys" in output


@pytest.mark.parametrize(
    "text",
    ["null", "true", "12", "1e-5", "2001-01-01", "a: b", "a #b", "", " a", "- a", "{S}", 'say "a"', "back\\slash",
     "ä\x07\n", "🎈 {S}", "data/x y.csv", "*a",
     "'", "0x1f", "0x1g", "...", "---", "1_0", "0o7", "+.5", "~", ".inf", "\u2028{S}\x85"],
)  # fmt: skip
def test_any_text_reads_back_as_itself(text: str) -> None:
    values = default_values()
    values["images"]["prompt"] = f"{text}{{S}}" if "{S}" not in text else text
    values["grids"]["nouns"] = [text, "room"]
    PATH.write_text(params_text(values, default_comments(Comments())), encoding="utf-8")
    assert read_yaml(PATH) == values
    before = PATH.read_text(encoding="utf-8")
    assert fix().output.endswith("valid\n")
    assert read_yaml(PATH) == values
    assert PATH.read_text(encoding="utf-8") == before


@pytest.mark.parametrize(
    ("value", "text"),
    [(1e-6, "0.000001"), (1.0, "1.0"), (None, "null"), (True, "true"), (["a", "{S}"], '["a", "{S}"]'), ([], "[]")],
)
def test_values_are_shown_as_yaml_reads_them(value: object, text: str) -> None:
    assert shown(value) == text.replace('"a"', "a")


def test_comments_are_found_in_any_layout() -> None:
    text = (
        "seed: 0 # one\n\n# above\n# twice\n\ncorpora: # two\n  # between\n  - emoset # three\n  - emoart\n"
        "emoset: {folder: 'a # b'} # four\n"
    )
    comments = read_comments(text)
    assert comments.beside == {"seed": "one", "corpora": "two; three", "emoset": "four"}
    assert comments.above == {"corpora": ["# above", "# twice", ""], "emoset": ["# between"]}
    assert comments.end == []
