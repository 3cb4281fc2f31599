"""What the classes of each labelled data set mean in the eight emotions and the two polarities. Written here only.

Only classes of one name and one meaning count as comparable:

- EmoSet and FI have Mikels' eight: all classes compare, as emotions and as polarities.
- EmotionROI has Ekman's six. Anger, disgust, fear and sadness are among the eight. Joy is none of them (amusement,
  contentment and excitement are all joy) but positive. Surprise is neither one of the eight nor of one polarity, so it
  is left out of both; UniEmo does not say what it does with it.
- Twitter I and II know the polarities alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from pipeline.emotions import EMOTIONS, POLARITIES, Emotion, Polarity, polarity

SmallSet = Literal["fi", "emotionroi", "twitter_i", "twitter_ii"]
SMALL_SETS: tuple[SmallSet, ...] = get_args(SmallSet)


@dataclass(frozen=True)
class Classes:
    """The classes of a data set in its order; which are one of the eight, and which have a polarity."""

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
