"""Show our numbers beside the papers' as a wide table for a paper: one row per method, as LaTeX or Markdown.

Each metric has a column of our numbers, with the 95 % interval in small type, and a column of the paper's if it has
any. The numbers of images, the verdicts and the commands for missing numbers are left to tables.py.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from pipeline.report.tables import TITLES, Cell, Compared, number, title

SPECIAL = str.maketrans({
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "&": r"\&", "%": r"\%",
    "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
})  # fmt: skip


@dataclass(frozen=True)
class Markup:
    """The syntax of one format.

    `small` is the template of an interval; `mark` follows a distance that is not LPIPS; `missing` stands for no number.
    """

    escape: Callable[[str], str]
    small: str
    mark: str
    missing: str


LATEX = Markup(lambda text: text.translate(SPECIAL), r"{{\scriptsize [{}]}}", r"$^\dagger$", "--")
MARKDOWN = Markup(lambda text: re.sub(r"([\\`*_|<])", r"\\\1", text), "<small>[{}]</small>", "†", "-")


def to_latex(table: Compared, on_miniature: bool) -> str:
    """Return a floating table* that needs the package booktabs, followed by the caveat as a comment.

    `on_miniature` says that our numbers are of the drawn miniature; the caption then says that they are not comparable.
    """
    frame = _frame(table, LATEX)
    text = frame.style.to_latex(
        column_format="l" + "r" * frame.shape[1], environment="table*", position_float="centering", hrules=True,
        multicol_align="c", caption=LATEX.escape(caption(table, on_miniature)), label=f"tab:evoke-{table.name}",
    )  # fmt: skip
    return f"{text}% {' '.join(table.caveat.split())}"


def to_markdown(table: Compared, on_miniature: bool) -> str:
    """Return the caption, a table in GitHub's Markdown, and the caveat. For `on_miniature` see to_latex."""
    frame = _frame(table, MARKDOWN)
    frame.columns = frame.columns.map(", ".join)
    aligned = ("left", *["right"] * frame.shape[1])
    text = frame.to_markdown(colalign=aligned, disable_numparse=True)
    return "\n\n".join([MARKDOWN.escape(caption(table, on_miniature)), text, MARKDOWN.escape(table.caveat)])


def caption(table: Compared, on_miniature: bool) -> str:
    """Return the title, what the columns hold, and which of our numbers are not comparable with the paper's."""
    measured = [cell for cell in table.cells if cell.ours.value is not None]
    others = dict.fromkeys(TITLES[cell.metric] for cell in measured if not cell.ours.as_published)
    sentences = [
        f"{table.title}.",
        f"ours: this project, with the 95 % interval in brackets; paper: as printed in {table.source}.",
    ]
    if on_miniature:
        sentences.append("Numbers on the drawn miniature are not comparable with the paper's.")
    elif others:
        sentences.append(f"Our numbers are not comparable with the paper's in {', '.join(others)}.")
    if any(_is_not_lpips(cell) for cell in measured):
        sentences.append("A dagger marks a distance between features of the judge, which is not LPIPS.")
    return " ".join(sentences)


def _frame(table: Compared, markup: Markup) -> pd.DataFrame:
    """Return the cells as text, with one row per method and the columns (metric, ours) and (metric, paper)."""
    columns: dict[tuple[str, str], list[str]] = {}
    for metric in table.metrics:
        cells, name = [cell for cell in table.cells if cell.metric == metric], markup.escape(TITLES[metric])
        columns[name, "ours"] = [_ours(cell, markup) for cell in cells]
        if any(cell.paper is not None for cell in cells):
            columns[name, "paper"] = [_text(cell.paper, metric, markup) for cell in cells]
    return pd.DataFrame(columns, index=[markup.escape(row) for row in table.rows()])


def _ours(cell: Cell, markup: Markup) -> str:
    ours = cell.ours
    text = _text(ours.value, cell.metric, markup)
    if ours.value is not None and _is_not_lpips(cell):
        text += markup.mark
    if ours.low is None or ours.high is None:
        return text
    return f"{text} " + markup.small.format(f"{number(ours.low, cell.metric)}, {number(ours.high, cell.metric)}")


def _text(value: float | None, metric: str, markup: Markup) -> str:
    return markup.missing if value is None else number(value, metric)


def _is_not_lpips(cell: Cell) -> bool:
    return title(cell) != TITLES[cell.metric]
