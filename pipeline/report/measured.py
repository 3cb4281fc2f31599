"""Find what this project measured for a row of the papers' tables, or what to run if it did not.

A number is the mean over the seeds of the experiment that the row names, if that was run: a claim needs three seeds,
rows with equal numbers of steps and a paired interval, and its verdict is shown with it. Otherwise it comes from the
single seed in metrics/, provided that params.yaml matches the row. An outdated experiment is shown only if metrics/ has
no value. That is one without a key, which says of which code, data and weights it is (experiments/key.py), one whose
key differs from what dvc.lock records, and one whose file gives a reason as `outdated`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.artifacts import read_object
from pipeline.corpora.records import shown
from pipeline.params import COEMOGEN, METHODS, Params
from pipeline.report.grids import ACCURACY, from_grids, remedies_of
from pipeline.report.names import labelled_data
from pipeline.report.ours import CONTENT, EMO_A, Ours, keys_of, preference
from pipeline.report.papers import PaperTable, Row
from pipeline.report.summary import all_metrics

READING = "understanding_scores"
LABELLED = f"{COEMOGEN}emoset"  # the papers' method on the labelled corpus, which `corpus` may name otherwise
NO_KEY = "without a key, so that nothing says of which code, data and weights it is"
DRAWN = "data/miniature/emoset"  # data set of an experiment that names none
ALONE = "reported by the paper only"
TOO_FEW = "too few images; increase images.num_per_emotion"
NO_CONTENT = "the labelled corpus names no scene and no object"
PUBLISHED = "/as_published"  # suffix of each measure's key, including undefined ones
TOO_RARE = "a class has fewer images than understanding_scores.folds; lower folds or add images"
UNTRAINED = "not trained on any data set; see Table III for zero-shot accuracy"
WITHIN = ("split", "folds")  # probes within a small data set: its own split, else k folds


@dataclass(frozen=True)
class Measured:
    """Hold metrics by file name without .json, such as scores/coemogen_emoset; grids by name; and the params."""

    metrics: Mapping[str, Mapping[str, Any]]
    grids: Mapping[str, Mapping[str, Any]]
    params: Params

    @classmethod
    def of(cls, metrics: Path, results: Path, params: Params, recorded: Mapping[str, str] | None = None) -> "Measured":
        """Read every file of the two folders, either of which may be absent.

        Experiments count only if they used the labelled data of the params. recorded: the MD5 of each input in dvc.lock
        by path, against which the keys of experiments are held.
        """
        read = {path.stem: _read_grid(path) for path in sorted(results.glob("*.json"))}
        grids = {name: {**grid, "outdated": age_of(grid, recorded or {})} for name, grid in read.items()}
        same_data = {name: grid for name, grid in grids.items() if grid.get("data", DRAWN) == labelled_data(params)}
        return cls(all_metrics(metrics), same_data, params)

    def ours(self, table: PaperTable, row: Row, metric: str) -> Ours:
        """Return our number for one cell. The papers' CoEmoGen on EmoSet is ours on the labelled corpus."""
        if not row.is_ours:
            return Ours(remedy=ALONE)
        if row.method == LABELLED:
            row = row.model_copy(update={"method": f"{COEMOGEN}{self.params.corpus}"})
        wrong = self._differing(table.params_of(row))
        present = Ours() if wrong else self._from_metrics(row, metric)
        by_grid = from_grids(self.grids, row, metric)
        if present.value is not None and (by_grid.value is None or by_grid.outdated):
            return present
        if by_grid.value is not None:
            return _with_real(by_grid, present)
        return replace(present, remedy=present.remedy or self._remedy(row, metric, wrong))

    def of_method(self, method: str, metric: str) -> Ours:
        """Return the number of a method in the present run, in no table of the papers."""
        return self._from_metrics(Row(row=method, numbers=(), method=method), metric)

    def of_reader(self, reader: str, metric: str) -> Ours:
        """Return the accuracy of a reader in the present run, in no table of the papers."""
        return self._from_metrics(Row(row=reader, numbers=(), readers=(reader,)), metric)

    @property
    def readers(self) -> list[str]:
        """Return the readers whose accuracy on EmoSet was measured."""
        parts = [key.split("/") for key in self.metrics.get(READING, {})]
        return sorted({key[1] for key in parts if (key[0], key[2:]) == ("emoset", ["accuracy"])})

    def real(self, metric: str) -> Ours:
        """Return the number of real test images; without a value for metrics that only generated images have."""
        scores = self.metrics.get("real_scores", {})
        key = EMO_A.get(metric) or min(keys_of(metric, scores), key=preference, default="")
        return _cell(scores, key, scores.get(f"{key}/n"))

    def _differing(self, expected: Mapping[str, Any]) -> dict[str, Any]:
        """Return the expected values that differ from params.yaml."""
        values = {key: value if isinstance(value, tuple) else (value,) for key, value in expected.items()}
        return {key: allowed[0] for key, allowed in values.items() if self._param(key) not in allowed}

    def _param(self, key: str) -> Any:
        section, _, name = key.partition(".")
        return getattr(getattr(self.params, section), name, None)  # foundation_vit may be null

    def _from_metrics(self, row: Row, metric: str) -> Ours:
        if metric.startswith(("accuracy_", "zero_shot_")):
            return next(self._accuracies(row, metric), Ours(remedy=self._no_accuracy(row, metric)))
        scores = self.metrics.get(f"scores/{row.method}", {}) if row.method in self.params.methods else {}
        if metric in CONTENT:
            content = self.metrics.get(f"content/{row.method}", {}) if row.method in self.params.methods else {}
            return _cell(content, CONTENT[metric], content.get(f"{CONTENT[metric]}/n"))
        if metric in EMO_A:
            return _cell(scores, EMO_A[metric], scores.get("n"))
        keys = keys_of(metric, (key.removesuffix(PUBLISHED) for key in scores if key.endswith(PUBLISHED)))
        key = min(keys, key=lambda key: (not scores[f"{key}{PUBLISHED}"], *preference(key)), default=None)
        if key is None:
            return Ours(remedy=NO_CONTENT if scores and metric == "sem_c" else "")
        return _cell(scores, key, scores.get(f"{key}/n"))

    def _accuracies(self, row: Row, metric: str) -> Iterator[Ours]:
        """Yield the accuracy of each reader of the row, in their order.

        Each is from the reader's own metrics file, then from the file of all readers.
        """
        within = metric.startswith("accuracy_") and metric != ACCURACY
        dataset, table = self._dataset(metric), self.metrics.get(READING, {})
        for reader in row.readers:
            own = self.metrics.get(reader, {}) if metric == ACCURACY else {}
            if own.get("accuracy") is not None:
                yield _accuracy(own, "accuracy", ("accuracy_low", "accuracy_high", "n_test"), f"{reader}, test split")
            for task in WITHIN if within else ("",):
                prefix = "/".join(filter(None, (dataset, reader, task)))
                if table.get(f"{prefix}/accuracy") is not None:
                    ends = tuple(f"{prefix}/{name}" for name in ("low", "high", "n"))
                    yield _accuracy(table, f"{prefix}/accuracy", ends, f"{reader}, {task or 'as trained on EmoSet'}")

    def _dataset(self, metric: str) -> str:
        """Return the data set of an accuracy, under its name in the metrics."""
        name = metric.removeprefix("accuracy_").removeprefix("zero_shot_")
        return self.params.corpus if name == "emoset" else name

    def _no_accuracy(self, row: Row, metric: str) -> str:
        """Return why a finished run has no accuracy; empty if there was no run."""
        dataset, table = self._dataset(metric), self.metrics.get(READING, {})
        if table.get(f"{dataset}/num_rare_classes"):
            return TOO_RARE
        return UNTRAINED if any(f"{dataset}/{reader}/accuracy" in table for reader in row.readers) else ""

    def _remedy(self, row: Row, metric: str, wrong: Mapping[str, Any]) -> str:
        """Return the commands that produce the number."""
        ways = []
        if row.method and not metric.startswith(("accuracy_", "zero_shot_")):
            unit = f"{'content' if metric in CONTENT else 'scores'}@{row.method}"
            ways.append(self._by_method(row.method, unit, wrong))
        elif row.readers:
            names = (READING,) if metric != ACCURACY or row.readers == ("captioner",) else row.readers[:1]
            ways.append(_repro(names[0], wrong))
        return ", or ".join([*ways, *remedies_of(row, metric)]) or "not measured by any stage or grid"

    def _by_method(self, method: str, unit: str, wrong: Mapping[str, Any]) -> str:
        if method not in METHODS and not method.startswith(COEMOGEN):
            return f"the method {method} is not implemented"
        if method not in self.params.methods:
            return f"add {method} to methods in params.yaml, then {_repro(unit, wrong)}"
        return _repro(unit, wrong)


def unit_of(row: Row, metric: str, ours: Ours) -> str:
    """Return the unit or experiment that a number of ours is from; "" without a number."""
    if ours.value is None or ours.grid:
        return ours.grid
    if metric.startswith(("accuracy_", "zero_shot_")):
        reader, _, task = ours.measure.partition(", ")
        return reader if metric == ACCURACY and task == "test split" and "/" not in reader else READING
    return f"{'content' if metric in CONTENT else 'scores'}@{row.method}"


def _read_grid(path: Path) -> dict[str, Any]:
    """Return the results of a grid. Raises ValueError that names the file if it is not one."""
    try:
        grid = read_object(path)
        for row in grid.get("rows", {}).values():
            for cell in row.values():
                float(cell["mean"]), len(grid["seeds"]), int(grid["images_per_seed"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        reason = shown(f"{type(error).__name__}: {error}")
        raise ValueError(
            f"{path} does not hold the results of a grid: {reason}; restore it with `git checkout {path}`"
        ) from None
    return grid


def age_of(grid: Mapping[str, Any], recorded: Mapping[str, str]) -> str:
    """Return why the results of a grid are outdated; an empty string if they are not, as far as can be told."""
    if grid.get("outdated") or not grid.get("key"):
        return str(grid.get("outdated") or NO_KEY)
    key = grid["key"]
    codes = {f"code/{name}.txt": md5 for name, md5 in key.get("code", {}).items()}
    inputs = {**codes, **key.get("data", {}), **key.get("weights", {})}
    changed = [path for path, md5 in inputs.items() if recorded.get(path, md5) != md5]
    return f"with other {', '.join(changed)}" if changed else ""


def _repro(unit: str, wrong: Mapping[str, Any]) -> str:
    changes = ", ".join(f"{key}: {str(value).lower() if isinstance(value, bool) else value}"
                        for key, value in wrong.items())  # fmt: skip
    return f"`dvc repro {unit}`" + (f" with {changes} in params.yaml" if changes else "")


def _cell(metrics: Mapping[str, Any], key: str, n: int | None) -> Ours:
    """Return a number of the scores, stored under the keys of pipeline/metrics/result.py."""
    if not isinstance(metrics.get(key), int | float):
        return Ours(remedy=TOO_FEW if metrics else "")
    ends, real = (metrics.get(f"{key}/low"), metrics.get(f"{key}/high")), metrics.get(f"real/{key}")
    return Ours(metrics[key], *ends, n, real, key, bool(metrics.get(f"{key}{PUBLISHED}")))


def _accuracy(metrics: Mapping[str, Any], key: str, ends: tuple[str, ...], measure: str) -> Ours:
    low, high, n = (metrics.get(end) for end in ends)
    return Ours(metrics[key], low, high, None if n is None else int(n), None, measure)


def _with_real(by_grid: Ours, present: Ours) -> Ours:
    """Return a grid's number with the value of real images, if the present run has the same measure.

    FID is excluded because it depends on the number of images, which differs in the present run.
    """
    quantity = by_grid.measure.partition(",")[0]
    same = present.measure.startswith(quantity) and not quantity.startswith(("fid/", "accuracy"))
    return replace(by_grid, real=present.real) if same else by_grid
