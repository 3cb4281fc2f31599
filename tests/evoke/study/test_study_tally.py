"""Known preferences are recovered, and those who do not look are found out."""

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evoke.study.tally import ALL, agreement, judge, krippendorff_alpha, people_needed, plot, preferences
from tests.evoke.study.people import METHODS, answers_of, clicker, key_of, preferring

KEY = key_of()
SHARES = {"emogen": 0.7, "dreambooth": 0.85, "textual_inversion": 0.5, "stable_diffusion": 0.3}


def by_method(generator: np.random.Generator):  # noqa: ANN201
    """Return someone who prefers the first method against each other one by the known share."""
    choosers = {method: preferring(share, generator) for method, share in SHARES.items()}
    return lambda pair, first: choosers[pair.against](pair, first)


def test_a_known_preference_lies_within_the_interval_and_is_told_right() -> None:
    generator = np.random.default_rng(1)
    people, rows = judge(KEY, {f"{n}.json": answers_of(KEY, n, by_method(generator)) for n in range(17)})
    assert not [person.reason for person in people if person.reason]
    table = preferences(KEY, rows).set_index(["against", "question"])
    for method, share in SHARES.items():
        row = table.loc[(method, ALL)]
        assert row["low"] < share < row["high"]
        assert row["answers"] == 17 * 8 * 4
    assert table.loc[("dreambooth", ALL), "verdict"] == "preferred"
    assert table.loc[("stable_diffusion", ALL), "verdict"] == "not preferred"
    assert table.loc[("textual_inversion", ALL), "verdict"] == "unresolved"
    assert table.loc[(ALL, ALL), "preference"] == pytest.approx(np.mean(rows["first"]))


def test_the_interval_holds_the_known_preference_in_most_studies_though_people_differ() -> None:
    small, inside, wilson = key_of(METHODS[:2]), 0, 0
    for seed in range(100):
        generator = np.random.default_rng(seed)
        own = generator.beta(3.5, 1.5, 20)  # the preference of each person, .7 on average
        files = {f"{n}": answers_of(small, n, preferring(share, generator)) for n, share in enumerate(own)}
        _, rows = judge(small, files)
        row = preferences(small, rows).set_index(["against", "question"]).loc[("emogen", ALL)]
        inside += row["low"] < 0.7 < row["high"]
        wilson += row["wilson_low"] < 0.7 < row["wilson_high"]
    assert inside >= 88
    assert wilson < 75  # which takes the answers of a person as independent


def test_people_who_all_agree_do_not_have_an_interval_without_width() -> None:
    _, rows = judge(KEY, {f"{n}": answers_of(KEY, n, lambda pair, first: first) for n in range(6)})
    row = preferences(KEY, rows).set_index(["against", "question"]).loc[("emogen", "fidelity")]
    assert (row["people_low"], row["people_high"]) == (1, 1)
    assert row["low"] < 0.95


def test_too_few_people_give_no_verdict() -> None:
    _, rows = judge(KEY, {f"{n}": answers_of(KEY, n, lambda pair, first: first) for n in range(4)})
    assert set(preferences(KEY, rows)["verdict"]) == {"none: 4 of 5 people"}


def test_someone_who_always_chooses_one_side_is_found_out_by_the_checks() -> None:
    people, rows = judge(KEY, {"left": answers_of(KEY, 0, lambda pair, first: "left", reads=False)})
    assert people[0].reason == "3 of 6 attention checks right"
    assert rows.empty


def test_someone_who_chooses_one_side_but_reads_the_checks_is_found_out_too() -> None:
    for side in ("left", "right"):
        people, rows = judge(KEY, {side: answers_of(KEY, 0, lambda pair, first, side=side: side)})
        assert people[0].reason.startswith(f"left in {100 if side == 'left' else 0}%")
        assert rows.empty


def test_random_clickers_are_found_out_but_for_one_in_twenty() -> None:
    small = key_of(METHODS[:2])
    generator = np.random.default_rng(0)
    files = {f"{n}": answers_of(small, n, clicker(generator), reads=False) for n in range(300)}
    people, _ = judge(small, files)
    assert sum(not person.reason for person in people) < 15


def test_honest_people_are_not_taken_for_one_sided() -> None:
    generator = np.random.default_rng(0)
    for share in (0.5, 0.9):
        people, _ = judge(KEY, {f"{n}": answers_of(KEY, n, preferring(share, generator)) for n in range(100)})
        assert not [person.reason for person in people if person.reason]


def test_files_that_cannot_be_used_are_left_out_with_a_reason() -> None:
    whole = answers_of(KEY, 0, lambda pair, first: first)
    other = whole["answers"][1] | {"side": "up"}
    files = {
        "whole": whole,
        "again": whole,
        "unreadable": "it is not JSON: line 1",
        "list": [],
        "other study": whole | {"study": "0" * 16},
        "no form": whole | {"form": 99},
        "half": whole | {"answers": whole["answers"][:50]},
        "up": whole | {"answers": [whole["answers"][0], other, *whole["answers"][2:]]},
        "a name": whole | {"participant": "=HYPERLINK()"},
        "said": whole | {"about": {"age": "=1+1"}},
    }
    people, rows = judge(KEY, files)
    reasons = {person.file: person.reason for person in people}
    assert reasons["whole"] == ""
    assert reasons["again"] == "the same participant as whole"
    assert reasons["unreadable"] == "not used: it is not JSON: line 1"
    assert "another study" in reasons["other study"]
    assert "50 answers, not the 134" in reasons["half"]
    assert "answers.1.side" in reasons["up"]
    assert all(reasons[name].startswith("not used: ") for name in files if name not in ("whole", "again"))
    assert rows["participant"].unique().tolist() == ["0" * 16]


def test_alpha_of_krippendorffs_examples() -> None:
    """Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", examples A and C (nominal)."""
    meg, owen = (0, 1, 0, 0, 0, 0, 0, 0, 1, 0), (1, 1, 1, 0, 0, 1, 0, 0, 0, 0)
    assert krippendorff_alpha(list(zip(meg, owen, strict=True))) == pytest.approx(0.095, abs=5e-4)
    rows = ["123321412***", "1233224125*3", "*3332342251*", "12332441251*"]
    units = [[value for value in unit if value != "*"] for unit in zip(*rows, strict=True)]
    assert krippendorff_alpha(units) == pytest.approx(0.743, abs=5e-4)


def test_alpha_is_one_for_people_who_agree_near_zero_for_clickers_and_nothing_for_a_constant() -> None:
    _, rows = judge(KEY, {f"{n}": answers_of(KEY, n, lambda pair, first: first) for n in range(5)})
    assert set(agreement(rows).values()) == {1.0}
    generator = np.random.default_rng(0)
    _, rows = judge(KEY, {f"{n}": answers_of(KEY, n, clicker(generator)) for n in range(20)})
    assert abs(agreement(rows)[ALL]) < 0.03
    assert math.isnan(krippendorff_alpha([["a", "a"], ["a", "a"]]))
    assert math.isnan(krippendorff_alpha([["a"], ["b"]]))


def test_the_planned_number_of_people_resolves_four_of_five_studies() -> None:
    small, share, resolved = key_of(METHODS[:2]), 0.65, 0
    spread = 1 / 0.1 - 1  # a beta distribution with this sum correlates two answers of a person by .1
    num = people_needed(share, 8)
    for seed in range(100):
        generator = np.random.default_rng(seed)
        own = generator.beta(share * spread, (1 - share) * spread, num)
        _, rows = judge(
            small, {f"{n}": answers_of(small, n, preferring(each, generator)) for n, each in enumerate(own)}
        )
        table = preferences(small, rows).set_index(["against", "question"])
        resolved += table.loc[("emogen", "fidelity"), "verdict"] == "preferred"
    assert 68 <= resolved <= 95


def test_more_people_are_needed_for_a_smaller_preference_and_where_people_differ() -> None:
    assert people_needed(0.55, 8) > people_needed(0.6, 8) > people_needed(0.6, 32)
    assert people_needed(0.6, 8, deviation=0.4) == math.ceil(2.8**2 * 0.16 / 0.01)
    assert people_needed(0.6, 8, deviation=0.0) == math.ceil(2.8**2 * 0.24 / 8 / 0.01)
    for share in (0.5, 1.0, math.nan):
        with pytest.raises(ValueError, match=r"between \.5 and 1"):
            people_needed(share, 8)


def test_the_figure_is_drawn(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    _, rows = judge(KEY, {f"{n}": answers_of(KEY, n, by_method(generator)) for n in range(6)})
    plot(KEY, preferences(KEY, rows), tmp_path / "preference.png")
    with Image.open(tmp_path / "preference.png") as image:
        assert min(image.size) > 300
