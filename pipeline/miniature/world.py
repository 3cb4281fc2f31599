"""Sample images of the drawn world from a known joint distribution, and compute how likely each is.

Sampling is deterministic for each (seed, stream, index). The truth of an image is complete here; `annotation.py`
decides what a corpus annotates, and `composition.py` draws the image.
"""

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.emotions import EMOTIONS
from pipeline.miniature import distributions as d
from pipeline.miniature.composition import arrange
from pipeline.miniature.truth import Truth
from pipeline.miniature.vocabulary import ACTIONS, EXPRESSIONS, OBJECTS, SCENES, STYLES

Stream = Literal["emoset", "wikiart", "foundation", "held_out", "oracle"]
STREAMS: tuple[Stream, ...] = ("emoset", "wikiart", "foundation", "held_out", "oracle")
SCENE_NAMES, OBJECT_NAMES = tuple(d.SCENE_SHARES), tuple(d.OBJECT_SHARES)  # the order of the axes of every table
assert set(SCENE_NAMES) == set(SCENES) and set(OBJECT_NAMES) == set(OBJECTS)  # noqa: PT018
EXPRESSION_NAMES, ACTION_NAMES = (None, *EXPRESSIONS), tuple(ACTIONS)  # None: a calm face
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Dependence:
    """How strongly the attributes of one emotional part of the world depend on the emotion.

    scenes (2, 8, 15), not annotated and annotated; triggers (15, 8, 24); expressions (8, 7); actions (8, 8); d_prime of
    brightness and colourfulness.
    """

    scenes: Floats
    triggers: Floats
    expressions: Floats
    actions: Floats
    d_prime: float


class World:
    """The drawn world: its joint distribution, from which images are sampled.

    `polarity_share` in [0, 1] is the share of the low-level dependence (brightness and colourfulness) that goes with
    the polarity; the rest goes with the emotion.
    """

    def __init__(self, seed: int, polarity_share: float = 1.0) -> None:
        self.seed, self.polarity_share = seed, polarity_share

    # Probability tables; the last axis sums to one.
    @cached_property
    def label_given_emotion(self) -> Floats:
        """Return p(label | emotion), (8, 8): one row per true emotion."""
        return (1 - d.LABEL_NOISE) * np.eye(8) + d.LABEL_NOISE * normalised(d.CONFUSION.astype(float))

    @cached_property
    def scene_given_emotion(self) -> Floats:
        """Return p(scene | emotion), (2, 8, 15): tempered (scene not annotated), then published (annotated)."""
        rows = attribute_rows(d.SCENE_SHARES)
        return np.stack([normalised(rows**d.SCENE_TEMPER), rows])

    @cached_property
    def trigger_given_emotion(self) -> Floats:
        """Return p(trigger | scene, emotion), (15, 8, 24), without the objects that are impossible in the scene."""
        rows = attribute_rows(d.OBJECT_SHARES)
        shares = np.array([row for _, row in d.OBJECT_SHARES.values()]).T / 100
        rows = rows * (shares >= d.TRIGGER_LIFT * d.PRIOR[:, None])
        return np.stack([normalised(rows * ~self.impossible[s]) for s in range(len(SCENE_NAMES))])

    @cached_property
    def published(self) -> Dependence:
        """Return EmoSet's dependence, from which every corpus is drawn."""
        return Dependence(
            self.scene_given_emotion, self.trigger_given_emotion, d.EXPRESSION_SHARES, d.ACTION_SHARES, d.D_PRIME
        )

    @cached_property
    def tempered(self) -> Dependence:
        """Return the weaker dependence from which the emotional part of the foundation stream is drawn.

        Every table is moved towards its mean over the emotions, and any object may be placed for an emotion.
        """
        things = tempered(attribute_rows(d.OBJECT_SHARES))
        return Dependence(
            np.stack([tempered(rows) for rows in self.scene_given_emotion]),
            np.stack([normalised(things * ~self.impossible[s]) for s in range(len(SCENE_NAMES))]),
            tempered(d.EXPRESSION_SHARES), tempered(d.ACTION_SHARES), d.FOUNDATION_TEMPER * d.D_PRIME,
        )  # fmt: skip

    @cached_property
    def filler_given_scene(self) -> Floats:
        """Return p(filler | scene), (15, 24): the objects that do not depend on the emotion."""
        weights = np.array([count**0.35 for count, _ in d.OBJECT_SHARES.values()])
        typical, anywhere = normalised(membership(d.FILLERS) * weights), normalised(~self.impossible * weights)
        return (1 - d.STRAY_RATE) * typical + d.STRAY_RATE * anywhere

    @cached_property
    def impossible(self) -> NDArray[np.bool_]:
        """Return the mask of the (scene, object) pairs that are never drawn for an emotion, (15, 24)."""
        return membership(d.IMPOSSIBLE)

    # Sampling.
    def generator(self, stream: Stream, index: int) -> np.random.Generator:
        """Return the random generator of one image; it depends only on the seed, the stream and the index."""
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence([self.seed, STREAMS.index(stream), index])))

    def truth(self, stream: Stream, index: int) -> Truth:
        """Return the truth of image `index` of a stream."""
        rng = self.generator(stream, index)
        if stream == "foundation" or stream == "held_out":
            independent, dependence = rng.random() < d.FOUNDATION_INDEPENDENT, self.tempered
            style = str(rng.choice(STYLES)) if rng.random() < d.FOUNDATION_PAINTED else None
        else:
            dependence = self.published
            independent = stream == "wikiart" and rng.random() < d.ART_WITHOUT_EMOTION
            style = str(rng.choice(STYLES)) if stream == "wikiart" else None
        return self._independent(rng, style) if independent else self._emotional(rng, style, dependence)

    def _emotional(self, rng: np.random.Generator, style: str | None, dependence: Dependence) -> Truth:
        emotion = pick(d.PRIOR, rng)
        label = pick(self.label_given_emotion[emotion], rng)
        votes = rng.multinomial(
            d.NUM_VOTES,
            d.VOTE_AGREEMENT * np.eye(8)[label] + (1 - d.VOTE_AGREEMENT) * self.label_given_emotion[emotion],
        )
        annotated = bool(rng.random() < d.SCENE_ANNOTATED)
        scene = pick(dependence.scenes[int(annotated), emotion], rng)
        num_objects = 1 + pick(np.array(list(d.NUM_OBJECTS.values())), rng)
        trigger = pick(dependence.triggers[scene, emotion], rng) if rng.random() < d.TRIGGER_RATE else None
        objects = [] if trigger is None else [trigger]
        while len(objects) < num_objects:
            weights = self.filler_given_scene[scene].copy()
            weights[objects] = 0
            objects.append(pick(weights / weights.sum(), rng))
        rng.shuffle(objects)
        person = rng.random() < d.PERSON_RATE[num_objects]
        expression = pick(dependence.expressions[emotion], rng) if person else 0
        action = pick(dependence.actions[emotion], rng) if person and rng.random() < d.ACTION_RATE else None
        offset = 0.5 * dependence.d_prime * float(
            self.polarity_share * d.POLARITY_SIGN[emotion] + (1 - self.polarity_share) * d.EMOTION_SIGN[emotion]
        )  # fmt: skip
        brightness, colorfulness = (tone(knob, offset, rng) for knob in (d.BRIGHTNESS, d.COLORFULNESS))
        things, figure = arrange([OBJECT_NAMES[o] for o in objects], named(person, expression, action), rng)
        return Truth(
            emotion=EMOTIONS[emotion], label=EMOTIONS[label], votes=tuple(votes.tolist()),
            scene=SCENE_NAMES[scene], scene_annotated=annotated, objects=things,
            trigger=None if trigger is None else OBJECT_NAMES[trigger], person=figure,
            brightness=brightness, colorfulness=colorfulness, style=style, drawing_seed=int(rng.integers(2**31)),
        )  # fmt: skip

    def _independent(self, rng: np.random.Generator, style: str | None) -> Truth:
        """Return a truth without an emotion: attributes are independent, and impossible pairs occur.

        Scene, objects, action and tone are uniform; a share CALM of the faces is calm, and the others are uniform.
        """
        scene = int(rng.integers(len(SCENE_NAMES)))
        num_objects = 1 + pick(np.array(list(d.NUM_OBJECTS.values())), rng)
        objects = rng.choice(len(OBJECT_NAMES), num_objects, replace=False).tolist()
        person = rng.random() < d.PERSON_RATE[num_objects]
        expression = 0 if rng.random() < d.CALM else int(rng.integers(1, len(EXPRESSION_NAMES)))
        action = int(rng.integers(len(ACTION_NAMES))) if person and rng.random() < d.ACTION_RATE else None
        brightness, colorfulness = (float(rng.uniform(*knob[2])) for knob in (d.BRIGHTNESS, d.COLORFULNESS))
        things, figure = arrange([OBJECT_NAMES[o] for o in objects], named(person, expression, action), rng)
        return Truth(
            emotion=None, label=None, votes=(), scene=SCENE_NAMES[scene], scene_annotated=False, objects=things,
            trigger=None, person=figure, brightness=brightness, colorfulness=colorfulness, style=style,
            drawing_seed=int(rng.integers(2**31)),
        )  # fmt: skip

    # Likelihood.
    def log_joint(self, scene: str, objects: tuple[str, ...], expression: str | None, person: bool = True) -> Floats:
        """Return log p(emotion, scene, objects, expression), (8,); -inf where it is impossible.

        `expression` None is a calm face. Without a person, the expression does not count.
        """
        s, o = SCENE_NAMES.index(scene), tuple(OBJECT_NAMES.index(name) for name in objects)
        p_scene = np.array([1 - d.SCENE_ANNOTATED, d.SCENE_ANNOTATED]) @ self.scene_given_emotion[:, :, s]
        p_expression = d.EXPRESSION_SHARES[:, EXPRESSION_NAMES.index(expression)] if person else np.ones(8)
        with np.errstate(divide="ignore"):
            return np.log(d.PRIOR) + np.log(p_scene) + np.log(self._p_objects(s, o)) + np.log(p_expression)

    def posterior(self, truth: Truth) -> Floats:
        """Return p(label | everything visible in the image), (8,): the output of the best possible classifier."""
        names = tuple(thing.name for thing in truth.objects)
        total = self.log_joint(truth.scene, names, truth.expression, truth.person is not None)
        if truth.action is not None:
            total = total + np.log(d.ACTION_SHARES[:, ACTION_NAMES.index(truth.action)])
        offset = 0.5 * d.D_PRIME * (self.polarity_share * d.POLARITY_SIGN + (1 - self.polarity_share) * d.EMOTION_SIGN)
        for value, (mean, deviation, _) in ((truth.brightness, d.BRIGHTNESS), (truth.colorfulness, d.COLORFULNESS)):
            total = total - 0.5 * ((value - mean) / deviation - offset) ** 2
        posterior = np.exp(total - total.max())
        return (posterior / posterior.sum()) @ self.label_given_emotion

    def _p_objects(self, scene: int, objects: tuple[int, ...]) -> Floats:
        """Return p(set of objects | emotion, scene), (8,), summed over which object is the trigger, if any."""
        fillers = self.filler_given_scene[scene]
        without = np.full(8, draw_probability(fillers, objects, ()))
        triggers = self.trigger_given_emotion[scene]
        with_one = sum(
            triggers[:, o] * draw_probability(fillers, tuple(x for x in objects if x != o), (o,)) for o in objects
        )
        return (1 - d.TRIGGER_RATE) * without + d.TRIGGER_RATE * with_one


def named(person: bool, expression: int, action: int | None) -> tuple[str | None, str | None] | None:
    """Return the names of the figure's expression and action, or None where there is no person."""
    if not person:
        return None
    return (
        EXPRESSION_NAMES[expression],
        None if action is None else ACTION_NAMES[action],
    )


def pick(probabilities: Floats, rng: np.random.Generator) -> int:
    """Return an index drawn from a discrete distribution."""
    # mypy rejects int() of the minimum of a NumPy scalar and an int
    return int(min(np.searchsorted(np.cumsum(probabilities), rng.random(), side="right"), len(probabilities) - 1))  # type: ignore[call-overload]


def tone(knob: tuple[float, float, tuple[float, float]], offset: float, rng: np.random.Generator) -> float:
    """Return a random brightness or colourfulness.

    `knob` is (mean, standard deviation, range). The value is normal around the mean shifted by `offset` standard
    deviations, and clipped to the range.
    """
    mean, deviation, (low, high) = knob
    return float(np.clip(mean + deviation * (offset + rng.standard_normal()), low, high))


def draw_probability(weights: Floats, chosen: tuple[int, ...], taken: tuple[int, ...]) -> float:
    """Return the probability of drawing the set `chosen` one by one without replacement after `taken` was removed."""
    total = 0.0
    for order in itertools.permutations(chosen):
        probability, left = 1.0, 1.0 - sum(weights[t] for t in taken)
        for item in order:
            probability *= weights[item] / left
            left -= weights[item]
        total += probability
    return total


def attribute_rows(table: dict[str, tuple[int, list[int]]]) -> Floats:
    """Return p(attribute | emotion), (8, number of attributes), from published counts and shares."""
    weights = np.array([count for count, _ in table.values()]) ** d.COUNT_POWER
    shares = np.array([row for _, row in table.values()]).T / 100 + d.SMOOTHING
    return normalised(weights * shares)


def tempered(rows: Floats) -> Floats:
    """Return p(attribute | emotion) with a weaker dependence, (8, number of attributes).

    It is the normalised geometric mean of the rows and of their mean over the emotions, with the weight
    FOUNDATION_TEMPER on the rows.
    """
    return normalised(rows**d.FOUNDATION_TEMPER * (d.PRIOR @ rows) ** (1 - d.FOUNDATION_TEMPER))


def membership(table: dict[str, str]) -> NDArray[np.bool_]:
    """Return a mask, (15, 24), of the objects that each scene's list names."""
    return np.array([[name in table[scene].split() for name in OBJECT_NAMES] for scene in SCENE_NAMES])


def normalised(table: Floats) -> Floats:
    """Return the table with its last axis scaled to sum to one."""
    return table / table.sum(-1, keepdims=True)
