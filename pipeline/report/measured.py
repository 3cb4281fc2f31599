"""What this project measured for a row of the papers' tables, or what to run where it did not.

A number is taken from metrics/ only while params.yaml says what the row says, and else from a grid of experiments/,
as the mean over its seeds. Verdicts come from the grids alone (SCIENCE: three seeds and a paired interval).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from pipeline.artifacts import read_json, read_object
from pipeline.corpora.records import shown
from pipeline.params import Method, Params
from pipeline.report.papers import PaperTable, Row

EMO_A = {"emo_a": "emo_a/classifier", "emo_a_judge": "emo_a/judge"}
KEYS = {"fid": ("fid",), "lpips": ("lpips", "feature_distance"), "sem_c": ("sem_c",), "sem_d": ("sem_d_mse",)}
GRID_KEYS = {**EMO_A, "sem_c": "sem_c"}
PAPERS_OWN = ("inception", "alexnet", "resnet50")  # backbones
READING = "understanding_scores"
ALONE = "the paper's alone"
TOO_FEW = "too few images; raise images.num_per_emotion"
WITHIN = ("split", "folds")  # of a small data set: its own split, else k-fold


@dataclass(frozen=True)
class Comparison:
    """A row of a grid against the first: difference with its 95 % interval, and what it says of the paper's claim."""

    difference: float
    low: float
    high: float
    verdict: str


@dataclass(frozen=True)
class Ours:
    """Our number, in the unit of its file (shares, not percent); None where there is none, and `remedy` makes it.

    measure: which quantity it is, by backbone and protocol. as_published: whether those are the papers'. real: of real
    images, by the same measure. of_grid: whether it is of an experiment and not of the present run.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    real: float | None = None
    measure: str = ""
    as_published: bool = False
    of_grid: bool = False
    comparison: Comparison | None = None
    remedy: str = ""


@dataclass(frozen=True)
class Measured:
    """Metrics by file name without .json, such as scores/coemogen_emoset; grids by name; and the params."""

    metrics: Mapping[str, Mapping[str, Any]]
    grids: Mapping[str, Mapping[str, Any]]
    params: Params

    @classmethod
    def of(cls, metrics: Path, results: Path, params: Params) -> "Measured":
        """Every file of the two folders; either may be absent."""
        files = {path.relative_to(metrics).with_suffix("").as_posix(): path for path in sorted(metrics.rglob("*.json"))}
        grids = {path.stem: _read_grid(path) for path in sorted(results.glob("*.json"))}
        return cls({name: read_json(path) for name, path in files.items()}, grids, params)

    def ours(self, table: PaperTable, row: Row, metric: str) -> Ours:
        """Our number for one cell."""
        if not row.is_ours:
            return Ours(remedy=ALONE)
        wrong = self._differing(table.params_of(row))
        found = Ours() if wrong else self._from_metrics(row, metric)
        grid = self.grids.get(row.grid or "", {}).get("rows", {}).get(row.grid_row, {}).get(GRID_KEYS.get(metric, ""))
        if found.value is None and grid:
            found = self._from_grid(row, metric, grid["mean"])
        comparison = Comparison(*(grid[key] for key in ("difference", "low", "high", "verdict"))) if (
            grid and "difference" in grid) else None  # fmt: skip
        remedy = "" if found.value is not None else found.remedy or self._remedy(row, metric, wrong)
        return replace(found, comparison=comparison, remedy=remedy)

    def _differing(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Those of the wanted values that params.yaml has otherwise."""
        return {key: value for key, value in wanted.items() if self._param(key) != value}

    def _param(self, key: str) -> Any:
        section, _, name = key.partition(".")
        return getattr(getattr(self.params, section), name)

    def _from_metrics(self, row: Row, metric: str) -> Ours:
        if metric.startswith(("accuracy_", "zero_shot_")):
            return next(self._accuracies(row, metric), Ours())
        scores = self.metrics.get(f"scores/{row.method}", {}) if row.method in self.params.methods else {}
        if metric in EMO_A:
            return _cell(scores, EMO_A[metric], scores.get("n"))
        keys = sorted(_keys(scores, KEYS[metric]), key=lambda key: _preference(scores, key))
        return _cell(scores, keys[0], scores.get(f"{keys[0]}/n")) if keys else Ours()

    def _accuracies(self, row: Row, metric: str) -> Iterator[Ours]:
        """What each reader of the row has, the first first: of its own file, else of every reader's."""
        within = metric.startswith("accuracy_") and metric != "accuracy_emoset"
        dataset, table = metric.removeprefix("accuracy_").removeprefix("zero_shot_"), self.metrics.get(READING, {})
        for reader in row.readers:
            own = self.metrics.get(reader, {}) if metric == "accuracy_emoset" else {}
            if own.get("accuracy") is not None:
                yield _accuracy(own, "accuracy", ("accuracy_low", "accuracy_high", "n_test"), f"{reader}, test split")
            for task in WITHIN if within else ("",):
                prefix = "/".join(filter(None, (dataset, reader, task)))
                if table.get(f"{prefix}/accuracy") is not None:
                    ends = tuple(f"{prefix}/{name}" for name in ("low", "high", "n"))
                    yield _accuracy(table, f"{prefix}/accuracy", ends, f"{reader}, {task or 'as trained on EmoSet'}")

    def _from_grid(self, row: Row, metric: str, mean: float) -> Ours:
        grid = self.grids[row.grid or ""]
        num = grid["images_per_seed"] * len(grid["seeds"])
        said = f"{GRID_KEYS[metric]}, {len(grid['seeds'])} seed(s) of {row.grid}"
        return Ours(mean, n=num, measure=said, of_grid=True)

    def _remedy(self, row: Row, metric: str, wrong: Mapping[str, Any]) -> str:
        """What makes the number."""
        ways = []
        if row.method and not metric.startswith(("accuracy_", "zero_shot_")):
            ways.append(self._by_method(row.method, wrong))
        elif row.readers:
            names = (READING,) if metric != "accuracy_emoset" or row.readers == ("captioner",) else row.readers[:1]
            ways.append(_repro(names[0], wrong))
        if row.grid and metric in GRID_KEYS:
            ways.append(f"`python -m experiments.run {row.grid}`, then `python -m experiments.verdicts {row.grid}`")
        return ", or ".join(ways) or "no stage or grid measures it"

    def _by_method(self, method: str, wrong: Mapping[str, Any]) -> str:
        if method not in get_args(Method):
            return f"there is no method {method} yet"
        if method not in self.params.methods:
            return f"add {method} to methods in params.yaml, then {_repro(f'scores@{method}', wrong)}"
        return _repro(f"scores@{method}", wrong)


def _read_grid(path: Path) -> dict[str, Any]:
    """The results of a grid. ValueError that names the file where it is none."""
    try:
        grid = read_object(path)
        for row in grid.get("rows", {}).values():
            for cell in row.values():
                float(cell["mean"]), len(grid["seeds"]), int(grid["images_per_seed"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        said = shown(f"{type(error).__name__}: {error}")
        raise ValueError(f"{path}: no results of a grid: {said}; `git checkout {path}` brings them back") from None
    return grid


def _repro(unit: str, wrong: Mapping[str, Any]) -> str:
    changes = ", ".join(f"{key}: {str(value).lower() if isinstance(value, bool) else value}"
                        for key, value in wrong.items())  # fmt: skip
    return f"`dvc repro {unit}`" + (f" with {changes} in params.yaml" if changes else "")


def _cell(found: Mapping[str, Any], key: str, n: int | None) -> Ours:
    """A figure of scores, as pipeline/metrics/result.py lays it out."""
    if not isinstance(found.get(key), int | float):
        return Ours(remedy=TOO_FEW if found else "")
    ends, real = (found.get(f"{key}/low"), found.get(f"{key}/high")), found.get(f"real/{key}")
    return Ours(found[key], *ends, n, real, key, bool(found.get(f"{key}/as_published")))


def _accuracy(found: Mapping[str, Any], key: str, ends: tuple[str, ...], measure: str) -> Ours:
    low, high, n = (found.get(end) for end in ends)
    return Ours(found[key], low, high, None if n is None else int(n), None, measure)


def _keys(scores: Mapping[str, Any], names: tuple[str, ...]) -> list[str]:
    """Overall keys of metrics of these names, undefined ones too: all rows are of one measure."""
    ends = [key.removesuffix("/as_published") for key in scores if key.endswith("/as_published")]
    return [key for key in ends if key.split("/")[0] in names]


def _preference(scores: Mapping[str, Any], key: str) -> tuple[bool, bool, int, str]:
    """Published measures first, then clean ones; the papers' networks before the judge, and CLIP last: it trains."""
    _, backbone, protocol = key.split("/")
    rank = 0 if backbone in PAPERS_OWN else 1 if backbone.startswith("judge") else 2
    return not scores[f"{key}/as_published"], protocol != "clean", rank, key
