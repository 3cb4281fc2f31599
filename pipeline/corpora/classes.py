"""Map the classes of each labelled dataset to the emotions of emotions.yaml and to the two polarities.

This mapping is defined here only. Classes count as comparable only if they have the same name and the same meaning.
With Mikels' eight emotions:

- EmoSet and FI have the same: all classes are comparable, both as emotions and as polarities.
- EmotionROI has Ekman's six. Anger, disgust, fear and sadness are among the eight. Joy is not one of the eight
  (amusement, contentment and excitement are all joy) but it is positive. Surprise is neither one of the eight nor of a
  single polarity, so it is left out of both; UniEmo does not say how it treats surprise.
- Twitter I and II have only the polarities.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from pipeline import emotions
from pipeline.emotion_set import EMOTIONS, SIGNS, Emotion, Polarity, polarity

SmallSet = Literal["fi", "emotionroi", "twitter_i", "twitter_ii"]
SMALL_SETS: tuple[SmallSet, ...] = get_args(SmallSet)


@dataclass(frozen=True)
class Classes:
    """The classes of a dataset in its own order, with the polarity of each class that has one."""

    names: tuple[str, ...]
    polarities: Mapping[str, Polarity]

    @property
    def emotions(self) -> dict[str, Emotion]:
        """Return the emotion of each class that has one."""
        return {name: name for name in self.names if name in EMOTIONS}


EIGHT = Classes(emotions.EMOTIONS, {name: emotions.polarity(name) for name in emotions.EMOTIONS})
SIX = Classes(
    ("anger", "disgust", "fear", "joy", "sadness", "surprise"),
    {"anger": "negative", "disgust": "negative", "fear": "negative", "joy": "positive", "sadness": "negative"},
)
TWO = Classes(SIGNS, {name: name for name in SIGNS})
CLASSES: Mapping[str, Classes] = {"emoset": EIGHT, "fi": EIGHT, "emotionroi": SIX, "twitter_i": TWO, "twitter_ii": TWO}


def classes_of(dataset: str) -> Classes:
    """Return the classes of a labelled data set by name; those of an own corpus are the emotions of emotions.yaml."""
    signs = {name: sign for name in EMOTIONS if (sign := polarity(name))}
    return CLASSES.get(dataset) or Classes(EMOTIONS, signs)
