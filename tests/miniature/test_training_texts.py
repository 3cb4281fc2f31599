"""Emotion words in the foundation stream are as weak as on the web (SCIENCE 1.8)."""

import re
from collections import Counter
from functools import cache

import numpy as np
import pytest

from pipeline.emotions import EMOTIONS
from pipeline.miniature import distributions as d
from pipeline.miniature.training_texts import EMOTION_WORDS, EmotionWords, training_text
from pipeline.miniature.truth import Truth
from pipeline.miniature.vocabulary import OBJECTS, SCENES
from pipeline.miniature.world import World

NUM_IMAGES, NUM_TEXTS = 3_000, 40
WORD = re.compile(rf"\b({'|'.join(EMOTIONS)})\b")
TEMPLATES = ("{word}", "an image of {word}", "{word} {noun}", "an image of {word} {noun}", "a {word} {noun}")
WEAK = EmotionWords(rate=0.25, stray_frac=0.4, right_frac=0.8)


def emotion_words(text: str) -> list[str]:
    """Return the emotion words of a text; an amusement park is a scene."""
    return WORD.findall(text.replace("amusement park", "park"))


@cache
def written(words: EmotionWords) -> list[tuple[Truth, str]]:
    world = World(seed=7)
    truths = [world.truth("foundation", index) for index in range(NUM_IMAGES)]
    return [
        (truth, training_text(truth, rng, words))
        for index, truth in enumerate(truths)
        for rng in [np.random.default_rng(index)]
        for _ in range(NUM_TEXTS)
    ]


def with_word(words: EmotionWords) -> list[tuple[Truth, str]]:
    return [(truth, text) for truth, text in written(words) if emotion_words(text)]


def test_one_to_two_percent_of_the_texts_of_the_stream_hold_an_emotion_word() -> None:
    share = len(with_word(EMOTION_WORDS)) / len(written(EMOTION_WORDS))
    assert 0.01 < share < 0.02
    assert share == pytest.approx(d.EMOTION_WORD_RATE, abs=0.001)


@pytest.mark.parametrize("words", [EMOTION_WORDS, WEAK], ids=["stream", "continued"])
def test_a_share_f_of_the_words_stands_on_images_without_an_emotion(words: EmotionWords) -> None:
    held = with_word(words)
    assert len(held) / len(written(words)) == pytest.approx(words.rate, rel=0.05)
    assert np.mean([truth.emotion is None for truth, _ in held]) == pytest.approx(words.stray_frac, abs=0.04)


def test_a_word_on_an_emotional_image_is_right_as_often_as_q_says() -> None:
    said = [(truth.emotion, emotion_words(text)[0]) for truth, text in with_word(WEAK) if truth.emotion]
    by_chance = float((d.PRIOR**2).sum())  # a word drawn from the prior can be the image's own
    right = np.mean([emotion == word for emotion, word in said])
    assert right == pytest.approx(WEAK.right_frac + (1 - WEAK.right_frac) * by_chance, abs=0.02)


def test_words_without_an_emotion_follow_the_prior() -> None:
    said = Counter(emotion_words(text)[0] for truth, text in with_word(WEAK) if truth.emotion is None)
    shares = np.array([said[emotion] for emotion in EMOTIONS]) / said.total()
    assert np.abs(shares - d.PRIOR).max() < 0.01


@pytest.mark.parametrize("words", [EMOTION_WORDS, WEAK], ids=["stream", "continued"])
def test_the_templates_of_the_evaluation_never_occur(words: EmotionWords) -> None:
    """They are the bare word, "an image of" the word, and the word before a noun."""
    nouns = [*OBJECTS.values(), *SCENES.values()]
    templates = {form.format(word=word, noun=noun) for word in EMOTIONS for noun in nouns for form in TEMPLATES}
    for _, text in with_word(words):
        (word,) = emotion_words(text)
        assert text not in templates
        beside = re.sub(rf"^{word}(, | \. )|(, | \. ){word}$", "", text)
        assert not emotion_words(beside), text  # the word stands first or last, with a comma or a full stop between
        assert re.match(r"an? (?!image)\w", beside), text  # a caption, or a part of one with its article


def test_texts_depend_on_image_and_generator_alone() -> None:
    truth = World(seed=7).truth("foundation", 3)
    texts = [[training_text(truth, rng, WEAK) for _ in range(20)] for rng in map(np.random.default_rng, (1, 1, 2))]
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize(
    ("rate", "stray", "right", "said"),
    [(1.5, 0.3, 0.8, "rate is 1.5"), (0.1, -0.1, 0.8, "stray_frac is -0.1"), (0.9, 0.0, 0.8, "3.00 words a text")],
)
def test_impossible_shares_are_refused(rate: float, stray: float, right: float, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        EmotionWords(rate, stray, right)
