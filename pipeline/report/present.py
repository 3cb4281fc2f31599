"""Lay out the numbers of the present run in tables of their own, beside no paper: methods, and readers of emotions."""

from collections.abc import Sequence

from pipeline.params import Params
from pipeline.report.measured import Measured, unit_of
from pipeline.report.names import readable
from pipeline.report.ours import CONTENT
from pipeline.report.papers import Row
from pipeline.report.tables import TITLES, Cell, Compared, caveat_of, in_unit

METRICS = ("emo_a_judge", "emo_a", "fid", "lpips", "sem_c", "sem_d", "ec_content", "ec_a")


def of_method(measured: Measured, method: str, metric: str) -> Cell:
    """Return a number of a method, or of "real" images, in the present run, beside no paper."""
    is_real = method == "real"
    ours = measured.real(metric) if is_real else measured.of_method(method, metric)
    unit = "real_scores" if is_real else f"{'content' if metric in CONTENT else 'scores'}@{method}"
    return Cell(readable(method), metric, in_unit(ours, metric), None, unit)


def of_methods(measured: Measured, methods: Sequence[str]) -> Compared:
    """Return every metric of real images and of methods in the present run."""
    cells = [of_method(measured, name, metric) for name in ("real", *methods) for metric in METRICS]
    return _of_run("methods", "Every method of this run", cells, measured.params)


def of_readers(measured: Measured) -> Compared:
    """Return the accuracy of every reader in the present run on every data set, beside no paper."""
    cells = [Cell(readable(name), metric, in_unit(ours, metric), None, unit_of(Row(row=name, numbers=()), metric, ours))
             for name in measured.readers for metric in TITLES if metric.startswith(("accuracy_", "zero_shot_"))
             for ours in [measured.of_reader(name, metric)]]  # fmt: skip
    return _of_run("readers", "Who reads emotions how well", cells, measured.params)


def _of_run(name: str, heading: str, cells: Sequence[Cell], params: Params) -> Compared:
    """Return cells of the present run without the metrics that nothing has."""
    metrics = tuple(dict.fromkeys(cell.metric for cell in cells if cell.ours.value is not None))
    kept = tuple(cell for cell in cells if cell.metric in metrics)
    return Compared(name, heading, "", metrics, kept, caveat_of(kept, params))
