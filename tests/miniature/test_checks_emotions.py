"""Judges and curation are held against labels and truth, by tables made by hand."""

import numpy as np
import pyarrow as pa
import pytest

from pipeline.emotions import INDEX
from pipeline.miniature.checks import curation_checks, emotion_checks, of_corpus, of_pictures


def sure_of(emotions: list[str], probability: float = 0.79) -> np.ndarray:
    """Probabilities N8 with the most on one emotion each."""
    table = np.full((len(emotions), 8), (1 - probability) / 7)
    table[np.arange(len(emotions)), [INDEX[emotion] for emotion in emotions]] = probability
    return table


def test_accuracies_stand_beside_that_of_bayes_on_the_same_pictures() -> None:
    truth = pa.table(
        {
            "label": ["awe", "fear", "fear", "anger"],
            "emotion": ["awe", "fear", "sadness", "anger"],
            "posterior": sure_of(["awe", "fear", "sadness", "anger"]).tolist(),
        }
    )
    judged = {"judge": sure_of(["awe", "fear", "fear", "anger"]), "classifier": sure_of(["awe"] * 4, 0.3)}
    rates = emotion_checks(judged, truth)
    assert rates["num_test"] == 4
    assert rates["bayes_expected"] == pytest.approx(0.79)
    assert [rates[f"{name}_accuracy"] for name in ("judge", "bayes", "classifier")] == [1, 0.75, 0.25]
    assert [rates[f"{name}_accuracy_true"] for name in ("judge", "bayes", "classifier")] == [0.75, 1, 0.25]
    assert rates["bayes_accuracy_low"] == pytest.approx(0.3006, abs=1e-3)
    assert rates["bayes_accuracy_high"] == pytest.approx(0.9544, abs=1e-3)


@pytest.fixture
def art() -> tuple[pa.Table, pa.Table]:
    """Curated pictures 1 to 6 of a corpus of seven: (emotion, confidence, reason) and what was drawn."""
    rows = [
        ("awe", 0.95, "kept", "awe"),
        ("awe", 1.00, "kept", None),
        ("fear", 0.75, "kept", "sadness"),
        ("fear", 0.60, "unsure", "fear"),
        ("anger", 0.40, "unsure", None),
        ("anger", 0.20, "unsure", "anger"),
        ("anger", 0.92, "rare_emotion", "anger"),
    ]
    emotions, confidence, reasons, drawn = zip(*rows, strict=True)
    ids = [f"{place:06d}" for place in range(1, 8)]
    curation = pa.table({
        "image_id": [f"emoart/{number}" for number in ids],
        "emotion": emotions,
        "confidence": pa.array(confidence, pa.float32()),
        "reason": reasons,
    })  # fmt: skip
    truth = {"image_id": [f"wikiart/{number}" for number in ["000000", *ids]], "emotion": [None, *drawn]}
    return curation, pa.table(truth)


def test_kept_art_is_held_against_what_was_drawn(art: tuple[pa.Table, pa.Table]) -> None:
    rates = curation_checks(art[0], of_corpus(art[1], "emoart"))
    assert (rates["num_art"], rates["num_kept"], rates["kept_share"]) == (7, 3, pytest.approx(3 / 7))
    assert rates["kept_agreement"] == pytest.approx(1 / 3)
    assert rates["kept_agreement_low"] < 1 / 3 < rates["kept_agreement_high"]
    assert rates["kept_no_emotion"] == pytest.approx(1 / 3)
    assert rates["kept_agreement_emotional"] == pytest.approx(1 / 2)
    assert rates["kept_confidence"] == pytest.approx(0.9)


def test_agreement_is_told_by_confidence_whether_kept_or_not(art: tuple[pa.Table, pa.Table]) -> None:
    rates = curation_checks(art[0], of_corpus(art[1], "emoart"))
    bins = ["at_0.00_0.30", "at_0.30_0.50", "at_0.50_0.75", "at_0.75_0.90", "at_0.90_1.00"]
    assert [rates[f"num_{name}"] for name in bins] == [1, 1, 1, 1, 3]
    assert [rates[f"agreement_{name}"] for name in bins] == pytest.approx([1, 0, 1, 0, 2 / 3])
    assert [rates[f"no_emotion_{name}"] for name in bins] == pytest.approx([0, 1, 0, 0, 1 / 3])
    assert rates["confidence_at_0.90_1.00"] == pytest.approx((0.95 + 1 + 0.92) / 3)


def test_where_nothing_is_kept_its_rates_are_left_out(art: tuple[pa.Table, pa.Table]) -> None:
    unsure = art[0].slice(3, 2)
    rates = curation_checks(unsure, of_corpus(art[1], "emoart"))
    assert (rates["num_kept"], rates["kept_share"]) == (0, 0)
    assert not {"kept_agreement", "kept_no_emotion", "agreement_at_0.90_1.00"} & set(rates)
    assert all(np.isfinite(value) for value in rates.values())


def test_truth_is_found_by_picture_under_the_ids_of_the_corpus(art: tuple[pa.Table, pa.Table]) -> None:
    truth = of_corpus(art[1], "emoart")
    wanted = pa.chunked_array([["emoart/000003"], ["emoart/000001"]])
    assert of_pictures(truth, wanted)["emotion"].to_pylist() == ["sadness", "awe"]
    with pytest.raises(AssertionError, match="1 of 1 images"):
        of_pictures(truth, pa.chunked_array([["emoart/999999"]]))
