"""Correlation coefficients against the drawn world's true conditionals, out of fold and in sample.

The headline, `correlation_rank`, is Spearman's over all entries, attributes by emotions: Eq. 6 of UniEmo weighs by the
coefficient itself, whatever attribute and emotion it is of, so all entries lie on one scale. It owes a little to the
emotions' prior, so `correlation_rank_prior` says how much, and `correlation_rank_by_emotion`, the mean over emotions of
Spearman's over attributes, owes it nothing.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.emotions import EMOTIONS
from pipeline.miniature import distributions as d
from pipeline.miniature.checks.conditionals import label_given_attribute
from pipeline.miniature.world import Floats, World

LEAST_IMAGES = 10  # attributes on fewer pictures are not compared
COLUMNS = {"": "coefficient", "_out_of_fold": "mean", "_in_sample": "in_sample"}


def correlation_checks(table: pa.Table) -> dict[str, float]:
    """Rank correlations and mean absolute errors of the columns of CORRELATION_SCHEMA; what is not defined is left out.

    coefficient is shrunk where params say so; out_of_fold is not. Errors are of probabilities alone: of a table of
    logarithms there are none. Attributes that the world does not know are not compared.
    """
    world = World(seed=0)  # the conditionals are those of every seed
    conditionals = label_given_attribute(world)
    known = pc.is_in(table["attribute"], value_set=pa.array(conditionals))
    often = table.filter(pc.and_(known, pc.greater_equal(table["num_images"], LEAST_IMAGES)))
    true = np.array([conditionals[name] for name in often["attribute"].to_pylist()]).reshape(-1, len(EMOTIONS))
    prior = np.tile(d.PRIOR @ world.label_given_emotion, (len(true), 1))
    numbers: dict[str, float] = {"correlation_num_attributes": len(often)}
    numbers["correlation_rank_prior"] = rank_correlation(prior, true)
    for suffix, column in COLUMNS.items():
        found = np.array(often[column].to_pylist()).reshape(-1, len(EMOTIONS))
        by_emotion = [rank_correlation(found[:, place], true[:, place]) for place in range(len(EMOTIONS))]
        numbers[f"correlation_rank{suffix}"] = rank_correlation(found, true)
        numbers[f"correlation_rank_by_emotion{suffix}"] = float(np.mean(by_emotion))
        if not suffix:
            numbers |= {f"correlation_rank_{name}": rank for name, rank in zip(EMOTIONS, by_emotion, strict=True)}
        if found.size and found.min() >= 0:
            numbers[f"correlation_error{suffix}"] = float(np.abs(found - true).mean())
    return {key: value for key, value in numbers.items() if np.isfinite(value)}


def rank_correlation(first: Floats, second: Floats) -> float:
    """Spearman's of the entries of two arrays of one shape, ties by their mean rank; NaN where it is not defined."""
    a, b = ranks(first), ranks(second)
    if a.size < 2 or a.std() == 0 or b.std() == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def ranks(values: Floats) -> Floats:
    """The mean rank, from 1, of each entry."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    found: Floats = (last - (counts - 1) / 2)[places.ravel()]
    return found
