"""Design a user study: pairs of groups of images by two methods, who sees them in which order, and on which side.

Follows CoEmoGen's user study (Fig. 6): a person sees two groups of images of one emotion, by the first method and by
another one, and says which of them answers each question better. A form is the order in which one participant sees
all pairs. It has the first method on either side equally often, for each other method; forms come in twos with the
sides exchanged. The attention checks name the group to choose, left and right equally often.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.emotion_set import EMOTIONS
from pipeline.runtime import numpy_generator

NUM_FORMS = 16
MIN_CHECKS = 5  # with fewer, a random clicker is right in all of them more often than in one of twenty tries
Group = Literal["a", "b"]
Side = Literal["left", "right"]
GROUPS: tuple[Group, Group] = ("a", "b")
OTHER: dict[Group, Group] = {"a": "b", "b": "a"}
SIDES: tuple[Side, Side] = ("left", "right")
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,29}$")]
Text = Annotated[str, Field(min_length=1, max_length=5000)]
ImageIds = Mapping[str, Sequence[str]]
T = TypeVar("T")

CONSENT = """You will see pairs of groups of images that computer programs made, and say which group answers a \
question better. Some of the images are meant to evoke anger, disgust, fear or sadness.
Taking part is voluntary. You may stop at any time by closing this page.
What is recorded: your choices, what you choose to say about yourself where this page asks, and a random number. \
No name, no address and no time is recorded. Nothing leaves your device until you send the file that this page gives \
you at the end."""
FIDELITY = {"name": "fidelity", "text": "Which group of images looks more realistic?"}
FAITHFULNESS = {"name": "faithfulness", "text": "Which group of images better evokes {emotion}?"}
DIVERSITY = {"name": "diversity", "text": "Which group of images is more diverse?"}
COHERENCE = {"name": "coherence", "text": "Which group of images is more natural and coherent in what it shows?"}
PRESETS = {
    "coemogen": [FIDELITY, FAITHFULNESS, DIVERSITY, COHERENCE],
    "uniemo": [FIDELITY, FAITHFULNESS, DIVERSITY],  # UniEmo's own wording is not at hand
}


class Record(BaseModel):
    """A part of a file that is checked when it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Question(Record):
    """A question about each pair. {emotion} in its text stands for the emotion of the pair."""

    name: Name
    text: Text


class About(Record):
    """A question about the participant, who may leave it unanswered."""

    name: Name
    text: Text
    options: Annotated[list[Text], Field(min_length=1)]


class Questionnaire(Record):
    """The words of a study, which a YAML file may give."""

    title: Text = "Which images?"
    consent: Text = CONSENT
    send_to: Text = "the person who invited you"
    questions: Annotated[list[Question], Field(min_length=1)]
    about: list[About] = []


class Image(Record):
    """An image under a name that does not tell its method, and its id in data/images."""

    file: str
    image_id: str


class Pair(Record):
    """Two groups of images of one emotion. `first` is the group by the first method; `against` made the other."""

    against: str
    emotion: str
    first: Group
    a: list[Image]
    b: list[Image]


class Step(Record):
    """A pair as a participant sees it. With `check`, the page names the side to choose instead of asking."""

    pair: str
    left: Group
    check: Side | None = None


class Key(Record):
    """All of a study, including which group is by which method: it must not be published."""

    study: str
    seed: int
    methods: list[str]
    questionnaire: Questionnaire
    pairs: dict[str, Pair]
    forms: list[list[Step]]

    @property
    def digest(self) -> str:
        """Return 16 hex digits of the SHA-256 over the design, which `study` holds if nothing has changed it."""
        return hashlib.sha256(self.model_copy(update={"study": ""}).model_dump_json().encode()).hexdigest()[:16]

    @property
    def files(self) -> dict[str, str]:
        """Return the image id of every file, in the order of the names, which tells nothing."""
        images = [image for pair in self.pairs.values() for image in (*pair.a, *pair.b)]
        return {image.file: image.image_id for image in sorted(images, key=lambda image: image.file)}

    def public(self) -> dict[str, object]:
        """Return what the page may know."""
        shown = {
            name: {
                "emotion": pair.emotion,
                **{group: [image.file for image in getattr(pair, group)] for group in GROUPS},
            }
            for name, pair in self.pairs.items()
        }
        forms = [[step.model_dump(exclude_none=True) for step in form] for form in self.forms]
        return {"id": self.study, **self.questionnaire.model_dump(), "pairs": shown, "forms": forms}


def questionnaire(source: object) -> Questionnaire:
    """Return the questionnaire of a preset by its name, or of the values of a YAML file.

    Raises ValueError, which names the field.
    """
    values = {"questions": PRESETS[source]} if isinstance(source, str) and source in PRESETS else source
    try:
        words = Questionnaire.model_validate(values)
    except ValidationError as error:
        raise ValueError(first_problem(error)) from None
    for names in ([item.name for item in words.questions], [item.name for item in words.about]):
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"the name {repeated[0]!r} is given twice; names must differ")
    return words


def first_problem(error: ValidationError) -> str:
    """Return the first problem of a record as one line: its place and what is wrong."""
    detail = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}".removeprefix(": ")[:300]


def design(
    images: Mapping[str, ImageIds], words: Questionnaire, seed: int, group_size: int, num_checks: int = 6
) -> Key:
    """Return a study of the first method against each of the others, a pair of every emotion that all methods have.

    images: the ids of each method's images by emotion. Raises ValueError if a method has too few images, or if there
    are too few pairs for the checks.
    """
    generator, (first, *others) = numpy_generator(seed, "study"), images
    emotions = [emotion for emotion in EMOTIONS if all(emotion in of for of in images.values())]
    num_pairs = len(others) * len(emotions)
    if not MIN_CHECKS <= num_checks <= num_pairs:
        raise ValueError(
            f"{num_checks} attention checks: allowed are {MIN_CHECKS} up to the number of pairs, {num_pairs}: "
            f"{', '.join(images)} have {len(emotions)} emotions in common"
        )
    numbers, pairs = generator.permutation(num_pairs).tolist(), {}
    for other in others:
        for emotion, group in zip(emotions, balanced(GROUPS, len(emotions), generator), strict=True):
            ours, theirs = (_drawn(images[method], method, emotion, group_size, generator) for method in (first, other))
            a, b = (ours, theirs) if group == "a" else (theirs, ours)
            pairs[f"p{numbers.pop():03d}"] = Pair(against=other, emotion=emotion, first=group, a=a, b=b)
    pairs = {name: pairs[name] for name in sorted(pairs)}  # the order of drawing would tell the methods
    forms = [form for _ in range(NUM_FORMS // 2) for form in _two_forms(pairs, others, num_checks, generator)]
    key = Key(study="", seed=seed, methods=list(images), questionnaire=words, pairs=pairs, forms=forms)
    return key.model_copy(update={"study": key.digest})


def balanced(two: tuple[T, T], num: int, generator: np.random.Generator) -> list[T]:
    """Return `num` values in random order, of each of two equally many, and if `num` is odd one more of either."""
    begin = int(generator.integers(2))
    return [two[(begin + int(index)) % 2] for index in generator.permutation(num)]


def _drawn(ids: ImageIds, method: str, emotion: str, num: int, generator: np.random.Generator) -> list[Image]:
    """Return `num` different images of an emotion under random names."""
    if len(ids[emotion]) < num:
        raise ValueError(f"{method} has {len(ids[emotion])} images of {emotion}, {num} are needed; make groups smaller")
    rows = generator.choice(len(ids[emotion]), num, replace=False)
    return [Image(file=f"{generator.bytes(8).hex()}.webp", image_id=ids[emotion][row]) for row in rows]


def _two_forms(
    pairs: Mapping[str, Pair], others: Sequence[str], num_checks: int, generator: np.random.Generator
) -> list[list[Step]]:
    """Return two forms of all pairs, each with the sides of the other exchanged, in orders of their own."""
    steps = []
    for other in others:
        names = [name for name, pair in pairs.items() if pair.against == other]
        for name, side in zip(names, balanced(SIDES, len(names), generator), strict=True):
            first = pairs[name].first
            steps.append(Step(pair=name, left=first if side == "left" else OTHER[first]))
    mirrored = [Step(pair=step.pair, left=OTHER[step.left]) for step in steps]
    return [_ordered(form, num_checks, generator) for form in (steps, mirrored)]


def _ordered(steps: Sequence[Step], num_checks: int, generator: np.random.Generator) -> list[Step]:
    """Return the steps in random order, with a check before some of them."""
    places = set(generator.choice(len(steps), num_checks, replace=False).tolist())
    checks = iter(balanced(SIDES, num_checks, generator))
    ordered: list[Step] = []
    for place, index in enumerate(generator.permutation(len(steps))):
        if place in places:
            shown = steps[int(generator.integers(len(steps)))]
            ordered.append(shown.model_copy(update={"check": next(checks)}))
        ordered.append(steps[int(index)])
    return ordered
