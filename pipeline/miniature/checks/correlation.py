"""Compare correlation coefficients, out of fold and in sample, with the drawn world's true conditionals.

The main figure, `correlation_rank`, is Spearman's rank correlation over all entries (attributes by emotions). UniEmo
Eq. 6 weighs by the coefficient itself, for every attribute and emotion, so all entries lie on one scale. Part of it
comes from the prior of the emotions: `correlation_rank_prior` is what the prior alone reaches. The mean over emotions
of Spearman's rank correlation over attributes, `correlation_rank_by_emotion`, does not depend on the prior.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.emotions import EMOTIONS
from pipeline.miniature import distributions as d
from pipeline.miniature.checks.conditionals import label_given_attribute
from pipeline.miniature.world import Floats, World

LEAST_IMAGES = 10  # attributes on fewer images are not compared
COLUMNS = {"": "coefficient", "_out_of_fold": "mean", "_in_sample": "in_sample"}


def correlation_checks(table: pa.Table) -> dict[str, float]:
    """Return rank correlations and mean absolute errors for a table under CORRELATION_SCHEMA.

    Figures without suffix refer to the coefficient, which is shrunk where the parameters say so. Those ending in
    _out_of_fold are not shrunk, and those ending in _in_sample come from a classifier that has seen the images. Errors
    are given for probabilities only, not for a table of logarithms. Undefined figures are left out, and attributes that
    the world does not have or that fewer than LEAST_IMAGES images show are not compared.
    """
    world = World(seed=0)  # the conditionals do not depend on the seed
    conditionals = label_given_attribute(world)
    in_truth = pc.is_in(table["attribute"], value_set=pa.array(conditionals))
    often = table.filter(pc.and_(in_truth, pc.greater_equal(table["num_images"], LEAST_IMAGES)))
    true = np.array([conditionals[name] for name in often["attribute"].to_pylist()]).reshape(-1, len(EMOTIONS))
    prior = np.tile(d.PRIOR @ world.label_given_emotion, (len(true), 1))
    numbers: dict[str, float] = {"correlation_num_attributes": len(often)}
    numbers["correlation_rank_prior"] = rank_correlation(prior, true)
    for suffix, column in COLUMNS.items():
        coefficients = np.array(often[column].to_pylist()).reshape(-1, len(EMOTIONS))
        by_emotion = [rank_correlation(coefficients[:, place], true[:, place]) for place in range(len(EMOTIONS))]
        numbers[f"correlation_rank{suffix}"] = rank_correlation(coefficients, true)
        numbers[f"correlation_rank_by_emotion{suffix}"] = float(np.mean(by_emotion))
        if not suffix:
            numbers |= {f"correlation_rank_{name}": rank for name, rank in zip(EMOTIONS, by_emotion, strict=True)}
        if coefficients.size and coefficients.min() >= 0:
            numbers[f"correlation_error{suffix}"] = float(np.abs(coefficients - true).mean())
    return {key: value for key, value in numbers.items() if np.isfinite(value)}


def rank_correlation(first: Floats, second: Floats) -> float:
    """Return Spearman's rank correlation of the entries of two arrays of the same shape; NaN where it is undefined.

    Ties take their mean rank.
    """
    a, b = ranks(first), ranks(second)
    if a.size < 2 or a.std() == 0 or b.std() == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def ranks(values: Floats) -> Floats:
    """Return the rank of each entry from 1, flattened; ties take their mean rank."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    result: Floats = (last - (counts - 1) / 2)[places.ravel()]
    return result
