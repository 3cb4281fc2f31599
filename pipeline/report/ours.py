"""A number of ours: what it is of, by which measure, and how it compares with another row of its experiment."""

from collections.abc import Iterable
from dataclasses import dataclass

EMO_A = {"emo_a": "emo_a/classifier", "emo_a_judge": "emo_a/judge"}
NAMES = {"fid": ("fid",), "lpips": ("lpips", "feature_distance"), "sem_c": ("sem_c",), "sem_d": ("sem_d_mse",)}
PAPERS_OWN = ("inception", "alexnet", "resnet50")  # what backbones begin with
KEY_SLASHES = 2


@dataclass(frozen=True)
class Comparison:
    """Difference from `against` with its 95 % interval, what it says of the paper's claim, and what would be found."""

    difference: float
    low: float
    high: float
    verdict: str
    against: str
    resolves: float


@dataclass(frozen=True)
class Ours:
    """Our number, in the unit of its file (shares, not percent); None where there is none, and `remedy` makes it.

    measure: which quantity it is, by backbone and protocol. as_published: whether those are the papers'. real: of real
    images, by the same measure. grid: the experiment that it is of, "" for the present run. outdated: by what, if
    that says that it is.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    real: float | None = None
    measure: str = ""
    as_published: bool = False
    grid: str = ""
    outdated: str = ""
    comparison: Comparison | None = None
    remedy: str = ""


def keys_of(metric: str, keys: Iterable[str]) -> list[str]:
    """Those of the keys that are name/backbone/protocol of a metric of NAMES."""
    return [key for key in keys if key.count("/") == KEY_SLASHES and key.split("/")[0] in NAMES.get(metric, ())]


def preference(key: str) -> tuple[bool, int, str]:
    """To sort name/backbone/protocol by: clean first; the papers' networks before the judge, CLIP last: it trains."""
    _, backbone, protocol = key.split("/")
    rank = 0 if backbone.startswith(PAPERS_OWN) else 1 if backbone.startswith("judge") else 2
    return protocol != "clean", rank, key
