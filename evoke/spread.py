"""Estimate how much trainings differ from many comparisons at once, since three seeds of one say little.

The standard deviation of a difference over three seeds has two degrees of freedom, so Student's t is 4.30 and the
widths of intervals vary by chance more than by anything else. Comparisons of one metric have variances of one size,
though, and their distribution can be fitted: a scaled inverse chi-square whose degrees of freedom say how alike they
are. The variance of one comparison is then the weighted mean of its own and of the fitted one, and t has the degrees
of freedom of both (Smyth 2004, "Linear models and empirical Bayes methods for assessing differential expression",
section 3 for the moderated t-statistic, section 6 for the fit; usual where few replicates of many comparisons are
made).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

FLOOR = 1e-5  # of the median variance: a variance of nothing has no logarithm


@dataclass(frozen=True)
class Spread:
    """The fitted distribution of the variances of a metric's differences over seeds.

    deviation: the typical standard deviation. degrees: the degrees of freedom that it is worth. pooled: those of all
    comparisons together, which no comparison can exceed.
    """

    deviation: float
    degrees: float
    pooled: int

    def moderated(self, variance: float, degrees: int) -> tuple[float, float]:
        """Return the variance of a comparison as moderated by the others, with its degrees of freedom."""
        total = self.degrees + degrees
        return (self.degrees * self.deviation**2 + degrees * variance) / total, min(total, self.pooled)


def fit_spread(variances: Sequence[float], degrees: int) -> Spread:
    """Return the spread that the variances of many comparisons have, each with so many degrees of freedom.

    The logarithms of the variances have a mean and a variance that follow from those of the chi-square distribution
    (Smyth 2004, section 6.2). If they differ by no more than chance, all share one variance.
    """
    from scipy.optimize import brentq
    from scipy.special import digamma, polygamma

    pooled = len(variances) * degrees
    logs = np.log(np.maximum(variances, FLOOR * np.median(variances))) - digamma(degrees / 2) + np.log(degrees / 2)
    excess = logs.var(ddof=1) - polygamma(1, degrees / 2)
    half = pooled / 2
    if excess > polygamma(1, half):
        half = float(brentq(lambda each: polygamma(1, each) - excess, 1e-3, half))
    deviation = float(np.exp((logs.mean() + digamma(half) - np.log(half)) / 2))
    return Spread(deviation, 2 * half, pooled)


def read_spreads(path: Path) -> dict[str, Spread]:
    """Return the spreads of a file that `python -m experiments.spread` has written, by metric; none if it is absent."""
    metrics = json.loads(path.read_text())["metrics"] if path.is_file() else {}
    return {name: Spread(each["deviation"], each["degrees"], each["pooled"]) for name, each in metrics.items()}
