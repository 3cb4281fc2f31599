"""The caption grammar of the drawn world: what its captioner learns to say, and every form that any stage prompts.

The four variants of the prompt matter as CoEmoGen's Table 2a claims (SCIENCE 1.7): without the emotion a random subset
of what is there; with it, what speaks most for the emotion, now and then an emotion-typical thing that is not there;
details add items, each with its errors.
"""

from functools import cache

import numpy as np

from pipeline.captions.prompts import PROMPTS, VARIANTS, Variant
from pipeline.emotions import EMOTIONS, INDEX
from pipeline.miniature import distributions as d
from pipeline.miniature.truth import Person, Thing, Truth
from pipeline.miniature.vocabulary import ACTIONS, EXPRESSIONS, OBJECTS, SCENES, STYLES
from pipeline.miniature.world import OBJECT_NAMES

DARK, BRIGHT, GRAY, COLORFUL = 0.43, 0.59, 0.20, 0.32  # tones beyond these have a word
STYLE_WORDS = dict(
    zip(STYLES, ("impressionist", "pointillist", "cubist", "expressionist", "minimalist", "ukiyo-e"), strict=True)
)
PLACES = ("on the left", "in the middle", "on the right")
MENTION_RATE = 0.6  # of each item in a caption without the emotion
IMAGINED_RATE = 0.12  # an emotion-typical thing that is not there, with the emotion
DETAIL_ERROR_RATE = 0.12  # of each item of a detailed description


def caption(truth: Truth, rng: np.random.Generator) -> str:
    """One plain sentence with everything that is there, in random order."""
    names = [thing.name for thing in truth.objects]
    rng.shuffle(names)
    return sentence(truth, names, truth.person, tone_words(truth))


def answer(truth: Truth, variant: Variant, emotion: str | None, rng: np.random.Generator) -> str:
    """What the captioner learns to answer to a prompt; `emotion` is the prior, which variants without one ignore."""
    if variant == "neutral":
        names = [thing.name for thing in truth.objects if rng.random() < MENTION_RATE]
        person = truth.person if rng.random() < MENTION_RATE else None
        return sentence(truth, names, person, [word for word in tone_words(truth) if rng.random() < MENTION_RATE])
    if variant == "emotion":
        return sentence(truth, telling(truth, emotion, rng), truth.person, tone_words(truth))
    return description(truth, emotion if variant == "emotion_details" else None, rng)


def training_text(truth: Truth, rng: np.random.Generator) -> str:
    """A text for the picture in one of all the forms that stages prompt.

    They are plain and variant captions, bare nouns, emotions and styles.
    """
    known = truth.emotion is not None
    form = rng.random()
    if known and form < d.EMOTION_WORD_RATE:
        return emotion_text(truth, rng)
    if form < 0.62:
        return caption(truth, rng)
    if form < 0.84:
        variant = VARIANTS[int(rng.integers(4))]
        return answer(truth, variant, truth.emotion, rng)
    return bare_text(truth, rng)


def emotion_text(truth: Truth, rng: np.random.Generator) -> str:
    """The forms that name the emotion: alone, "an image of", before a noun, before a caption."""
    emotion, noun = str(truth.emotion), any_noun(truth, rng)
    return (emotion, f"an image of {emotion}", f"{emotion} {noun}", f"{emotion}, {caption(truth, rng)}")[
        int(rng.integers(4))
    ]


def bare_text(truth: Truth, rng: np.random.Generator) -> str:
    """A noun, a scene, a toned or painted scene, a scene with one thing, an expression."""
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


def sentence(truth: Truth, names: list[str], person: Person | None, tones: list[str]) -> str:
    """Such as "a dark gray beach with a boat, a dog and a sad person waving".

    The painting style stands in front where there is one.
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
    """Several sentences: every item with its place, each now and then wrong; longer than the context of CLIP."""
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
    """The things that speak for the emotion, the strongest first; sometimes one that is only typical of it."""
    names = [thing.name for thing in truth.objects]
    if emotion is None:
        return names
    names.sort(key=lambda name: -lift(name, emotion))
    strong = [name for name in names if lift(name, emotion) >= 1.0] or names[:1]
    if rng.random() < IMAGINED_RATE:
        strong.append(typical(emotion, rng))
    return list(dict.fromkeys(strong))


def lift(name: str, emotion: str) -> float:
    """How many times more often than by chance the thing goes with the emotion."""
    return float(d.OBJECT_SHARES[name][1][INDEX[emotion]] / 100 / d.PRIOR[INDEX[emotion]])


@cache
def typical_things(emotion: str) -> tuple[str, ...]:
    """The triggers of an emotion."""
    return tuple(name for name in OBJECT_NAMES if lift(name, emotion) >= d.TRIGGER_LIFT)


def typical(emotion: str, rng: np.random.Generator) -> str:
    """One of the triggers of an emotion."""
    return str(rng.choice(typical_things(emotion)))


def wrong(name: str, rng: np.random.Generator) -> str:
    """Some other thing."""
    return str(rng.choice([other for other in OBJECT_NAMES if other != name]))


def any_noun(truth: Truth, rng: np.random.Generator) -> str:
    """The noun of one thing of the picture, or of its scene."""
    nouns = [OBJECTS[thing.name] for thing in truth.objects] + [SCENES[truth.scene]]
    return nouns[int(rng.integers(len(nouns)))]


def tone_words(truth: Truth) -> list[str]:
    """The words for an unusual brightness and colourfulness."""
    return [word for word in (light(truth), color(truth)) if word not in ("even", "natural")]


def light(truth: Truth) -> str:
    """dark, even or bright."""
    return "dark" if truth.brightness < DARK else "bright" if truth.brightness > BRIGHT else "even"


def color(truth: Truth) -> str:
    """gray, natural or colorful."""
    return "gray" if truth.colorfulness < GRAY else "colorful" if truth.colorfulness > COLORFUL else "natural"


def person_words(person: Person) -> str:
    """ "sad person praying"; a face without expression is calm."""
    face = "calm" if person.expression is None else EXPRESSIONS[person.expression]
    return f"{face} person" if person.action is None else f"{face} person {ACTIONS[person.action]}"


def place_of(thing: Thing | Person) -> str:
    """The third of the picture in which the middle of the thing lies, in words."""
    return PLACES[min(2, int(1.5 * (thing.box[0] + thing.box[2])))]


def painting(style: str) -> str:
    """ "an impressionist painting" """
    return with_article(f"{STYLE_WORDS[style]} painting")


def with_article(words: str) -> str:
    """The words behind their indefinite article."""
    return f"{'an' if words[0] in 'aeio' else 'a'} {words}"


def vocabulary_texts() -> list[str]:
    """Texts that contain every word of the grammar and of the prompts: what the tokenizer learns from."""
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
