"""Map the classes of each labelled dataset to the eight emotions and the two polarities.

This mapping is defined here only. Classes count as comparable only if they have the same name and the same meaning:

- EmoSet and FI have Mikels' eight emotions: all classes are comparable, both as emotions and as polarities.
- EmotionROI has Ekman's six. Anger, disgust, fear and sadness are among the eight. Joy is not one of the eight
  (amusement, contentment and excitement are all joy) but it is positive. Surprise is neither one of the eight nor of a
  single polarity, so it is left out of both; UniEmo does not say how it treats surprise.
- Twitter I and II have only the polarities.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from pipeline.emotions import EMOTIONS, POLARITIES, Emotion, Polarity, polarity

SmallSet = Literal["fi", "emotionroi", "twitter_i", "twitter_ii"]
SMALL_SETS: tuple[SmallSet, ...] = get_args(SmallSet)


@dataclass(frozen=True)
class Classes:
    """The classes of a dataset in its own order, with the emotion and the polarity of each class that has one."""

    names: tuple[str, ...]
    emotions: Mapping[str, Emotion]
    polarities: Mapping[str, Polarity]


MIKELS = Classes(EMOTIONS, {name: name for name in EMOTIONS}, {name: polarity(name) for name in EMOTIONS})
EKMAN = Classes(
    ("anger", "disgust", "fear", "joy", "sadness", "surprise"),
    {"anger": "anger", "disgust": "disgust", "fear": "fear", "sadness": "sadness"},
    {"anger": "negative", "disgust": "negative", "fear": "negative", "joy": "positive", "sadness": "negative"},
)
SIGNS = Classes(POLARITIES, {}, {name: name for name in POLARITIES})
CLASSES: Mapping[str, Classes] = {
    "emoset": MIKELS, "fi": MIKELS, "emotionroi": EKMAN, "twitter_i": SIGNS, "twitter_ii": SIGNS
}  # fmt: skip


def classes_of(dataset: str) -> Classes:
    """Return the classes of a dataset; a corpus of the user's own has the eight emotions."""
    return CLASSES.get(dataset, MIKELS)
