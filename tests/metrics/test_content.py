"""EC-A: the noun and the emotion of an image are looked for separately, and both must be there."""

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from pipeline.emotions import EMOTIONS
from pipeline.metrics.columns import vectors
from pipeline.metrics.content import Noun, content_metrics, nouns_of, plan
from pipeline.params import Content

SETTINGS = Content(things=("bench", "trash can=waste_container"), scenes=("street",), num_per_cell=2)


def rows(*cases: tuple[str, str, bool, int, int | None]) -> pa.Table:
    """Return rows of (emotion, kind, whether both judges see the emotion, rank by CLIP, rank by the judge)."""
    eye = np.eye(8, dtype=np.float32)
    seen = [eye[(EMOTIONS.index(emotion) + (not is_felt)) % 8] for emotion, _, is_felt, _, _ in cases]
    return pa.table({
        "image_id": [str(index) for index in range(len(cases))],
        "emotion": [case[0] for case in cases],
        "kind": [case[1] for case in cases],
        "classifier": vectors(np.stack(seen)),
        "judge": vectors(np.stack(seen)),
        "clip_rank": pa.array([case[3] for case in cases], pa.int32()),
        "judge_rank": pa.array([case[4] for case in cases], pa.int32()),
    })  # fmt: skip


def test_both_must_be_right_and_each_share_says_of_how_many() -> None:
    told = content_metrics(
        rows(
            ("awe", "thing", True, 1, 1),
            ("awe", "thing", True, 5, 2),
            ("awe", "scene", False, 2, 1),
            ("awe", "scene", True, 6, 4),
        ),
        top=5,
    )
    assert (told["content/clip"], told["content/judge"]) == (0.75, 0.5)
    assert (told["emo_a/clip"], told["ec_a/clip"], told["ec_a/judge"]) == (0.75, 0.5, 0.25)
    assert (told["ec_a/judge/things"], told["ec_a/judge/scenes"]) == (0.5, 0.0)
    assert (told["ec_a/judge/n"], told["ec_a/judge/things/n"], told["ec_a/judge/awe"]) == (4, 2, 0.25)
    assert told["ec_a/judge/low"] == pytest.approx(0.0456, abs=1e-3)  # Wilson: 1 of 4
    assert told["ec_a/judge/high"] == pytest.approx(0.6994, abs=1e-3)


def test_a_noun_without_a_name_among_the_judges_classes_counts_for_clip_alone() -> None:
    told = content_metrics(rows(("awe", "thing", True, 1, None), ("fear", "thing", True, 1, 1)), top=5)
    assert (told["ec_a/clip/n"], told["ec_a/judge/n"], told["ec_a/judge"]) == (2, 1, 1.0)
    alone = content_metrics(rows(("awe", "thing", True, 1, None)), top=5)
    assert "ec_a/judge" not in alone
    assert alone["ec_a/clip"] == 1.0


def test_every_noun_meets_every_emotion_with_the_same_noise_for_all_methods() -> None:
    one, other = (plan(method, ["awe", "fear"], SETTINGS, 3) for method in ("a", "b"))
    asked = [each for shard in one for each in shard]
    assert len({each.image_id for each in asked}) == len(asked) == 2 * 3 * 2
    assert [each.image_id for each in asked] == sorted(each.image_id for each in asked)
    assert [each.request for each in asked] == [each.request for shard in other for each in shard]
    assert len({each.request.seed for each in asked}) == len(asked)
    assert {each.request.prompt for each in asked} == {"{S} bench", "{S} trash can", "{S} street"}


def test_a_noun_has_the_words_of_the_prompt_and_the_name_of_the_judges() -> None:
    assert nouns_of(SETTINGS)[1:] == (
        Noun("trash can", "waste_container", "thing"), Noun("street", "street", "scene")
    )  # fmt: skip
    with pytest.raises(ValidationError):
        Content(things=("{S}",))
