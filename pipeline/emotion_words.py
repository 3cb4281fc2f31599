"""Suggest emotions for a name that is none of them: by meaning, and by letters only for typing errors.

MEANINGS holds Ekman's and Plutchik's names and common words that people type instead of an emotion.
"""

import difflib
from collections.abc import Mapping, Sequence

TYPO_RATIO = 0.8  # least share of equal letters (difflib) of a typing error: amusment, angr; not bear for fear

# Each word with the emotions that it may stand for, where they are allowed. Joy is three of Mikels' eight
# (`pipeline.corpora.classes`). Words without emotions resemble one in letters, but mean something else.
_JOY = ("joy", "happiness", "amusement", "contentment", "excitement")
_GROUPS: Mapping[tuple[str, ...], str] = {
    _JOY: "joy joyful happiness happy gladness glad cheerfulness cheerful delight enjoyment pleasure bliss elation "
    "amusement contentment excitement",
    ("amusement",): "amused amusing fun funny humor humour laughter entertainment playfulness",
    ("awe",): "awed awesome awestruck wonder amazement admiration astonishment reverence",
    ("contentment",): "content contented serenity serene calm calmness peace peaceful satisfaction relaxation",
    ("excitement",): "excited exciting ecstasy thrill thrilled enthusiasm anticipation euphoria",
    ("anger",): "angry rage fury furious annoyance irritation mad madness outrage resentment hostility",
    ("disgust",): "disgusted disgusting loathing revulsion repulsion nausea",
    ("fear",): "afraid fearful scared terror terrified apprehension fright horror panic anxiety dread danger",
    ("sadness",): "sad sorrow grief pensiveness depression melancholy loneliness unhappiness unhappy misery despair",
    (): "surprise trust distrust boredom interest contempt neutral manger ranger",
}
MEANINGS: Mapping[str, tuple[str, ...]] = {word: group for group, words in _GROUPS.items() for word in words.split()}


def suggestions(name: str, emotions: Sequence[str]) -> list[str]:
    """Return the emotions that a name may stand for: those of its meaning, else the one that it misspells, or none."""
    word = name.strip().lower()
    if word in emotions:
        return [word]
    if word in MEANINGS:
        return [emotion for emotion in MEANINGS[word] if emotion in emotions]
    meant = difflib.get_close_matches(word, [*emotions, *MEANINGS], 1, TYPO_RATIO)
    return suggestions(meant[0], emotions) if meant else []


def allowed(name: str, emotions: Sequence[str]) -> str:
    """Return the end of an error message on an unknown name: suggestions if there are any, and all allowed names."""
    meant = [repr(emotion) for emotion in suggestions(name, emotions)]
    listed = f"llowed are {', '.join(emotions)}"
    if not meant:
        return f"a{listed}"
    return f"did you mean {' or '.join([', '.join(meant[:-1]), meant[-1]] if meant[1:] else meant)}? A{listed}"
