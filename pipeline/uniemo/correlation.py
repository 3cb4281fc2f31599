"""Emotional correlation coefficients (UniEmo Eq. 5): how strongly an attribute speaks for an emotion.

alpha_je = 1/M_j sum_k l(I_k, e) over the M_j train images I_k that have attribute j, with l from a classifier on frozen
CLIP features. Deviates from the paper: each image is judged by a classifier that has not seen it (`folds.py`; with
`folds: 1` by one that has; the column in_sample has the latter in any case), and attributes on few images are shrunk
towards the emotion prior (shrinkage 0 turns this off). How training weighs by alpha (Eq. 6) is not part of this module.

Imported coefficients get the names that the corpus gives to its attributes. EmoGen's tables come from folders, so their
names lack what a folder's name cannot hold: EmoSet's scene bakery/shop is shop there. An attribute of the corpus
without a coefficient gets the mean of its kind (`fusion.coefficient_table`).
"""

import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.attributes import Attributes, attributes_of
from pipeline.emotion_set import EMOTIONS
from pipeline.rows import emotion_indices

if TYPE_CHECKING:
    from pipeline.params import Correlation
    from pipeline.uniemo.folds import Judged


Floats = NDArray[np.floating]
Integers = NDArray[np.int64]
LEAST_PROBABILITY = 1e-5  # floor of logarithms: about 1 of EmoSet's 94,481 train images; smaller is not measurable
RARE_IMAGES = 10  # an attribute on fewer images is rare


@dataclass(frozen=True)
class Moments:
    """Statistics of A attributes: their numbers of images M_j, A, and mean A8 and standard error A8 of the mean."""

    counts: Integers
    mean: Floats
    standard_error: Floats


def correlate(train: pa.Table, judged: "Judged", settings: "Correlation") -> pa.Table:
    """Return the correlation table of train images, one row per attribute, as in CORRELATION_SCHEMA.

    `train` has the columns scene and objects, `judged` the probabilities of the same images. With the value
    `log_probability`, logarithms (of at least LEAST_PROBABILITY) are averaged, as the UniEmo paper writes; weights are
    then negative and would flip signs in Eq. 6. UniEmo's released tables are means of probabilities, whose rows sum to
    one.
    """
    attributes = attributes_of(train)
    values, seen = (as_values(part, settings.value) for part in (judged.out_of_fold, judged.in_sample))
    statistics = moments(values, attributes)
    kinds, names = (
        zip(*(name.split("/", 1) for name in attributes.names), strict=True) if attributes.names else ((), ())
    )
    return pa.table({
        "attribute": pa.array(attributes.names, pa.string()),
        "kind": pa.array(kinds, pa.string()),
        "name": pa.array(names, pa.string()),
        "num_images": pa.array(statistics.counts, pa.int32()),
        "coefficient": vectors_of(shrunk(statistics, values.mean(0, dtype=np.float64), settings.shrinkage)),
        "mean": vectors_of(statistics.mean),
        "standard_error": vectors_of(statistics.standard_error),
        "in_sample": vectors_of(moments(seen, attributes).mean),
    })  # fmt: skip


def moments(values: Floats, attributes: Attributes) -> Moments:
    """Return mean and standard error over the images of each attribute: values N8, M_j >= 1 -> A8.

    For an attribute on a single image, the error is the standard deviation over all images.
    """
    number = len(attributes.names)
    counts = np.bincount(attributes.ids, minlength=number)
    mean, variance = np.empty((number, values.shape[1])), np.empty((number, values.shape[1]))
    for column in range(values.shape[1]):  # eight columns, each summed over all pairs in one compiled pass
        pairs = values[:, column].astype(np.float64)[attributes.rows]
        mean[:, column] = np.bincount(attributes.ids, pairs, number) / counts
        squares = (pairs - mean[attributes.ids, column]) ** 2
        variance[:, column] = np.bincount(attributes.ids, squares, number) / np.maximum(counts - 1, 1)
    variance[counts == 1] = values.var(0, dtype=np.float64)
    return Moments(counts, mean, np.sqrt(variance / counts[:, None]))


def shrunk(statistics: Moments, prior: Floats, shrinkage: float) -> Floats:
    """Return the shrunk means A8, (M mean + k prior) / (M + k), with k = shrinkage >= 0 in images.

    The result is as if each attribute had k more images with average values.
    """
    counts = statistics.counts[:, None]
    means: Floats = (counts * statistics.mean + shrinkage * prior) / (counts + shrinkage)
    return means


def as_values(probabilities: Floats, value: str) -> Floats:
    """Return the values to average, N8: the probabilities, or their logarithms."""
    if value == "probability":
        return probabilities
    logs: Floats = np.log(np.maximum(probabilities, LEAST_PROBABILITY))
    return logs


def summary(table: pa.Table, train: pa.Table) -> dict[str, float]:
    """Return the sizes of the table and how far its coefficients depend on the way of judging.

    The numbers compare out-of-fold with in-sample coefficients, and both with the frequencies of the annotated
    emotions. r is Pearson's correlation over all entries, attributes by emotions. Undefined numbers, such as r of
    constants, are left out.
    """
    counts, kinds = table["num_images"].to_numpy(), np.array(table["kind"].to_pylist(), dtype=object)
    rare = counts < RARE_IMAGES if counts.any() else np.full(len(counts), np.nan)  # imported tables have no counts
    numbers: dict[str, float] = {"n": len(train), "num_attributes": len(table), "num_rare": rare.sum()}
    for kind in ("scene", "object"):
        numbers[f"num_{kind}s"] = int((kinds == kind).sum())
        numbers[f"num_rare_{kind}s"] = rare[kinds == kind].sum()
    mean, in_sample = matrix(table, "mean"), matrix(table, "in_sample")
    ours, labels = label_frequencies(table, train)
    if len(table):
        numbers["top_mean"], numbers["top_in_sample"] = float(mean.max(1).mean()), float(in_sample.max(1).mean())
        numbers["top_difference"] = float(np.abs(mean.max(1) - in_sample.max(1)).mean())
        numbers["in_sample_r"] = pearson(mean, in_sample)
        numbers["labels_r"] = pearson(mean[ours], labels)
        numbers["labels_r_in_sample"] = pearson(in_sample[ours], labels)
    return {key: number for key, number in numbers.items() if np.isfinite(number)}


def label_frequencies(table: pa.Table, train: pa.Table) -> tuple[Integers, Floats]:
    """Return the table rows whose attribute occurs in train images, and their emotion frequencies.

    The frequencies, rows by 8, are the shares of the annotated emotions among the images that have the attribute.
    """
    attributes = attributes_of(train)
    shares = moments(np.eye(len(EMOTIONS))[emotion_indices(train)], attributes).mean
    at = {name: index for index, name in enumerate(attributes.names)}
    names = table["attribute"].to_pylist()
    rows = np.array([row for row, name in enumerate(names) if name in at], dtype=np.int64)
    return rows, shares[[at[names[row]] for row in rows]]


def pearson(first: Floats, second: Floats) -> float:
    """Return Pearson's correlation over all entries of two matrices, or NaN where it is undefined."""
    if first.size < 2 or first.std() == 0 or second.std() == 0:
        return float("nan")
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


def matrix(table: pa.Table, column: str) -> Floats:
    """Return a vector column of a correlation table as an A8 float64 array."""
    flat: Floats = table[column].combine_chunks().flatten().to_numpy().astype(np.float64)
    return flat.reshape(len(table), len(EMOTIONS))


def vectors_of(rows: Floats) -> pa.Array:
    """Return an A8 array as a column of vectors of eight float32."""
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel(), pa.float32()), rows.shape[1])


log = logging.getLogger("evoke")


def named_as(annotated: Sequence[str], table: pa.Table) -> pa.Table:
    """Return an imported correlation table with the names of the corpus, sorted by attribute.

    `annotated` are the attributes of the corpus, kind/name. Attributes that stay without a coefficient are named in a
    warning. Raises ValueError if none of the corpus has one.
    """
    listed = table["attribute"].to_pylist()
    renamed = matches(annotated, listed)
    names = [renamed.get(name, name) for name in listed]
    unmatched = sorted(set(annotated) - set(names))
    if unmatched:
        problem = f"{len(unmatched)} of {len(annotated)} attributes of the corpus have no imported coefficient"
        if len(unmatched) == len(annotated):
            raise ValueError(
                f"{problem}: the corpus has names such as {', '.join(unmatched[:3])}, the imported table such as "
                f"{', '.join(listed[:3])}; import the table of this corpus, or set correlation.source to computed"
            )
        log.warning("%s and get the mean of their kind: %s", problem, ", ".join(unmatched))
    for column, values in (("attribute", names), ("name", [name.partition("/")[2] for name in names])):
        table = table.set_column(table.column_names.index(column), column, pa.array(values, pa.string()))
    return table.sort_by("attribute")


def matches(annotated: Sequence[str], listed: Sequence[str]) -> Mapping[str, str]:
    """Return the listed names that mean an annotated one without doubt, with that one; equal names are left out.

    Two names match if they have a spelling in common and neither shares one with a third name that has no equal.
    """
    open_names = {name: spellings(name) for name in annotated if name not in set(listed)}
    others = {name: spellings(name) for name in listed if name not in set(annotated)}
    pairs = [(name, other) for name, own in open_names.items() for other, its in others.items() if own & its]
    counts = Counter(name for pair in pairs for name in set(pair))
    return {other: name for name, other in pairs if counts[name] == counts[other] == 1}


def spellings(attribute: str) -> set[str]:
    """Return the ways in which sources write the name of an attribute, kind/name, each as kind/words.

    They are its letters and digits, without what is in brackets, and the last part of a name with slashes: for
    object/organ_(musical_instrument) also object/organ, and for scene/bakery/shop also scene/shop.
    """
    kind, _, name = attribute.partition("/")
    ways = (name, re.sub(r"\(.*?\)", "", name), name.rpartition("/")[2])
    words = (" ".join(re.findall(r"[^\W_]+", way.lower())) for way in ways)
    return {f"{kind}/{way}" for way in words if way}
