"""The referee: n behind every printed number, its half-width, and which printed differences n can carry."""

import math
from typing import Any

import pytest

from pipeline.report.papers import PaperTable, TableName, load_papers
from pipeline.report.referee import SAMPLES, Ruling, across, difference_ends, needed, paired_limit, ruling, rulings

NOTHING = ("fid", "lpips", "sem_d")
ONE_SEEDS = {"emo_a/classifier": {"mean": 0.9, "by_seed": [0.01, 0.03, 0.05]}}


@pytest.fixture(scope="module")
def papers() -> dict[TableName, PaperTable]:
    return load_papers()


def found(papers: dict[TableName, PaperTable], name: TableName, row: str, metric: str, **grids: Any) -> Ruling:
    rows = {(each.row, each.metric): each for each in rulings(name, papers[name], grids)}
    return rows[row, metric]


def test_every_printed_number_has_a_ruling_and_n_says_nothing_of_fid_lpips_and_sem_d(
    papers: dict[TableName, PaperTable],
) -> None:
    for name, table in papers.items():
        own = rulings(name, table, {})
        assert len(own) == sum(number is not None for row in table.rows for number in row.numbers)
        for each in own:
            assert (each.half_width is None) == (each.metric in NOTHING)
            assert (each.verdict == "not by n") == (each.metric in NOTHING)
            assert each.difference is None or each.metric not in NOTHING


def test_the_half_widths_are_those_of_8000_17716_and_608_images(papers: dict[TableName, PaperTable]) -> None:
    assert found(papers, "1", "CoEmoGen", "emo_a").half_width == pytest.approx(0.874, abs=0.001)
    assert found(papers, "I", "UniEmo L/14", "accuracy_emoset").half_width == pytest.approx(0.521, abs=0.001)
    emo_a = found(papers, "EC", "EmoCtrl", "ec_emo_a")
    assert (emo_a.sample.n, round(emo_a.number - 3.8, 1), emo_a.half_width) == (608, 60.8, pytest.approx(3.8, abs=0.05))
    assert not SAMPLES["accuracy_fi"].is_stated


def test_a_difference_of_independent_shares_has_the_interval_of_the_normal_distribution_where_n_is_large() -> None:
    low, high = difference_ends(0.8015, 0.7625, 8000)
    half = 1.96 * math.sqrt((0.8015 * 0.1985 + 0.7625 * 0.2375) / 8000)
    assert (low, high) == (pytest.approx(0.039 - half, abs=2e-4), pytest.approx(0.039 + half, abs=2e-4))


UNRESOLVED: tuple[tuple[TableName, str, str, str], ...] = (
    ("2b", "text", "emo_a", "one-hot"), ("2c", "MSE", "emo_a", "cosine"),
    ("V", "Cls + Obj* + Scene* + L_cond", "emo_a", "Cls + Obj* + Scene* + L_ce"),
    ("VI", "both", "emo_a", "no feedback"),
    ("VI", "no feedback", "accuracy_emoset", "both"), ("VIII", "5 %", "accuracy_emoset", "20 %"),
    ("I", "UniEmo B/32", "accuracy_emoset", "EmoVIT"),
)  # fmt: skip
RESOLVED: tuple[tuple[TableName, str, str, str], ...] = (
    ("1", "CoEmoGen", "emo_a", "EmoGen"), ("1", "w/o polarity LoRAs", "emo_a", "CoEmoGen"),
    ("IV", "UniEmo", "emo_a", "EmoGen"), ("EC", "EmoCtrl", "ec_a", "DreamBooth"),
    ("I", "UniEmo L/14", "accuracy_fi", "MVP"), ("I", "UniEmo L/14", "accuracy_emoset", "EmoVIT"),
)  # fmt: skip


@pytest.mark.parametrize(("case", "verdict"), [*((each, "unresolved") for each in UNRESOLVED),
                                               *((each, "resolved") for each in RESOLVED)])  # fmt: skip
def test_each_row_is_held_against_the_row_that_the_paper_names(
    papers: dict[TableName, PaperTable], case: tuple[TableName, str, str, str], verdict: str
) -> None:
    name, row, metric, other = case
    each = found(papers, name, row, metric)
    assert (each.against, each.verdict) == (other, verdict)
    assert (each.needs_n is None) == (verdict == "resolved")


def test_coemogen_over_uniemo_is_unresolved_across_the_papers(papers: dict[TableName, PaperTable]) -> None:
    first, *_ = across(papers, {})
    assert (first.row, first.against, first.verdict) == ("CoEmoGen", "UniEmo (IV)", "unresolved")
    assert first.difference == pytest.approx(0.49)


def test_a_resolved_difference_in_the_other_direction_is_against_the_claim() -> None:
    assert ruling("1", "row", "emo_a", 70.0, ("other", 80.0), 1).verdict == "opposite"
    assert ruling("1", "row", "emo_a", 70.0, ("other", 80.0), -1).verdict == "resolved"


def test_the_n_that_is_needed_resolves_and_a_tenth_less_does_not() -> None:
    n = needed(0.853, 0.8496)
    assert n == 84131
    assert difference_ends(0.853, 0.8496, round(1.01 * n))[0] > 0 > difference_ends(0.853, 0.8496, round(0.9 * n))[0]
    assert needed(0.64, 0.64) is None


def test_the_paired_limit_is_where_mcnemar_turns() -> None:
    limit = paired_limit(0.0034, 17716)
    assert limit is not None
    assert 0.0034 * 17716 / math.sqrt(limit * 17716) == pytest.approx(1.96, abs=1e-3)
    assert paired_limit(0.0001, 17716) is None  # at least the difference itself must differ
    assert paired_limit(0.0, 17716) is None


def test_trainings_hide_what_images_resolve_and_the_experiment_is_named(papers: dict[TableName, PaperTable]) -> None:
    grid = {"rows": {"CoEmoGen": {"emo_a/classifier": {"mean": 0.9}}, "EmoGen": ONE_SEEDS}, "outdated": "old"}
    each = found(papers, "1", "CoEmoGen", "emo_a", methods_table1=grid)
    assert each.spread is not None
    assert (each.spread.grid, each.spread.num_seeds, each.spread.outdated) == ("methods_table1", 3, "old")
    assert each.spread.deviation == pytest.approx(2.0)
    assert each.spread.resolves == pytest.approx(4.303 * 2.0, abs=0.01)  # Student's t with 2 degrees of freedom
    assert (each.verdict, each.verdict_of_trainings) == ("resolved", "unresolved")
    assert found(papers, "1", "Stable Diffusion", "emo_a", methods_table1=grid).verdict_of_trainings == "resolved"
    assert found(papers, "1", "CoEmoGen", "sem_c", methods_table1=grid).spread is None


def test_no_documented_grid_is_needed_and_one_seed_is_no_spread(papers: dict[TableName, PaperTable]) -> None:
    grid = {"rows": {"EmoGen": {"emo_a/classifier": {"mean": 0.9, "by_seed": [0.01]}}}}
    assert found(papers, "1", "CoEmoGen", "emo_a", methods_table1=grid).spread is None


def test_opponents_that_are_not_in_the_table_are_refused() -> None:
    table: dict[str, Any] = {"title": "t", "source": "s", "metrics": ["emo_a"], "proposed": "a"}
    rows = [{"row": "a", "numbers": [1.0], "missing": "-"}, {"row": "b", "numbers": [1.0], "missing": "-"}]
    assert PaperTable.model_validate({**table, "rows": rows}).opponents(
        PaperTable.model_validate({**table, "rows": rows}).rows[0]
    ) == (1, ("b",))
    for wrong, said in (
        ({"over": ["c"]}, "'c'"), ({"over": ["a"]}, "'a'"), ({"over": ["b"], "under": ["b"]}, "not both"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=said):
            PaperTable.model_validate({**table, "rows": [rows[0] | wrong, rows[1]]})
    with pytest.raises(ValueError, match="proposed = 'z'"):
        PaperTable.model_validate({**table, "proposed": "z", "rows": rows})
