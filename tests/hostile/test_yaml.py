"""params.yaml and presets: what a YAML may hold beside values, and keys and values that no field has.

Held elsewhere: every key removed, misspelt and of the wrong type (tests/test_params.py), wrong presets
(tests/test_preset.py).
"""

import copy
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.params import ParamsError, dotted_keys, load_params, parse_params, read_yaml

from .running import ROOT, process, refusal, run

GOOD = (ROOT / "params.yaml").read_text(encoding="utf-8")
UNSEEDED = re.sub(r"(?m)^seed:.*$", "", GOOD)
LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
SEEDS = {
    "a list of itself": ("&s [*s]", "seed = [[[...]]]: allowed is a whole number"),
    "5000 hex digits": ("0x" + "f" * 5000, "seed = a number of 20000 bits"),
    "a text of a megabyte": ("x" * 10**6, "seed = 'xxx"),
    "an escape": (r'"\e[31mred"', r"seed = '\x1b[31mred'"),
    "no number": (".nan", "seed = nan"),
    "infinity": (".inf", "seed = inf"),
    "a date": ("2001-09-09", "seed = datetime.date(2001, 9, 9)"),
    "a time of day": ("1:30", "this is text, not a number"),
    "a set": ("!!set {a}", "seed = {'a'}"),
    "true": ("true", "seed = True"),
    "2^63": (str(2**63), "seed = 9223372036854775808"),
}
BROKEN = {
    "1500 lists within each other": UNSEEDED + "\nseed: " + "[" * 1500 + "]" * 1500,
    "1500 open lists": "[" * 1500,
    "3000 sections within each other": "{a: " * 3000 + "1" + "}" * 3000,
    "an object of Python": "!!python/object/apply:os.system ['touch canary']",
    "a call of Python": "!!python/name:os.system",
    "an unknown tag": UNSEEDED + "\nseed: !mine 3",
    "NUL": "seed: \0",
    "a month of 99": UNSEEDED + "\nseed: 2001-99-99",
    "5000 digits": UNSEEDED + "\nseed: " + "9" * 5000,
    "base 64 that is none": UNSEEDED + "\nseed: !!binary abc$",
    "two documents": GOOD + "\n---\n" + GOOD,
    "a key twice": GOOD + "\nseed: 1\n",
    "a merge of a number": "<<: 3\n" + GOOD,
    "an alias of nothing": UNSEEDED + "\nseed: *nothing",
    "a tab": "\tseed: 1",
    "YAML 9.9": "%YAML 9.9\n---\n" + GOOD,
}
KEYS = {"null": "~: 2", "a list": "? [a]\n: 2", "a number": "1: 2", "true": "true: 2", "a date": "2001-01-01: 2",
        "a megabyte": f"? {'k' * 1000}\n: 2"}  # fmt: skip


@pytest.fixture(autouse=True)
def _params(place: Path) -> None:
    shutil.copytree(ROOT / "presets", place / "presets")
    (place / "params.yaml").write_text(GOOD, encoding="utf-8")


def put(text: str) -> None:
    Path("params.yaml").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_yaml_is_one_line_that_names_the_file(name: str) -> None:
    put(BROKEN[name])
    assert refusal("params").startswith("Error: params.yaml: this is not YAML")


@pytest.mark.parametrize(
    "words", [("table", "1"), ("preset", "smoke"), ("captions", "export", "x.csv"), ("oracle", "x")]
)
def test_each_command_that_reads_params_says_the_same(words: tuple[str, ...]) -> None:
    put(BROKEN["5000 digits"])
    assert refusal(*words).startswith("Error: params.yaml: this is not YAML")


@pytest.mark.parametrize("name", SEEDS)
def test_a_hostile_value_is_one_problem_shown_short_with_what_is_allowed(name: str) -> None:
    text, said = SEEDS[name]
    put(f"{UNSEEDED}\nseed: {text}\n")
    result = run("params")
    assert result.exit_code == 1
    assert said in result.output
    assert "allowed is a whole number >= 0" in result.output
    assert len(result.output) < 600
    assert "\x1b" not in result.output


@pytest.mark.parametrize("name", KEYS)
def test_a_key_that_is_no_word_is_an_unknown_key(name: str) -> None:
    put(f"{GOOD}\n{KEYS[name]}\n")
    result = run("params")
    assert result.exit_code == 1
    assert "unknown key; the nearest right name is" in result.output
    assert len(result.output) < 600


def test_aliases_that_would_be_ten_billion_values_are_refused_in_bounded_memory() -> None:
    put(f"{LAUGHS}{UNSEEDED}\nseed: *a11\n")
    ended = process("-m", "evoke", "params", limit_mb=1000)
    assert ended.code == 1
    assert "seed = [[[...]" in ended.output
    assert "a11: unknown key" in ended.output
    assert len(ended.output) < 5000


VALUES: list[Any] = [
    None, True, -1, 10**400, 1e308, "", "x", b"x", [], {}, [[]], [{}], {1: 2}, {None: 1}, [None], {"a": {"b": 1}},
    float("nan"), float("-inf"), ("t",), [[["x"]]], {"x": ["y"]},
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda value: ascii(value)[:20])
def test_no_key_with_any_value_raises_anything_but_a_problem_of_params(value: Any) -> None:
    base = read_yaml(ROOT / "params.yaml")
    refused = 0
    for key in dotted_keys():
        values = copy.deepcopy(base)
        section, names = values, key.split(".")
        for name in names[:-1]:
            section = section[name]
        section[names[-1]] = value
        try:
            parse_params(values)
        except ParamsError as error:
            refused += names[0] in str(error)
    assert refused > 50


@pytest.mark.parametrize("path", [".", "/dev/null", "presets", "nowhere"])
def test_params_that_are_no_file_are_a_line_and_no_traceback(path: str) -> None:
    assert run("params", path).exit_code == 1


@pytest.mark.parametrize(
    "text", ["[1, 2]", "", "3", "text", "a0: &a0 [x]\nseed: *a0", "seed: " + "[" * 1500, "\0",
             "foundation_clip: {source: hub}", "foundation_clip: 3", "1: 2", "corpora: {}"],
    ids=lambda text: ascii(text[:20])
)  # fmt: skip
def test_a_hostile_preset_changes_nothing_and_says_why(text: str) -> None:
    Path("presets/mine.yaml").write_text(text)
    result = run("preset", "mine")
    assert result.exit_code == 1
    assert "yaml" in result.output or "preset" in result.output
    assert Path("params.yaml").read_text(encoding="utf-8") == GOOD


@pytest.mark.parametrize("text", ["[1]", "3", "", "text", "null"])
def test_a_preset_on_params_without_sections_is_one_line(text: str) -> None:
    put(text)
    assert "params.yaml holds no sections" in refusal("preset", "smoke")


@pytest.mark.parametrize("name", ["/etc/passwd", "../../canary", "nowhere", "smoke.yaml", "a" * 200, ""])
def test_a_preset_that_is_none_names_those_there_are(name: str) -> None:
    assert "the presets are desk, desk-xl, full, miniature, paper, paper-literal, paper-xl, smoke, xl" in refusal(
        "preset", name
    )


def test_the_good_file_is_good() -> None:
    assert load_params(Path("params.yaml")).seed == 0
