"""Write the captions of the drawn world, among them the captioner's training targets.

The four prompt variants differ as CoEmoGen's Table 2a claims (SCIENCE 1.7). Without the emotion, the caption names a
random subset of the image's content. With the emotion, it names the content that speaks most for it, and sometimes a
typical object that is not in the image. Detailed descriptions name more items, each with a chance of error.
"""

from functools import cache

import numpy as np

from pipeline.captions.prompts import PROMPTS, Variant
from pipeline.emotions import EMOTIONS, INDEX
from pipeline.miniature import distributions as d
from pipeline.miniature.truth import Person, Thing, Truth
from pipeline.miniature.vocabulary import ACTIONS, EXPRESSIONS, OBJECTS, SCENES, STYLES
from pipeline.miniature.world import OBJECT_NAMES

DARK, BRIGHT, GRAY, COLORFUL = 0.43, 0.59, 0.20, 0.32  # only tones beyond these thresholds have a word
STYLE_WORDS = dict(
    zip(STYLES, ("impressionist", "pointillist", "cubist", "expressionist", "minimalist", "ukiyo-e"), strict=True)
)
PLACES = ("on the left", "in the middle", "on the right")
MENTION_RATE = 0.6  # probability that a caption without the emotion mentions an item
IMAGINED_RATE = 0.12  # probability that a caption with the emotion adds an emotion-typical object, present or not
DETAIL_ERROR_RATE = 0.12  # probability that a detailed description calls an object by another object's name


def caption(truth: Truth, rng: np.random.Generator) -> str:
    """Return one plain phrase that names everything in the image, the objects in random order."""
    names = [thing.name for thing in truth.objects]
    rng.shuffle(names)
    return sentence(truth, names, truth.person, tone_words(truth))


def answer(truth: Truth, variant: Variant, emotion: str | None, rng: np.random.Generator) -> str:
    """Return the captioner's training target for a prompt variant.

    `emotion` is the emotion prior in the prompt; "neutral" and "details" ignore it.
    """
    if variant == "neutral":
        names = [thing.name for thing in truth.objects if rng.random() < MENTION_RATE]
        person = truth.person if rng.random() < MENTION_RATE else None
        return sentence(truth, names, person, [word for word in tone_words(truth) if rng.random() < MENTION_RATE])
    if variant == "emotion":
        return sentence(truth, telling(truth, emotion, rng), truth.person, tone_words(truth))
    return description(truth, emotion if variant == "emotion_details" else None, rng)


def sentence(truth: Truth, names: list[str], person: Person | None, tones: list[str]) -> str:
    """Return a phrase such as "a dark gray beach with a boat, a dog and a sad person waving".

    It begins with the painting style where the image has one.
    """
    place = with_article(" ".join([*tones, SCENES[truth.scene]]))
    if truth.style is not None:
        place = f"{painting(truth.style)} of {place}"
    items = [with_article(OBJECTS[name]) for name in names]
    if person is not None:
        items.append(with_article(person_words(person)))
    if not items:
        return place
    return f"{place} with {', '.join(items[:-1])} and {items[-1]}" if len(items) > 1 else f"{place} with {items[0]}"


def description(truth: Truth, emotion: str | None, rng: np.random.Generator) -> str:
    """Return a detailed description of several sentences, which is longer than CLIP's context.

    It gives the size and place of every object; an object's name is wrong with probability DETAIL_ERROR_RATE. With an
    emotion, the objects that speak most for it come first, and a typical one may be added (IMAGINED_RATE).
    """
    scene = with_article(" ".join([*tone_words(truth), SCENES[truth.scene]]))
    if truth.style is not None:
        scene = f"{painting(truth.style)} of {scene}"
    parts = [f"the image shows {scene}"]
    order = [*truth.objects] if emotion is None else sorted(truth.objects, key=lambda thing: -lift(thing.name, emotion))
    for thing in order:
        name = wrong(thing.name, rng) if rng.random() < DETAIL_ERROR_RATE else thing.name
        size = "large " if thing.box[2] - thing.box[0] > 0.36 else "small "
        parts.append(f"there is {with_article(size + OBJECTS[name])} {place_of(thing)}")
    if emotion is not None and rng.random() < IMAGINED_RATE:
        parts.append(f"there is {with_article(OBJECTS[typical(emotion, rng)])} behind")
    if truth.person is not None:
        parts.append(f"{with_article(person_words(truth.person))} is {place_of(truth.person)}")
    return " . ".join([*parts, f"the light is {light(truth)} and the colors are {color(truth)}"])


def telling(truth: Truth, emotion: str | None, rng: np.random.Generator) -> list[str]:
    """Return the names of the objects that speak for the emotion (lift of at least 1), the strongest first.

    If there are none, the strongest object stands alone. With probability IMAGINED_RATE, an object that is typical of
    the emotion is appended, in the image or not. Without an emotion, all objects are returned.
    """
    names = [thing.name for thing in truth.objects]
    if emotion is None:
        return names
    names.sort(key=lambda name: -lift(name, emotion))
    strong = [name for name in names if lift(name, emotion) >= 1.0] or names[:1]
    if rng.random() < IMAGINED_RATE:
        strong.append(typical(emotion, rng))
    return list(dict.fromkeys(strong))


def lift(name: str, emotion: str) -> float:
    """Return p(emotion | object) / p(emotion): how many times more often than by chance they occur together."""
    return float(d.OBJECT_SHARES[name][1][INDEX[emotion]] / 100 / d.PRIOR[INDEX[emotion]])


@cache
def typical_things(emotion: str) -> tuple[str, ...]:
    """Return the trigger objects of an emotion: those with a lift of at least TRIGGER_LIFT."""
    return tuple(name for name in OBJECT_NAMES if lift(name, emotion) >= d.TRIGGER_LIFT)


def typical(emotion: str, rng: np.random.Generator) -> str:
    """Return a random trigger object of an emotion."""
    return str(rng.choice(typical_things(emotion)))


def wrong(name: str, rng: np.random.Generator) -> str:
    """Return the name of a random object other than `name`."""
    return str(rng.choice([other for other in OBJECT_NAMES if other != name]))


def tone_words(truth: Truth) -> list[str]:
    """Return the words for unusual brightness and colourfulness; an ordinary tone has no word."""
    return [word for word in (light(truth), color(truth)) if word not in ("even", "natural")]


def light(truth: Truth) -> str:
    """Return the word for the brightness: dark, even or bright."""
    return "dark" if truth.brightness < DARK else "bright" if truth.brightness > BRIGHT else "even"


def color(truth: Truth) -> str:
    """Return the word for the colourfulness: gray, natural or colorful."""
    return "gray" if truth.colorfulness < GRAY else "colorful" if truth.colorfulness > COLORFUL else "natural"


def person_words(person: Person) -> str:
    """Return a phrase such as "sad person praying"; a face without expression is calm."""
    face = "calm" if person.expression is None else EXPRESSIONS[person.expression]
    return f"{face} person" if person.action is None else f"{face} person {ACTIONS[person.action]}"


def place_of(thing: Thing | Person) -> str:
    """Return the words for the horizontal third of the image that holds the middle of the object or person."""
    return PLACES[min(2, int(1.5 * (thing.box[0] + thing.box[2])))]


def painting(style: str) -> str:
    """Return a phrase such as "an impressionist painting" for a style."""
    return with_article(f"{STYLE_WORDS[style]} painting")


def with_article(words: str) -> str:
    """Return the words preceded by their indefinite article."""
    return f"{'an' if words[0] in 'aeio' else 'a'} {words}"


def vocabulary_texts() -> list[str]:
    """Return texts that contain every word of the grammar and the prompts; the tokenizer is trained on them."""
    words = [
        *SCENES.values(),
        *OBJECTS.values(),
        *EXPRESSIONS.values(),
        *ACTIONS.values(),
        *STYLE_WORDS.values(),
        *PLACES,
        *EMOTIONS,
    ]
    words += ["a an and with of image painting person calm , . the there is shows large small behind light colors are"]
    words += ["dark even bright gray natural colorful", *(text.replace("{emotion}", " ") for text in PROMPTS.values())]
    return words
