"""Arguments of commands, and files of results that tables and folders of pictures are made of.

Held elsewhere: unknown emotions and weights (tests/evoke/test_generate.py), missing folders (test_curate_command.py,
test_score.py), EmoGen's files, each opcode of a pickle, archives with `..` (tests/evoke/foreign), damaged overrides.
"""

import os
import shutil
from pathlib import Path

import pytest

from evoke.manifest import MANIFEST
from pipeline.artifacts import read_json
from pipeline.generation.request import request

from .running import ROOT, process, refusal, run

ARGUMENTS = {
    "weights that overflow": ("awe=1e308", "fear=1e308", "anger=1e308"),
    "a weight that is no number": ("awe=nan",),
    "an infinite weight": ("awe=inf",),
    "no weight": ("awe=0",),
    "an empty weight": ("awe=",),
    "no name": ("=1",),
    "an escape": ("\x1b[31mawe",),
    "a name of 10,000 letters": ("a" * 10_000,),
    "a billion steps": ("awe", "--steps", 10**9),
    "no step": ("awe", "--steps", 0),
    "a negative step": ("awe", "--steps", -3),
    "a guidance that is no number": ("awe", "--guidance", "nan"),
    "an infinite guidance": ("awe", "--guidance", "inf"),
    "an empty batch": ("awe", "--batch-size", 0),
    "a strength that is no number": ("awe", "--strength", "nan"),
    "an infinite strength": ("awe", "--strength", "inf"),
    "an empty prompt": ("awe", "--prompt", ""),
    "a prompt without a gap": ("awe", "--prompt", "street"),
    "a prompt of a megabyte": ("awe", "--prompt", "street" * 10**5),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_hostile_argument_is_one_line_before_a_model_is_loaded(place: Path, name: str) -> None:
    line = refusal("generate", *ARGUMENTS[name], "--out", "out", "--model", "nowhere")
    assert "nowhere" not in line
    assert len(line) < 400
    assert not (place / "out").exists()


@pytest.mark.parametrize("words", [("-n", 10**12), ("-n", 0), ("-n", "many"), ("--solver", "x"), ("--source", "../x")])
def test_an_option_out_of_range_says_what_is_allowed(words: tuple[object, ...]) -> None:
    result = run("generate", "awe", *words, "--out", "out", "--model", "nowhere")
    assert result.exit_code == 2
    assert "Invalid value for" in result.output


@pytest.mark.parametrize("weight", [1e-320, 5e-324, 1e308, 1.0])
def test_weights_of_any_size_that_can_be_added_are_made_to_sum_to_one(weight: float) -> None:
    assert sum(request({"awe": weight, "fear": weight / 2 or weight}, 0).weights) == pytest.approx(1)


RESULTS = {
    "a list": b"[1]",
    "null": b"null",
    "lists within each other": b"[" * 100_000,
    "objects within each other": b'{"a":' * 100_000,
    "no number": b'{"emo_a/judge": NaN}',
    "a number beyond all": b'{"a": 1e999}',
    "infinity": b'{"emo_a/judge": -Infinity}',
    "an object for a figure": b'{"emo_a/judge": {"a": 1}}',
    "another encoding": b"\xff\xfe{}",
    "5000 digits": b'{"a": 1' + b"0" * 5000 + b"}",
    "nothing": b"",
    "a pickle": b"\x80\x04cos\nsystem\n(S'touch canary'\ntR.",
}
GRIDS = {
    "rows that are a list": b'{"rows": [1]}',
    "a row of numbers": b'{"rows": {"a": {"emo_a/judge": 3}}}',
    "no mean": b'{"rows": {"a": {"emo_a/judge": {}}}, "seeds": [], "images_per_seed": 3}',
    "no seeds": b'{"rows": {"a": {"emo_a/judge": {"mean": 1}}}}',
    "a mean of text": b'{"rows": {"a": {"emo_a/judge": {"mean": "high"}}}, "seeds": [1], "images_per_seed": 3}',
}


@pytest.mark.parametrize("name", RESULTS)
def test_hostile_metrics_are_one_line_that_names_the_file_and_the_remedy(place: Path, name: str) -> None:
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    file = place / "metrics/scores/coemogen_emoset.json"
    file.parent.mkdir(parents=True)
    file.write_bytes(RESULTS[name])
    line = refusal("table", "1")
    assert "metrics/scores/coemogen_emoset.json: " in line
    assert "delete it and run `dvc repro`" in line


@pytest.mark.parametrize("name", [name for name in RESULTS if "figure" not in name] + list(GRIDS))
def test_hostile_results_of_a_grid_are_one_line_that_names_the_file_and_the_remedy(place: Path, name: str) -> None:
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    file = place / "experiments/results/coemogen_table1.json"
    file.parent.mkdir(parents=True)
    file.write_bytes({**RESULTS, **GRIDS}[name])
    line = refusal("table", "1")
    assert "experiments/results/coemogen_table1.json does not hold the results of a grid" in line
    assert "git checkout" in line


def test_a_figure_that_is_text_is_not_measured(place: Path) -> None:
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    (place / "metrics/scores").mkdir(parents=True)
    (place / "metrics/scores/coemogen_emoset.json").write_text('{"emo_a/judge": "high"}')
    result = run("table", "1")
    assert result.exit_code == 0
    assert "high" not in result.output


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_metrics_that_are_no_file_are_not_waited_for(place: Path, make: object) -> None:
    assert callable(make)
    make(place / "x.json")
    with pytest.raises(ValueError, match=r"x\.json does not exist; run `dvc repro` to create it"):
        read_json(place / "x.json")


@pytest.mark.parametrize(
    "text", ["[]", "3", "stages: 3", "stages: {a: 3}", "stages: {a: {params: {params.yaml: [1]}}}", "x: " + "[" * 1500]
)
def test_a_hostile_lock_file_is_one_line(place: Path, text: str) -> None:
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    (place / "dvc.lock").write_text(text)
    assert "dvc.lock" in refusal("table", "1")


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xfe", b"file\n", b"a" * 200_000, b'"open'], ids=lambda data: str(data[:9])
)
def test_a_manifest_of_somebody_else_is_not_written_over(place: Path, data: bytes) -> None:
    (place / "out").mkdir()
    (place / "out" / MANIFEST).write_bytes(data)
    line = refusal("generate", "awe", "--out", "out", "--model", "nowhere")
    assert "manifest.csv" in line or not data
    assert (place / "out" / MANIFEST).read_bytes() == data


COMMANDS = [
    ("validate", "file"), ("import-emogen", "file", "--out", "out"), ("oracle", "file"), ("oracle", "x" * 300),
    ("captions", "import", "nowhere.csv"), ("table", "\x1b[31m"), ("read", "x.jpg", "--model", "nowhere"),
    ("export", "awe", "--format", "kohya", "--out", "out", "--model", "nowhere"),
]  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_a_path_of_another_kind_is_one_line_and_leaves_nothing(place: Path, words: tuple[str, ...]) -> None:
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    (place / "file").write_text("x")
    refusal(*words)
    assert sorted(path.name for path in place.iterdir()) == ["file", "params.yaml"]


def test_a_process_ends_with_one_line_and_status_1_or_2(place: Path) -> None:
    for words, code in ((("validate", "nowhere"), 1), (("generate", "awe"), 2), (("nothing",), 2)):
        ended = process("-m", "evoke", *words)
        assert ended.code == code
        assert "Traceback" not in ended.output
