"""Subsets of corpora: `evoke corpus use` sets all that follows, and what is valid is what the DAG can make."""

import shutil
from graphlib import CycleError, TopologicalSorter
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from evoke.cli import main
from evoke.corpus.params import with_corpora
from evoke.preset import laid_over
from experiments.inputs import needs_of, units_of
from pipeline.params import ParamsError, default_values, load_params, parse_params, read_yaml

ROOT = Path(__file__).parents[2]
STAGES: dict[str, Any] = read_yaml(ROOT / "dvc.yaml")["stages"]
NAMES = ("emoset", "emoart", "mine")
SUBSETS = [subset for number in (1, 2, 3) for subset in combinations(NAMES, number)]
GIVEN = (
    "pipeline", "stages", "emotions.yaml", "code", "models/miniature/", "models/pretrained", "data/imports/",
    "data/overrides/", "data/corpora/mine", "metrics/mine.json", "experiments/results",
)  # fmt: skip


def used(names: tuple[str, ...], labelled: str, **more: Any) -> dict[str, Any]:
    values = default_values()
    return laid_over(laid_over(values, with_corpora(values, names, labelled)), more)


def is_valid(values: dict[str, Any]) -> bool:
    try:
        parse_params(values)
    except ParamsError:
        return False
    return True


def can_make(values: dict[str, Any]) -> bool:
    """Return whether every input of every unit is an out of another or is given, and no unit needs itself."""
    units = units_of(STAGES, values)
    try:
        TopologicalSorter(needs_of(units.values())).prepare()
    except CycleError:
        return False
    outs = [out for unit in units.values() for out in unit.outs]
    return all(dep.startswith(GIVEN) or is_made(dep, outs) for unit in units.values() for dep in unit.deps)


def is_made(dep: str, outs: list[str]) -> bool:
    return any(f"{out}/".startswith(f"{dep}/") or f"{dep}/".startswith(f"{out}/") for out in outs)


@pytest.mark.parametrize("labelled", NAMES)
@pytest.mark.parametrize("corpora", SUBSETS, ids="+".join)
def test_a_subset_is_valid_where_the_dag_can_make_it(corpora: tuple[str, ...], labelled: str) -> None:
    values = used(corpora, labelled)
    assert is_valid(values) == can_make(values) == (labelled in corpora and labelled != "emoart")
    methods = [method for method in values["methods"] if method.startswith("coemogen_")]
    assert set(methods) == {f"coemogen_{name}" for name in (labelled, *corpora)}


def test_a_name_that_no_file_could_have_is_refused() -> None:
    with pytest.raises(ParamsError, match=r"corpora = \['Mine'\]: allowed is a list .*, each a name of small letters"):
        parse_params(laid_over(default_values(), {"corpora": ["Mine"]}))


def test_the_default_comes_back() -> None:
    values = used(("mine",), "mine")
    assert laid_over(values, with_corpora(values, ("emoset", "emoart"), "emoset")) == default_values()


@pytest.mark.parametrize(
    ("corpora", "labelled", "change", "said"),
    [
        (("emoset",), "emoset", {"emoart": {"corpora": ["emoart"]}},
         r"emoart.corpora = \['emoart'\]: corpora \(emoset\) has no emoart; set it to \[\]"),
        (("mine",), "mine", {"emoset": {"corpora": ["emoset"]}}, r"corpora \(mine\) has no emoset; set it to \[\]"),
        (("emoset", "emoart"), "emoset", {"emoset": {"corpora": []}}, r"has emoset; set it to \[emoset\]"),
        (("mine",), "emoset", {}, r"corpus = 'emoset': .* learn from it; add it to corpora \(mine\), or name one of"),
        (("emoart", "mine"), "emoart", {}, "it is curated by a classifier that learns from corpus; name emoset or"),
        (("emoset",), "emoset", {"truth_checks": {"corpora": ["emoset"]}}, r"set truth_checks.corpora to \[\], or"),
        (("mine", "emoart", "emoset"), "mine", {"truth_checks": {"corpora": ["emoset"]}}, "or corpus to emoset and"),
        (("mine",), "mine", {"methods": ["uniemo_joint", "coemogen_emoset"]}, r"needs emoset among corpora \(mine\)"),
        (("mine",), "mine", {"grids": {"methods": ["coemogen_emoset"]}}, "grids.methods: coemogen_emoset needs emoset"),
        (("mine",), "mine", {"methods": ["uniemo_joint", "emogan"]}, r"methods.1 = 'emogan': .* nearest is emogen"),
        (("mine",), "mine", {"emogen": {"corpora": ["emoset"]}}, r"baselines learn from corpus; set it to \[mine\]"),
        (("mine",), "mine", {"methods": ["uniemo_joint", "emogen"]}, r"set emogen.corpora to \[mine\]"),
        (("mine",), "mine", {"corpora": ["mine", "mine"]}, "each name at most once"),
    ],
)  # fmt: skip
def test_other_values_are_one_line_that_says_what_to_set(
    corpora: tuple[str, ...], labelled: str, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(ParamsError, match=said) as error:
        parse_params(used(corpora, labelled, **change))
    assert str(error.value).startswith("params.yaml: 1 problem(s)")


def test_baselines_and_drawn_data_follow() -> None:
    values = default_values()
    values = laid_over(values, {"emogen": {"corpora": ["emoset"]}, "methods": [*values["methods"], "emogen"]})
    values = laid_over(values, with_corpora(values, ("mine", "emoart"), "mine"))
    params = parse_params(values)
    assert (params.emogen.corpora, params.dreambooth.corpora) == (("mine",), ())
    assert params.miniature.layouts == ("wikiart", "fi", "emotionroi", "twitter")
    assert params.methods == ("stable_diffusion", "caption_prompts", "coemogen_mine", "coemogen_emoart",
                              "uniemo_joint", "uniemo_feedback", "emogen")  # fmt: skip


def test_the_command_writes_params_and_a_corpus_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    result = CliRunner().invoke(main, ["corpus", "use", "mine"])
    assert "corpora: [emoset, emoart] -> [mine]" in result.output
    assert load_params(Path("params.yaml")).corpus == "mine"
    for command in (["params"], ["repro"]):
        result = CliRunner().invoke(main, command)
        assert result.exit_code == 1
        assert "there is no data/corpora/mine; `evoke corpus add mine FOLDER` makes it" in result.output
