"""Write the texts of the foundation stream, from which CLIP and the U-Net learn words.

Emotion words are as weak there as on the web (SCIENCE 1.8): they are rare, some stand on images without any emotion,
and not all of the others are right. A word stands loosely beside a caption or a part of one. The forms in which an
evaluation prompts an emotion (the bare word, "an image of" the word, the word before a noun) never occur.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.captions.prompts import VARIANTS
from pipeline.emotions import EMOTIONS
from pipeline.miniature import distributions as d
from pipeline.miniature.captions import answer, caption, painting, person_words, sentence, tone_words, with_article
from pipeline.miniature.truth import Truth
from pipeline.miniature.vocabulary import OBJECTS, SCENES
from pipeline.miniature.world import pick

CAPTION_FRAC, VARIANT_FRAC = 0.62, 0.22  # of the texts without an emotion word; the rest are short
BESIDE = (
    "{text}, {word}",
    "{word}, {text}",
    "{text} . {word}",
    "{word} . {text}",
)  # never one directly after the other


@dataclass(frozen=True)
class EmotionWords:
    """How emotion words occur in the texts of the foundation stream.

    rate: share of the texts that hold one; stray_frac (f): share of the words on images without an emotion; right_frac
    (q): share of the words on emotional images that are the image's own. All other words are drawn from the prior.
    Raises ValueError if one is outside [0, 1], or if a kind of image had to hold more than one word a text.
    """

    rate: float
    stray_frac: float
    right_frac: float

    def __post_init__(self) -> None:
        for name in ("rate", "stray_frac", "right_frac"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}, allowed is [0, 1]")
        highest = max(self.rate_on(emotional) for emotional in (True, False))
        if highest > 1:
            raise ValueError(f"rate is {self.rate}: {highest:.2f} words a text on one kind of image, allowed is 1")

    def rate_on(self, emotional: bool) -> float:
        """Return the share of the texts with an emotion word among those of emotional images, or of the others."""
        if emotional:
            return self.rate * (1 - self.stray_frac) / (1 - d.FOUNDATION_INDEPENDENT)
        return self.rate * self.stray_frac / d.FOUNDATION_INDEPENDENT


EMOTION_WORDS = EmotionWords(d.EMOTION_WORD_RATE, d.STRAY_WORD_FRAC, d.RIGHT_WORD_FRAC)


def training_text(truth: Truth, rng: np.random.Generator, words: EmotionWords = EMOTION_WORDS) -> str:
    """Return a random training text for an image of the foundation stream.

    It is an emotion word beside a text, a plain caption, an answer to a captioner's prompt, or a short text.
    """
    if rng.random() < words.rate_on(truth.emotion is not None):
        return emotion_text(truth, rng, words.right_frac)
    return plain_text(truth, rng)


def emotion_text(truth: Truth, rng: np.random.Generator, right_frac: float) -> str:
    """Return a text with one emotion word beside a caption, a caption of some of the content, or a part of a caption.

    The word is the image's emotion with probability `right_frac` where the image has one, else drawn from the prior.
    """
    own = truth.emotion if truth.emotion is not None and rng.random() < right_frac else None
    word = own or EMOTIONS[pick(d.PRIOR, rng)]
    text = (caption(truth, rng), answer(truth, "neutral", None, rng), part(truth, rng))[int(rng.integers(3))]
    return BESIDE[int(rng.integers(len(BESIDE)))].format(text=text, word=word)


def part(truth: Truth, rng: np.random.Generator) -> str:
    """Return one item of a caption with its article: the scene, an object or the person."""
    items = [sentence(truth, [], None, tone_words(truth))]
    items += [with_article(OBJECTS[thing.name]) for thing in truth.objects]
    if truth.person is not None:
        items.append(with_article(person_words(truth.person)))
    return items[int(rng.integers(len(items)))]


def plain_text(truth: Truth, rng: np.random.Generator) -> str:
    """Return a text without an emotion word: a plain caption, an answer to a captioner's prompt, or a short text."""
    form = rng.random()
    if form < CAPTION_FRAC:
        return caption(truth, rng)
    if form < CAPTION_FRAC + VARIANT_FRAC:
        return answer(truth, VARIANTS[int(rng.integers(len(VARIANTS)))], truth.emotion, rng)
    return bare_text(truth, rng)


def bare_text(truth: Truth, rng: np.random.Generator) -> str:
    """Return a short text without the emotion word: a noun, a scene (plain or toned), the person or the style."""
    noun, scene, tone = any_noun(truth, rng), SCENES[truth.scene], " ".join(tone_words(truth))
    forms = [
        noun,
        with_article(noun),
        f"an image of {with_article(noun)}",
        scene,
        with_article(scene),
        with_article(f"{tone} {scene}".strip()),
    ]
    if truth.person is not None:
        forms.append(with_article(person_words(truth.person)))
    if truth.style is not None:
        forms += [painting(truth.style), f"{painting(truth.style)} of {with_article(scene)}"] * 3
    return str(forms[int(rng.integers(len(forms)))])


def any_noun(truth: Truth, rng: np.random.Generator) -> str:
    """Return the noun of a random object of the image, or of its scene."""
    nouns = [OBJECTS[thing.name] for thing in truth.objects] + [SCENES[truth.scene]]
    return nouns[int(rng.integers(len(nouns)))]
