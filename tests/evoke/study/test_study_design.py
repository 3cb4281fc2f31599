"""A study is balanced, is drawn by its seed, and does not tell the participant whose images are shown."""

import json
from collections import Counter

import pytest

from evoke.study.design import Key, design, questionnaire
from pipeline.emotions import EMOTIONS
from tests.evoke.study.people import METHODS, key_of

KEY = key_of()


def test_every_other_method_has_a_pair_of_each_emotion() -> None:
    seen = Counter((pair.against, pair.emotion) for pair in KEY.pairs.values())
    assert seen == {(method, emotion): 1 for method in METHODS[1:] for emotion in EMOTIONS}


def test_the_groups_of_a_pair_are_of_its_methods_and_emotion_without_an_image_twice() -> None:
    for pair in KEY.pairs.values():
        first, other = (pair.a, pair.b) if pair.first == "a" else (pair.b, pair.a)
        for group, method in ((first, METHODS[0]), (other, pair.against)):
            assert len({image.image_id for image in group}) == 6
            assert all(image.image_id.startswith(f"{method}/{pair.emotion}/") for image in group)
    assert len(KEY.files) == 4 * 8 * 2 * 6


def test_each_form_shows_every_pair_once_with_the_first_method_on_either_side_equally_often() -> None:
    for form in KEY.forms:
        asked = [step for step in form if not step.check]
        assert sorted(step.pair for step in asked) == sorted(KEY.pairs)
        for method in METHODS[1:]:
            steps = [step for step in asked if KEY.pairs[step.pair].against == method]
            assert sum(step.left == KEY.pairs[step.pair].first for step in steps) == 4


def test_forms_come_in_twos_with_the_sides_exchanged_and_other_orders() -> None:
    for one, two in zip(KEY.forms[::2], KEY.forms[1::2], strict=True):
        left, right = ({step.pair: step.left for step in form if not step.check} for form in (one, two))
        assert all(left[name] != right[name] for name in KEY.pairs)
    orders = {tuple(step.pair for step in form if not step.check) for form in KEY.forms}
    assert len(orders) == len(KEY.forms)


def test_the_checks_name_either_side_equally_often() -> None:
    for form in KEY.forms:
        assert Counter(step.check for step in form if step.check) == {"left": 3, "right": 3}


def test_equal_seeds_give_equal_studies_and_others_do_not() -> None:
    assert key_of() == KEY
    assert key_of(seed=1).study != KEY.study


def test_the_page_knows_neither_methods_nor_which_group_is_first() -> None:
    public = json.dumps(KEY.public())
    assert not [method for method in METHODS if method in public]
    assert not [word for word in ("first", "against", "image_id", "seed") if f'"{word}"' in public]
    firsts = Counter(pair.first for pair in KEY.pairs.values())
    assert firsts == {"a": 16, "b": 16}
    assert list(KEY.pairs) == sorted(KEY.pairs)
    numbered = [pair.against for pair in KEY.pairs.values()]
    assert numbered != sorted(numbered, key=METHODS.index)


def test_a_key_that_was_edited_has_another_digest() -> None:
    name = next(iter(KEY.pairs))
    other = KEY.pairs[name].model_copy(update={"first": "a" if KEY.pairs[name].first == "b" else "b"})
    assert KEY.digest == KEY.study
    assert KEY.model_copy(update={"pairs": {**KEY.pairs, name: other}}).digest != KEY.study
    assert Key.model_validate_json(KEY.model_dump_json()) == KEY


def test_only_emotions_that_all_methods_have_are_shown() -> None:
    ids = {"one": {emotion: ["x", "y"] for emotion in EMOTIONS}, "two": {each: ["x", "y"] for each in EMOTIONS[:6]}}
    key = design(ids, questionnaire("uniemo"), 0, group_size=2)
    assert {pair.emotion for pair in key.pairs.values()} == set(EMOTIONS[:6])


@pytest.mark.parametrize(
    ("size", "checks", "message"),
    [(13, 6, "coemogen_emoset has 12 images of amusement, 13 are needed"), (6, 4, "4 attention checks"),
     (6, 9, "allowed are 5 up to the number of pairs, 8")],
)  # fmt: skip
def test_what_cannot_be_designed_is_refused_with_the_number_that_can(size: int, checks: int, message: str) -> None:
    ids = {name: {emotion: [f"{i}" for i in range(12)] for emotion in EMOTIONS} for name in METHODS[:2]}
    with pytest.raises(ValueError, match=message):
        design(ids, questionnaire("coemogen"), 0, size, checks)


@pytest.mark.parametrize(
    ("values", "message"),
    [({"questions": []}, "questions: List should have at least 1"), ({"question": []}, "questions: Field required"),
     ({"questions": [{"name": "Two words", "text": "?"}]}, "questions.0.name"), (None, "valid dictionary"),
     ({"questions": [{"name": "one", "text": "?"}] * 2}, "'one' is given twice")],
)  # fmt: skip
def test_a_wrong_questionnaire_is_refused_by_its_field(values: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        questionnaire(values)
