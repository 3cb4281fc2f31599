"""Load and check the papers' numbers from papers.yaml: the tables of CoEmoGen and UniEmo as printed, with sources."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.params import read_yaml

PAPERS = Path(__file__).with_name("papers.yaml")
Metric = Literal[
    "fid", "lpips", "emo_a", "sem_c", "sem_d", "accuracy_emoset", "accuracy_fi", "accuracy_emotionroi",
    "accuracy_twitter_i", "accuracy_twitter_ii", "zero_shot_fi", "ec_emo_a", "ec_content", "ec_a",
]  # fmt: skip
TableName = Literal["1", "2a", "2b", "2c", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "EC"]
ParamValue = str | float | bool | Annotated[tuple[str | float | bool, ...], Field(strict=False)]
SHARES = ("lpips", "sem_c", "sem_d")  # in [0, 1]; FID is any positive number, all others are percent
MAX_PERCENT = 100.0


class _Checked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Row(_Checked):
    """A row as the paper prints it, and how to find our number for it, if any.

    - numbers: in the order of the table's metrics, None where the paper has none.
    - method, readers: the method or the readers with the metrics.
    - params: the params that distinguish the row from others, with several values if any of them will do; without
      them any params match.
    - grid, grid_row: the experiment in experiments/ and its row.
    - missing: why this project has no such row; only, and always, for rows that it has not.
    - claim: "one - other" of experiments/uniemo_oracle.py, whose images resolve the first one's accuracy on EmoSet.
    """

    row: str
    numbers: Annotated[tuple[float | None, ...], Field(strict=False)]
    method: str | None = None
    readers: Annotated[tuple[str, ...], Field(strict=False)] = ()
    params: Mapping[str, ParamValue] = {}
    grid: str | None = None
    grid_row: str | None = None
    claim: str | None = None
    missing: str = ""

    @property
    def is_ours(self) -> bool:
        """Return True if this project has such a row at all."""
        return bool(self.method or self.readers or self.grid)


class PaperTable(_Checked):
    """One table of a paper; `source` names paper and table, and `note` explains how our numbers relate to it.

    `params` are those of the complete model; rows with params override them.
    """

    title: str
    source: str
    note: str = ""
    metrics: Annotated[tuple[Metric, ...], Field(strict=False, min_length=1)]
    params: Mapping[str, ParamValue] = {}
    rows: Annotated[tuple[Row, ...], Field(strict=False, min_length=1)]

    def params_of(self, row: Row) -> dict[str, ParamValue]:
        """Return the values that params.yaml must have, by dotted key, for metrics to belong to this row."""
        return {**self.params, **row.params} if row.params else {}

    @model_validator(mode="after")
    def _check(self) -> "PaperTable":
        names = [row.row for row in self.rows]
        if len(set(names)) < len(names):
            raise ValueError(f"rows are {names}; every name may occur only once")
        for row in self.rows:
            if len(row.numbers) != len(self.metrics):
                raise ValueError(f"{row.row}: {len(row.numbers)} numbers for {len(self.metrics)} metrics")
            if (row.grid is None) != (row.grid_row is None):
                raise ValueError(f"{row.row}: grid and grid_row must be given together")
            if row.is_ours == bool(row.missing):
                raise ValueError(f"{row.row}: `missing` says why there is no such row of ours, of those and no other")
            if row.claim is not None and " - " not in row.claim:
                raise ValueError(f"{row.row}: claim = {row.claim!r}: allowed is a difference such as 'one - other'")
            for metric, number in zip(self.metrics, row.numbers, strict=True):
                _check_range(f"{row.row}: {metric}", metric, number)
        return self


def load_papers(path: Path = PAPERS) -> dict[TableName, PaperTable]:
    """Return every table by its name. Raises ValueError that lists all problems of the file with their places."""
    values: Any = read_yaml(path)
    expected = TableName.__args__  # type: ignore[attr-defined]
    if not isinstance(values, dict) or sorted(values) != sorted(expected):
        names = sorted(values) if isinstance(values, dict) else type(values).__name__
        raise ValueError(f"{path}: tables are {names}, expected {', '.join(expected)}")
    tables, problems = {}, []
    for name, value in values.items():
        try:
            tables[name] = PaperTable.model_validate(value)
        except ValidationError as error:
            problems += [f"{path}: table {name}: {_place(detail)}" for detail in error.errors(include_url=False)]
    if problems:
        raise ValueError("\n".join(problems))
    return tables


def _check_range(where: str, metric: str, number: float | None) -> None:
    if number is None:
        return
    high = 1.0 if metric in SHARES else float("inf") if metric == "fid" else MAX_PERCENT
    if not 0 < number <= high:
        raise ValueError(f"{where} = {number} is not in (0, {high:g}]")


def _place(detail: Any) -> str:
    return f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}".removeprefix(": ")
