"""Show what the captions say and which of them the filter keeps, as CoEmoGen's Figure 3 does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.artifacts import read_shards, read_table, take_rows
from pipeline.captions.figures import columns, count_words, extremes
from pipeline.emotion_set import EMOTIONS
from pipeline.features import pictures
from pipeline.report.plots import PICTURE_PX, Figure, figure

NUM_WORDS, NUM_BINS = 16, 30
MIN_REM, MAX_REM = 0.85, 1.75  # sizes of words


@dataclass(frozen=True)
class Words:
    """The words of an emotion with their sizes in rem and counts, and its similarities: kept and dropped by bin."""

    emotion: str
    words: Sequence[tuple[str, float, int]]
    kept: Sequence[int]
    dropped: Sequence[int]


@dataclass(frozen=True)
class Corpus:
    """The captions of a corpus: words by emotion, the range of similarities, and the largest bin."""

    name: str
    emotions: Sequence[Words]
    low: float
    high: float
    top: int


@dataclass(frozen=True)
class Example:
    """An image with its caption, its similarity, and whether the filter keeps it."""

    figure: Figure
    emotion: str
    caption: str
    similarity: float
    is_kept: bool


def read_corpus(name: str, captions: Path, filtered: Path) -> Corpus:
    """Return words and similarities of the captions in the train split.

    The weight of a word is its count times the share of all its occurrences that are in this emotion.
    """
    texts = read_shards(captions, columns=["caption"])["caption"].to_pylist()
    emotions, similarity, ranked, is_kept = columns(read_table(filtered))
    low, high = (float(end) for end in np.nanquantile(similarity, [0.001, 0.999]))
    members = {str(emotion): (emotions == emotion) & ranked for emotion in EMOTIONS if (emotions == emotion).any()}
    counts = {emotion: count_words([texts[row] for row in np.flatnonzero(rows & is_kept)])
              for emotion, rows in members.items()}  # fmt: skip
    total: dict[str, int] = {}
    for count in counts.values():
        for word, num in count.items():
            total[word] = total.get(word, 0) + num
    bins = {emotion: [np.histogram(similarity[rows & chosen].clip(low, high), NUM_BINS, (low, high))[0].tolist()
                      for chosen in (is_kept, ~is_kept)] for emotion, rows in members.items()}  # fmt: skip
    words = [Words(emotion, _sized(count, total), *bins[emotion]) for emotion, count in counts.items()]
    top = max((max(map(sum, zip(one.kept, one.dropped, strict=True))) for one in words), default=0)
    return Corpus(name, words, low, high, max(top, 1))


def examples(corpus: Path, captions: Path, filtered: Path) -> list[Example]:
    """Return the best and the middle kept caption of each emotion, and the best and the worst dropped one."""
    table = read_table(filtered)
    rows = extremes(table)
    texts = take_rows(captions, rows, columns=["caption"])["caption"].to_pylist() if rows else []
    images = pictures(take_rows(corpus, rows, columns=["image"])) if rows else []
    chosen = table.take(rows).to_pylist()
    return [_example(image, text, row) for image, text, row in zip(images, texts, chosen, strict=True)]


def _sized(counts: dict[str, int], total: dict[str, int]) -> list[tuple[str, float, int]]:
    """Return the heaviest words in the order of the alphabet, sized by the root of their weight."""
    weights = {word: count**2 / total[word] for word, count in counts.items()}
    heaviest = sorted(weights, key=lambda word: (-weights[word], word))[:NUM_WORDS]
    top = max((weights[word] for word in heaviest), default=1.0)
    return [(word, round(MIN_REM + (MAX_REM - MIN_REM) * (weights[word] / top) ** 0.5, 2), counts[word])
            for word in sorted(heaviest)]  # fmt: skip


def _example(image: Image.Image, caption: str, row: Mapping[str, Any]) -> Example:
    shown = figure(image, f"an image of {row['emotion']}", PICTURE_PX)
    return Example(shown, row["emotion"], caption, row["similarity"], row["kept"])
