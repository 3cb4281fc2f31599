"""Define our numbers: the value, the measure behind it, and how it compares with another row of its experiment."""

from collections.abc import Iterable
from dataclasses import dataclass

EMO_A = {"emo_a": "emo_a/classifier", "emo_a_judge": "emo_a/judge"}
CONTENT = {"ec_emo_a": "emo_a/clip", "ec_content": "content/clip", "ec_a": "ec_a/clip"}  # of metrics/content
NAMES = {"fid": ("fid",), "lpips": ("lpips", "feature_distance"), "sem_c": ("sem_c",), "sem_d": ("sem_d_mse",)}
PAPERS_OWN = ("inception", "alexnet", "resnet50")  # prefixes of the papers' backbones
KEY_SLASHES = 2


@dataclass(frozen=True)
class Comparison:
    """The comparison of a row with the row `against`.

    The difference with its 95 % interval, the verdict on the paper's claim, and `resolves`, the difference that would
    be found in four of five such experiments.
    """

    difference: float
    low: float
    high: float
    verdict: str
    against: str
    resolves: float


@dataclass(frozen=True)
class Ours:
    """Our number, in the unit of its file (a share, not percent); None if there is none.

    - remedy: the command that produces a missing number.
    - measure: the quantity, by backbone and protocol.
    - as_published: True if backbone and protocol are the papers'.
    - real: the value of real images by the same measure.
    - grid: the experiment behind the number, "" for the present run.
    - outdated: why the experiment is outdated, "" if it is not.
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
    """Return the keys that have the form name/backbone/protocol and belong to a metric of NAMES."""
    return [key for key in keys if key.count("/") == KEY_SLASHES and key.split("/")[0] in NAMES.get(metric, ())]


def preference(key: str) -> tuple[bool, int, str]:
    """Return a sort key for name/backbone/protocol.

    clean comes first; then the papers' networks, the judge, and last CLIP, because it is used in training.
    """
    _, backbone, protocol = key.split("/")
    rank = 0 if backbone.startswith(PAPERS_OWN) else 1 if backbone.startswith("judge") else 2
    return protocol != "clean", rank, key
