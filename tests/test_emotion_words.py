"""A name that is no emotion gets those that it means, one that is misspelt the right one, and any other none."""

import pytest

from pipeline.emotion_words import MEANINGS, allowed, suggestions
from pipeline.emotions import EMOTIONS

EKMAN = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
PLUTCHIK = ("joy", "trust", "fear", "surprise", "sadness", "disgust", "anger", "anticipation")
JOYS = ["amusement", "contentment", "excitement"]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("happiness", JOYS), ("joy", JOYS), ("gladness", JOYS), ("ecstasy", ["excitement"]), ("terror", ["fear"]),
        ("rage", ["anger"]), ("loathing", ["disgust"]), ("grief", ["sadness"]), ("wonder", ["awe"]),
        ("danger", ["fear"]), ("Angry", ["anger"]), ("AWE", ["awe"]),
        ("aw", ["awe"]), ("amusment", ["amusement"]), ("excitment", ["excitement"]), ("sadnes", ["sadness"]),
        ("hapiness", JOYS), ("suprise", []),
        ("surprise", []), ("trust", []), ("distrust", []), ("bear", []), ("tear", []), ("beach", []), ("", []),
    ],
)  # fmt: skip
def test_suggestions_go_by_meaning_and_letters_only_by_typing_errors(name: str, wanted: list[str]) -> None:
    assert suggestions(name, EMOTIONS) == wanted


def test_each_name_of_ekman_and_plutchik_is_known_and_each_set_gets_its_own_suggestions() -> None:
    assert {*EKMAN, *PLUTCHIK} <= {*EMOTIONS, *MEANINGS}
    assert suggestions("amusement", EKMAN) == ["happiness"]
    assert suggestions("contentment", PLUTCHIK) == ["joy"]
    assert suggestions("awe", EKMAN) == []


def test_the_end_of_a_message_lists_what_is_allowed_with_or_without_a_suggestion() -> None:
    assert allowed("rage", ("fear", "anger")) == "did you mean 'anger'? Allowed are fear, anger"
    assert allowed("xyz", ("fear", "anger")) == "allowed are fear, anger"
    assert allowed("joy", EMOTIONS).startswith("did you mean 'amusement', 'contentment' or 'excitement'? Allowed are")
    assert allowed("bliss", ("amusement", "contentment")).startswith("did you mean 'amusement' or 'contentment'?")
