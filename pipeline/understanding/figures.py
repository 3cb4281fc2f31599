"""Plot the accuracy of every reader on every data set, with intervals."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.figure import drawn
from pipeline.understanding.scores import EMOTION, FOLDS, POLARITY, SPLIT, Key, Score

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLES = {
    EMOTION: "emotions",
    POLARITY: "polarities",
    FOLDS: "probes with k folds",
    SPLIT: "probes on the data set's own split",
}
SPREAD = 0.7  # width of a data set's readers, as a fraction of the distance between data sets


def accuracies(scores: Mapping[Key, Score], path: Path) -> None:
    """Draw the accuracies to `path`: one panel per task, one group per data set, one dot per reader.

    Bars are 95 % intervals; the dotted line is the share of the most frequent class.
    """
    tasks = [task for task in TITLES if any(key[2] == task for key in scores)]
    readers = sorted({reader for _, reader, _ in scores})
    widths = [len(datasets_of(scores, task)) + 1 for task in tasks]
    options = {"figsize": (max(6.0, 0.95 * sum(widths)), 4.4), "width_ratios": widths, "sharey": True, "squeeze": False}
    with drawn(path, 1, len(tasks), constrained_layout=True, **options) as (figure, axes):
        for axis, task in zip(axes[0], tasks, strict=True):
            _panel(axis, {key: score for key, score in scores.items() if key[2] == task}, readers, task)
        axes[0][0].set_ylabel("accuracy")
        marks = [axes[0][0].plot([], [], "o", color=f"C{index}")[0] for index in range(len(readers))]
        figure.legend(marks, readers, loc="outside lower center", ncols=len(readers), frameon=False)


def datasets_of(scores: Mapping[Key, Score], task: str) -> list[str]:
    """Return the data sets that have a score for the task, in order of appearance."""
    return list(dict.fromkeys(dataset for dataset, _, other in scores if other == task))


def _panel(axis: "Axes", scores: Mapping[Key, Score], readers: Sequence[str], task: str) -> None:
    """Draw the panel of one task; `scores` holds only its scores."""
    datasets = datasets_of(scores, task)
    for (dataset, reader, _), score in scores.items():
        index = readers.index(reader)
        place = datasets.index(dataset) + SPREAD * ((index + 0.5) / len(readers) - 0.5)
        axis.vlines(place, score.low, score.high, color=f"C{index}", linewidth=1)
        axis.plot(place, score.accuracy, "o", markersize=4, color=f"C{index}")
    for place, name in enumerate(datasets):
        whole = max((score for key, score in scores.items() if key[0] == name), key=lambda score: score.n)
        axis.hlines(whole.majority, place - 0.45, place + 0.45, color="grey", linewidth=0.8, linestyle=":")
    axis.set_xticks(range(len(datasets)), datasets)
    axis.set(xlim=(-0.6, len(datasets) - 0.4), ylim=(0, 1))
    axis.set_title(TITLES[task], fontsize=9)
