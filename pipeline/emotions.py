"""Define the eight emotions of Mikels' wheel, only here, in the order, spelling and polarity of EmoSet."""

from typing import Literal

Emotion = Literal["amusement", "awe", "contentment", "excitement", "anger", "disgust", "fear", "sadness"]
Polarity = Literal["positive", "negative"]

EMOTIONS: tuple[Emotion, ...] = ("amusement", "awe", "contentment", "excitement", "anger", "disgust", "fear", "sadness")
POLARITIES: tuple[Polarity, ...] = ("positive", "negative")
INDEX: dict[str, int] = {emotion: index for index, emotion in enumerate(EMOTIONS)}


def polarity(emotion: str) -> Polarity:
    """Return the polarity of an emotion: the first four are positive. Raises ValueError for an unknown emotion."""
    if emotion not in INDEX:
        raise ValueError(f"unknown emotion {emotion!r}; the eight are {', '.join(EMOTIONS)}")
    return POLARITIES[INDEX[emotion] // 4]
