"""Read the emotions in use and their polarities, only here, from emotions.yaml: Mikels' eight, or a set of your own.

EMOTIONS has the order in which every vector, matrix and head of the pipeline holds them. What others have published,
and the drawn world, are about Mikels' eight whatever the file says: they import pipeline/emotions.py.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline import emotions
from pipeline.emotions import POLARITIES as SIGNS
from pipeline.emotions import Polarity

Emotion = str
EmotionSet = Mapping[Emotion, Polarity | None]

FILE = "emotions.yaml"
RECORD = "emotion_set"  # key in the metadata of trained models
NAME = re.compile(r"[a-z][a-z0-9_-]*")

MIKELS: EmotionSet = {emotion: emotions.polarity(emotion) for emotion in emotions.EMOTIONS}


def read_emotions(folder: Path) -> EmotionSet:
    """Return the set that emotions.yaml in a folder names, in order; without that file, Mikels' eight.

    Raises ValueError, which says what to correct, for a file that names no such set, for fewer than two emotions, and
    for a name or a polarity that is not allowed.
    """
    if (sets := _sets(folder)) is None:
        return MIKELS
    name = sets.get("set")
    if name == "set" or not isinstance(name, str) or not isinstance(sets.get(name), dict):
        listed = ", ".join(str(key) for key in sets if key != "set") or "none"
        raise ValueError(f"{FILE} must have `set: NAME` and a set of that name below; {name!r} is not among: {listed}")
    return checked(name, sets[name])


def sets_with(emotions: Iterable[Emotion], folder: Path = Path()) -> list[str]:
    """Return the names of the sets of emotions.yaml in a folder that have all of these emotions."""
    sets, wanted = _sets(folder) or {}, set(emotions)
    return [name for name, listed in sets.items() if isinstance(listed, dict) and wanted <= listed.keys()]


def checked(name: str, listed: Mapping[object, object]) -> EmotionSet:
    """Return a set if it is a valid one. Raises ValueError that says what to correct.

    The polarities may be the emotions of a set without polarities (Twitter I and II): each names an adapter of its own.
    """
    taken = SIGNS if any(listed.values()) else ()
    for emotion, sign in listed.items():
        if not isinstance(emotion, str) or not NAME.fullmatch(emotion) or emotion in taken:
            raise ValueError(
                f"{FILE}: {emotion!r} in the set {name} cannot be the name of an emotion: allowed are small letters, "
                f"digits, _ and -, beginning with a letter, but not {' or '.join(SIGNS)} beside polarities"
            )
        if sign is not None and sign not in SIGNS:
            raise ValueError(f"{FILE}: {emotion} in the set {name} is {sign!r}; allowed: {', '.join(SIGNS)} or null")
    if len(listed) < 2:
        raise ValueError(f"{FILE}: the set {name} has {len(listed)} emotions; at least two are needed")
    return listed  # type: ignore[return-value]


def _sets(folder: Path) -> dict[str, Any] | None:
    """Return what emotions.yaml in a folder holds, None without that file. Raises ValueError if it cannot be read."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        sets = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except (YAMLError, ValueError) as error:
        raise ValueError(f"{FILE} cannot be read: {' '.join(str(error).split())}") from None
    return sets if isinstance(sets, dict) else {}


_SET = read_emotions(Path())
EMOTIONS: tuple[Emotion, ...] = tuple(_SET)
INDEX: dict[Emotion, int] = {emotion: index for index, emotion in enumerate(EMOTIONS)}
POLARITIES: tuple[Polarity, ...] = tuple(sign for sign in SIGNS if sign in _SET.values())  # those that occur


def polarity(emotion: Emotion) -> Polarity | None:
    """Return the polarity of an emotion, None if it has none. Raises ValueError for an unknown emotion."""
    if emotion not in _SET:
        raise ValueError(f"unknown emotion {emotion!r}; {FILE} has {', '.join(EMOTIONS)}")
    return _SET[emotion]


def recorded_set() -> dict[str, str]:
    """Return what the metadata of a trained model says of its emotions: the names, or nothing for Mikels' eight."""
    return {} if tuple(MIKELS) == EMOTIONS else {RECORD: ", ".join(EMOTIONS)}


def check_recorded_set(metadata: Mapping[str, object], path: Path) -> None:
    """Raise ValueError if a trained model, by its metadata, knows other emotions than EMOTIONS, or another order."""
    known, here = metadata.get(RECORD, ", ".join(MIKELS)), ", ".join(EMOTIONS)
    if known != here:
        raise ValueError(
            f"{path} was trained on {known}, but {FILE} of this folder has {here}; run this in a folder "
            f"whose {FILE} has the former, or train it anew"
        )
