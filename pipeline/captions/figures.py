"""Draw CoEmoGen's Figure 3 for our captions: similarities before and after the filter, words per emotion, examples."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.emotion_set import EMOTIONS
from pipeline.figure import DROPPED_COLOR, KEPT_COLOR, drawn

if TYPE_CHECKING:
    from PIL import Image

STOP_WORDS = frozenset([
    "a", "an", "and", "the", "with", "of", "in", "on", "is", "are", "there", "image", "shows", "this", "that", "it",
    "its", "to",
])  # fmt: skip
NUM_BINS = 40
GRID = (-(-len(EMOTIONS) // 4), 4)  # rows and columns of panels, one for each emotion


def similarity_histograms(filtered: pa.Table, path: Path) -> None:
    """Draw one panel per emotion: the similarities of kept and dropped captions of the train split.

    A line marks the lowest kept similarity. The outer bins include all values beyond the middle 99.8 % of similarities.
    """
    emotions, similarity, rank, is_kept = columns(filtered)
    low, high = (float(bound) for bound in np.nanquantile(similarity, [0.001, 0.999]))
    clipped = similarity.clip(low, high)
    with drawn(path, *GRID, figsize=(11, 2.3 * GRID[0]), sharex=True, constrained_layout=True) as (figure, axes):
        for axis, emotion in zip(axes.flat, EMOTIONS, strict=False):
            members = (emotions == emotion) & rank
            parts = [clipped[members & is_kept], clipped[members & ~is_kept]]
            axis.hist(parts, NUM_BINS, (low, high), stacked=True, color=[KEPT_COLOR, DROPPED_COLOR])
            if len(parts[0]):
                axis.axvline(parts[0].min(), color="black", linewidth=0.8, linestyle=":")
            axis.set_title(
                f"{emotion}  ({int((members & is_kept).sum())} kept, {int((members & ~is_kept).sum())} dropped)",
                fontsize=9,
            )
        for axis in axes.flat[len(EMOTIONS) :]:
            axis.axis("off")
        figure.supxlabel("CLIP similarity of image and caption")
        figure.supylabel("captions")


def word_clouds(captions: Sequence[str], filtered: pa.Table, path: Path) -> None:
    """Draw one cloud per emotion of the words in its kept captions.

    The size of a word is its count times the share of all its occurrences that are in this emotion.
    """
    from wordcloud import WordCloud

    emotions, _, rank, is_kept = columns(filtered)
    counts = {
        emotion: count_words([captions[i] for i in np.flatnonzero((emotions == emotion) & rank & is_kept).tolist()])
        for emotion in EMOTIONS
    }
    total = {word: sum(count.get(word, 0) for count in counts.values()) for count in counts.values() for word in count}
    with drawn(path, *GRID, figsize=(11, 2.6 * GRID[0]), constrained_layout=True) as (_, axes):
        for axis in axes.flat:
            axis.axis("off")
        for axis, emotion in zip(axes.flat, EMOTIONS, strict=False):
            weights = {word: count**2 / total[word] for word, count in counts[emotion].items()}
            if weights:
                cloud = WordCloud(width=480, height=420, background_color="white", colormap="viridis", random_state=0)
                axis.imshow(cloud.generate_from_frequencies(weights).to_array())
            axis.set_title(emotion, fontsize=10)


def examples(
    images: "Sequence[Image.Image]", titles: Sequence[str], texts: Sequence[str], path: Path, num_columns: int = 4
) -> None:
    """Draw images with their titles and captions, row by row."""
    import textwrap

    num_rows = -(-len(images) // num_columns)
    figsize = (2.9 * num_columns, 3.1 * num_rows)
    with drawn(path, num_rows, num_columns, figsize=figsize, squeeze=False) as (figure, axes):
        for axis in axes.flat:
            axis.axis("off")
        for axis, image, title, text in zip(axes.flat, images, titles, texts, strict=False):
            axis.imshow(image, interpolation="nearest")
            axis.set_title(title, fontsize=9, color=DROPPED_COLOR if "dropped" in title else KEPT_COLOR)
            axis.text(
                0.5,
                -0.03,
                textwrap.fill(text, 38),
                transform=axis.transAxes,
                ha="center",
                va="top",
                fontsize=7,
                parse_math=False,  # a caption may hold dollars
            )
        figure.subplots_adjust(0.01, 0.06, 0.99, 0.96, 0.05, 0.35)


def extremes(filtered: pa.Table) -> list[int]:
    """Return the rows to show: per emotion the best and the middle kept caption, the best and the worst dropped one.

    An emotion with no kept or no dropped caption gives only the other two; an emotion without captions gives none.
    """
    emotions, similarity, rank, is_kept = columns(filtered)
    rows: list[int] = []
    for emotion in EMOTIONS:
        members = np.flatnonzero((emotions == emotion) & rank)
        members = members[np.argsort(-similarity[members], kind="stable")]
        inside, outside = members[is_kept[members]], members[~is_kept[members]]
        for ordered, places in ((inside, (0, len(inside) // 2)), (outside, (0, -1))):
            rows += [int(ordered[place]) for place in places if len(ordered)]
    return rows


def title(row: Mapping[str, Any]) -> str:
    """Return a title such as "awe, kept, 0.41" for a row of the filter's table."""
    return f"{row['emotion']}, {'kept' if row['kept'] else 'dropped'}, {row['similarity']:.2f}"


def count_words(captions: Sequence[str]) -> dict[str, int]:
    """Return how often each word occurs in lower case, without stop words."""
    counts: dict[str, int] = {}
    for caption in captions:
        for word in caption.lower().replace(",", " ").replace(".", " ").split():
            if word not in STOP_WORDS:
                counts[word] = counts.get(word, 0) + 1
    return counts


def columns(
    filtered: pa.Table,
) -> tuple[NDArray[np.object_], NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return emotion, similarity, whether ranked, and whether kept: four arrays of N rows."""
    emotions = np.array(filtered["emotion"].to_pylist(), dtype=object)
    ranked = np.array(filtered["rank"].is_valid().to_pylist(), dtype=bool)
    return emotions, filtered["similarity"].to_numpy(), ranked, filtered["kept"].to_numpy(zero_copy_only=False)
