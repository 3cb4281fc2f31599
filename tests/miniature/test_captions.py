"""The caption grammar: every word is known, the variants differ as CoEmoGen's Table 2a says."""

import re

import numpy as np
import pytest

from pipeline.captions.prompts import VARIANTS, prompt
from pipeline.miniature.captions import answer, caption, lift, vocabulary_texts
from pipeline.miniature.training_texts import EmotionWords, training_text
from pipeline.miniature.truth import Truth
from pipeline.miniature.vocabulary import OBJECTS
from pipeline.miniature.world import World

NOUNS = {noun: name for name, noun in OBJECTS.items()}


@pytest.fixture(scope="module")
def truths() -> list[Truth]:
    return [World(seed=7).truth("emoset", index) for index in range(600)]


def mentioned(text: str) -> set[str]:
    return {name for noun, name in NOUNS.items() if re.search(rf"\b{noun}\b", text)}


def test_every_word_of_every_text_is_in_the_vocabulary(truths: list[Truth]) -> None:
    known = set(" ".join(vocabulary_texts()).replace(",", " , ").replace(".", " . ").split())
    for index, truth in enumerate(truths):
        rng = np.random.default_rng(index)
        written = (training_text(truth, rng), training_text(truth, rng, EmotionWords(0.25, 0.3, 0.8)))
        for text in (*written, *(answer(truth, variant, truth.emotion, rng) for variant in VARIANTS)):
            assert set(text.replace(",", " , ").split()) <= known, text


def test_a_plain_caption_names_all_that_is_there(truths: list[Truth]) -> None:
    for index, truth in enumerate(truths):
        assert mentioned(caption(truth, np.random.default_rng(index))) == {thing.name for thing in truth.objects}


def test_the_emotion_makes_a_caption_name_what_speaks_for_it(truths: list[Truth]) -> None:
    mean_lift = {}
    for variant in ("neutral", "emotion"):
        texts = [(t, answer(t, variant, t.emotion, np.random.default_rng(i))) for i, t in enumerate(truths)]
        lifts = [lift(name, str(t.emotion)) for t, text in texts for name in mentioned(text)]
        mean_lift[variant] = np.mean(lifts)
    assert mean_lift["emotion"] > 1.2 * mean_lift["neutral"]


def test_only_a_caption_with_the_emotion_imagines_typical_things_and_only_details_are_wrong(
    truths: list[Truth],
) -> None:
    rates = {}
    for variant in VARIANTS:
        wrong = [
            bool(mentioned(answer(t, variant, t.emotion, np.random.default_rng(i))) - {o.name for o in t.objects})
            for i, t in enumerate(truths)
        ]
        rates[variant] = np.mean(wrong)
    assert rates["neutral"] == 0
    assert 0.04 < rates["emotion"] < 0.16
    assert rates["details"] > 0.12
    assert rates["emotion_details"] > rates["details"]


def test_only_prompts_with_the_prior_name_the_emotion() -> None:
    assert ["fear" in prompt(variant, "fear") for variant in VARIANTS] == [False, True, False, True]
