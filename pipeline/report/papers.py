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
    - over, under: the rows of the same table that the paper calls worse, or better, than this one. Of several, the one
      with the best number of a metric counts. At most one of the two is given (PaperTable.opponents has the default).
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
    over: Annotated[tuple[str, ...], Field(strict=False)] = ()
    under: Annotated[tuple[str, ...], Field(strict=False)] = ()

    @property
    def is_ours(self) -> bool:
        """Return True if this project has such a row at all."""
        return bool(self.method or self.readers or self.grid)


class PaperTable(_Checked):
    """One table of a paper; `source` names paper and table, and `note` explains how our numbers relate to it.

    `params` are those of the complete model; rows with params override them. `proposed` is the row that the paper calls
    the best of the table.
    """

    title: str
    source: str
    note: str = ""
    metrics: Annotated[tuple[Metric, ...], Field(strict=False, min_length=1)]
    params: Mapping[str, ParamValue] = {}
    proposed: str
    rows: Annotated[tuple[Row, ...], Field(strict=False, min_length=1)]

    def opponents(self, row: Row) -> tuple[int, tuple[str, ...]]:
        """Return 1 and the rows that the paper calls worse than this row, or -1 and those that it calls better.

        A row that names neither is called worse than the proposed row, and the proposed row better than all others.
        """
        if row.over or row.under:
            return (1, row.over) if row.over else (-1, row.under)
        if row.row == self.proposed:
            return 1, tuple(other.row for other in self.rows if other.row != row.row)
        return -1, (self.proposed,)

    def params_of(self, row: Row) -> dict[str, ParamValue]:
        """Return the values that params.yaml must have, by dotted key, for metrics to belong to this row."""
        return {**self.params, **row.params} if row.params else {}

    @model_validator(mode="after")
    def _check(self) -> "PaperTable":
        names = [row.row for row in self.rows]
        if len(set(names)) < len(names):
            raise ValueError(f"rows are {names}; every name may occur only once")
        if self.proposed not in names:
            raise ValueError(f"proposed = {self.proposed!r}: allowed is a row of the table")
        for row in self.rows:
            if len(row.numbers) != len(self.metrics):
                raise ValueError(f"{row.row}: {len(row.numbers)} numbers for {len(self.metrics)} metrics")
            if (row.grid is None) != (row.grid_row is None):
                raise ValueError(f"{row.row}: grid and grid_row must be given together")
            if row.is_ours == bool(row.missing):
                raise ValueError(f"{row.row}: `missing` says why there is no such row of ours, of those and no other")
            if row.over and row.under:
                raise ValueError(f"{row.row}: give `over` or `under`, not both")
            if wrong := [other for other in (*row.over, *row.under) if other not in names or other == row.row]:
                raise ValueError(f"{row.row}: over or under {wrong[0]!r}: allowed are the other rows of the table")
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
