"""Score readings of labelled images: the accuracy of each reader over emotions and over polarities.

Each task is restricted to the classes that a data set shares with the eight emotions (pipeline/corpora/classes.py). The
probabilities of a class's emotions are summed, the class with the largest sum is the prediction, and images of other
classes are left out. In addition, probes are fitted within a data set: by k folds unless a class is too rare, and by
its own split if it has one.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.corpora.classes import Classes, classes_of
from pipeline.emotions import EMOTIONS, INDEX, POLARITIES, polarity
from pipeline.judges.calibration import wilson_interval
from pipeline.understanding.probe import Fold, judged, stratified_folds

Integers = NDArray[np.int64]
EMOTION, POLARITY, FOLDS, SPLIT = "emotion", "polarity", "folds", "split"
LEFT_OUT = -1

_log = logging.getLogger("evoke")


@dataclass(frozen=True)
class Task:
    """A classification task.

    `names` are its classes, `targets` maps each label that counts to a class index, and `member` is a 0/1 matrix
    classes x 8 of the emotions of each class.
    """

    names: tuple[str, ...]
    targets: Mapping[str, int]
    member: NDArray[np.float64]


@dataclass(frozen=True)
class Score:
    """The result of one reader on n images.

    Accuracy with its 95 % Wilson interval, F1 averaged over classes, and the recall of each class. `majority` is the
    accuracy of always predicting the most frequent class. Classes without images count nowhere. Probes of several folds
    share training images, which the interval does not account for.
    """

    accuracy: float
    low: float
    high: float
    n: int
    macro_f1: float
    majority: float
    recalls: Mapping[str, float]


Key = tuple[str, str, str]  # data set, reader, task


def tasks_of(classes: Classes) -> dict[str, Task]:
    """Return the tasks of a data set: its emotions, if it has any, and the polarity."""
    emotions = [emotion for emotion in EMOTIONS if emotion in classes.emotions.values()]
    eye = np.eye(len(EMOTIONS))
    index_of = {label: emotions.index(emotion) for label, emotion in classes.emotions.items()}
    signs = {label: POLARITIES.index(sign) for label, sign in classes.polarities.items()}
    sums = np.array([[polarity(emotion) == sign for emotion in EMOTIONS] for sign in POLARITIES], float)
    tasks = (
        {EMOTION: Task(tuple(emotions), index_of, eye[[INDEX[emotion] for emotion in emotions]])} if emotions else {}
    )
    return tasks | {POLARITY: Task(POLARITIES, signs, sums)}


def score(predicted: Integers, targets: Integers, names: tuple[str, ...]) -> Score:
    """Return the score of predictions `predicted` N, N >= 1, against targets N; both are indices into `names`."""
    from sklearn.metrics import f1_score

    right = predicted == targets
    present, counts = np.unique(targets, return_counts=True)
    low, high = wilson_interval(int(right.sum()), len(right))
    macro_f1 = f1_score(targets, predicted, labels=present, average="macro", zero_division=0)
    recalls = {names[index]: float(right[targets == index].mean()) for index in present}
    majority = float(counts.max() / len(targets))
    return Score(float(right.mean()), low, high, len(right), float(macro_f1), majority, recalls)


def scores(
    readings: pa.Table, num_folds: int, strength: float, generator_of: Callable[[str], np.random.Generator]
) -> dict[Key, Score]:
    """Return every score of readings of READINGS_SCHEMA, by data set, reader and task.

    generator_of returns a fresh generator for a data set, so all its readers are probed on the same folds. A data set
    with a class that is too rare for the folds gets no probe in folds; the log names the class.
    """
    rare = rare_classes(readings, num_folds)
    for dataset, names in rare.items():
        if names:
            message = (
                f"{dataset}: no probe with {num_folds} folds, because there are fewer images of {', '.join(names)}"
            )
            _log.warning("%s; lower understanding_scores.folds or add images", message)
    datasets = pc.list_element(pc.split_pattern(readings["image_id"], "/", max_splits=1), 0).unique().to_pylist()
    result: dict[Key, Score] = {}
    for dataset in datasets:
        rows = readings.filter(pc.starts_with(readings["image_id"], f"{dataset}/"))
        for reader in rows["reader"].unique().to_pylist():
            of_reader = rows.filter(pc.equal(rows["reader"], reader))
            result |= {
                (dataset, reader, task): task_score for task, task_score in carried_over(of_reader, classes_of(dataset))
            }
            if len(of_reader["feature"][0]):
                shared = 0 if rare[dataset] else num_folds
                fitted = fitted_within(of_reader, classes_of(dataset), shared, strength, generator_of(dataset))
                result |= {(dataset, reader, task): task_score for task, task_score in fitted}
    return result


def rare_classes(readings: pa.Table, num_folds: int) -> dict[str, list[str]]:
    """Return, for each data set with kept features, the classes with at least one image and fewer than num_folds."""
    probed = readings.filter(pc.greater(pc.list_value_length(readings["feature"]), 0))
    labels = dict(zip(probed["image_id"].to_pylist(), probed["label"].to_pylist(), strict=True))
    rare: dict[str, list[str]] = {image_id.partition("/")[0]: [] for image_id in labels}
    counts = Counter((image_id.partition("/")[0], label) for image_id, label in labels.items())
    for (dataset, label), number in sorted(counts.items()):
        if number < num_folds:
            rare[dataset].append(label)
    return rare


def carried_over(rows: pa.Table, classes: Classes) -> Iterator[tuple[str, Score]]:
    """Yield each task and score of one reader on a data set that it was not trained on, except for EmoSet."""
    labels = rows["label"].to_pylist()
    probabilities_N8 = np.stack(rows["probabilities"].to_numpy())
    for name, task in tasks_of(classes).items():
        targets = np.array([task.targets.get(label, LEFT_OUT) for label in labels], np.int64)
        counted = targets != LEFT_OUT
        if counted.any():
            predicted = (probabilities_N8[counted].astype(float) @ task.member.T).argmax(1)
            yield name, score(predicted, targets[counted], task.names)


def fitted_within(
    rows: pa.Table, classes: Classes, num_folds: int, strength: float, generator: np.random.Generator
) -> Iterator[tuple[str, Score]]:
    """Yield the score of probes over all classes of a data set, fitted on the features of one reader.

    If num_folds is 0, only the data set's own split is used.
    """
    names = classes.names
    targets = np.array([names.index(label) for label in rows["label"].to_pylist()], np.int64)
    features = np.stack(rows["feature"].to_numpy())
    ways = {FOLDS: stratified_folds(targets, num_folds, generator) if num_folds else [], SPLIT: own_split(rows)}
    for way, folds in ways.items():
        if folds and all(len(np.unique(targets[fit])) > 1 for fit, _ in folds):
            yield way, score(*judged(features, targets, len(names), folds, strength), names)


def own_split(rows: pa.Table) -> list[Fold]:
    """Return the split train against test as a single fold; an empty list if the data set has no split."""
    splits = np.array(rows["split"].to_pylist(), object)
    fit, judge = (np.flatnonzero(splits == name) for name in ("train", "test"))
    return [(fit, judge)] if len(fit) and len(judge) else []


def flat(scores: Mapping[Key, Score]) -> dict[str, float]:
    """Return scores as flat metrics.

    The keys are <data set>/<reader>/accuracy, low and so on, and recall/<class>. Tasks other than the emotions have
    their name after the reader. The polarity has no recalls.
    """
    numbers: dict[str, float] = {}
    for (dataset, reader, task), task_score in scores.items():
        prefix = f"{dataset}/{reader}" if task == EMOTION else f"{dataset}/{reader}/{task}"
        values = asdict(task_score)
        recalls = values.pop("recalls")
        numbers |= {f"{prefix}/{name}": value for name, value in values.items()}
        if task != POLARITY:
            numbers |= {f"{prefix}/recall/{name}": value for name, value in recalls.items()}
    return numbers
