"""docs/RESULTS.md says of every grid what it asked and what came out."""

from typing import Any
from xml.etree import ElementTree

import pytest

from experiments import results_others, results_page
from experiments.cell import grid_names, read_grid
from experiments.queue import Entry
from experiments.results_figure import curves
from experiments.results_others import alike_rows, filter_figure
from experiments.results_page import DOCUMENT, FIGURES, document, dose_curve, figure, section, summary

ENTRY = Entry(grid="coemogen_table1", reason="what its parts are worth")
FOUND = {"mean": 0.7, "difference": -0.02, "low": -0.05, "high": 0.01, "resolves": 0.04, "verdict": "unresolved",
         "against": "whole", "by_seed": [-0.03, -0.02, -0.01]}  # fmt: skip
MODERATED = {"verdict": "agrees", "alone": {"low": -0.05, "high": 0.01, "verdict": "unresolved"}}
RESULT: dict[str, Any] = {
    "key": {"code": {}, "data": {}, "weights": {}}, "seeds": [0, 1, 2], "images_per_seed": 1024,
    "rows": {
        "whole": {"emo_a/judge": {"mean": 0.72}},
        "without L_SEM": {"emo_a/judge": FOUND, "sem_c": FOUND | MODERATED},
    },
}  # fmt: skip


def test_the_document_is_what_the_grids_and_their_results_say() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert document() == text, "run `python -m experiments.results_page`"
    assert all(f"## {name}\n" in text for name in grid_names())


def test_the_figures_are_of_the_present_results() -> None:
    drawn = {path.stem: path.read_text(encoding="utf-8") for path in FIGURES.glob("*.svg")}
    named = {name: figure(name) for name in grid_names()} | {
        f"{name}_by_dose": dose_curve(name) for name in grid_names()
    }
    assert drawn == {name: svg for name, svg in named.items() if svg is not None} | {"filter_roc": filter_figure()}


@pytest.mark.parametrize("name", [name for name in grid_names() if "curve" in read_grid(name)])
def test_a_curve_is_of_rows_that_its_grid_has(name: str) -> None:
    grid = read_grid(name)
    drawn = [row for line in grid["curve"]["lines"].values() for row in line.values()]
    assert sorted(drawn) == sorted(grid["rows"])


def test_a_curve_goes_through_the_means_of_the_trainings() -> None:
    svg = ElementTree.fromstring(
        curves("title", "dose", {"one": [(0, [1.0, 3.0]), (10, [4.0, 4.0])], "other": [(0, [0.0])]})
    )
    names = {"svg": "http://www.w3.org/2000/svg"}
    dots = [(float(each.attrib["cx"]), float(each.attrib["cy"])) for each in svg.findall("svg:circle", names)]
    path = svg.findall("svg:polyline", names)[0].attrib["points"].split()
    (left, middle), (right, high) = ([float(end) for end in point.split(",")] for point in path)
    assert {x for x, _ in dots[:2]} == {left}
    assert {x for x, _ in dots[2:4]} == {right}
    assert middle == pytest.approx((dots[0][1] + dots[1][1]) / 2, abs=0.1)
    assert high < middle  # more is further up


def test_a_figure_has_every_interval_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results_page, "read_result", lambda grid: RESULT)
    svg = ElementTree.fromstring(figure("coemogen_table1") or "")
    names = {"svg": "http://www.w3.org/2000/svg"}
    low, high = (float(svg.findall("svg:line", names)[-1].attrib[end]) for end in ("x1", "x2"))
    dot = float(svg.findall("svg:circle", names)[-1].attrib["cx"])
    zero = next(line for line in svg.findall("svg:line", names) if line.attrib["stroke"] == "#555555")
    share = (FOUND["difference"] - FOUND["low"]) / (FOUND["high"] - FOUND["low"])  # type: ignore[operator]
    assert (dot - low) / (high - low) == pytest.approx(share, abs=0.01)
    assert dot < float(zero.attrib["x1"]) < high
    assert "without L_SEM" in {text.text for text in svg.findall("svg:text", names)}


def test_a_row_has_its_direction_its_verdict_and_what_would_resolve_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results_page, "read_result", lambda grid: RESULT)
    lines = list(section(ENTRY))
    assert (
        "| without L_SEM | Emo-A by the judge | 0.700 | -0.020 [-0.050, +0.010] | whole | worse | unresolved (needs 4 "
        in ("\n".join(lines))
    )
    assert "1,024 images each" in "\n".join(lines)
    assert list(summary([ENTRY]))[2:] == [
        "| [coemogen_table1](#coemogen_table1) | what its parts are worth | run | 2 | 1 | 0 |",
        "\nResolved: 1 of 2 different comparisons (50%); 0 by each comparison's own seeds.\n",
        "Of those for which a paper states a direction, 1 agree, 0 disagree and 1 are unresolved; by each "
        "comparison's own seeds 0 agree, 0 disagree and 2 are unresolved.\n",
        "Resolved by the moderated interval alone:",
        "- agrees: without L_SEM against whole, Sem-C -0.020 [-0.050, +0.010] (coemogen_table1)",
        "",
    ]


def test_what_two_grids_repeat_counts_once_and_a_null_world_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results_page, "read_result", lambda grid: RESULT)
    text = "\n".join(summary([ENTRY, ENTRY.model_copy(update={"grid": "dose_sem"})]))
    assert "1 of 2 different comparisons" in text
    assert text.count("- agrees") == 1
    null = "\n".join(summary([ENTRY.model_copy(update={"grid": "null_emotions"})]))
    assert "must vanish and were found all the same: null_emotions: Emo-A by the judge 0 of 1, Sem-C 1 of 1" in null
    assert "different comparisons" not in null


def test_a_stale_result_shows_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results_page, "read_result", lambda grid: RESULT | {"outdated": "with older weights"})
    text = "\n".join(section(ENTRY))
    assert "Stale: with older weights; nothing is shown" in text
    assert "0.7" not in text


def test_trainings_that_two_grids_share_and_ablations_the_mapper_does_not_see_stand_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = {"cosine": [0.9, 0.8], "between": [0.6, 0.7], "emo_a": [0.8, 0.9]}
    other = {**whole, "emo_a": [0.7, 0.7]}
    measured = {"a": {"whole": whole, "without LoRAs": other}, "b": {"first": whole, "second": other}}
    monkeypatch.setattr(results_others, "read_result", lambda name: measured)
    assert [(grid, row) for grid, row, _ in alike_rows()] == [("a", "whole"), ("b", "second")]
