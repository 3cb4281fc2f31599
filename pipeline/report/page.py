"""Build the report page: all evidence in one HTML file without network access or scripts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.emotions import EMOTIONS
from pipeline.params import Params
from pipeline.report import sources, tables
from pipeline.report.figures import Figure
from pipeline.report.measured import Measured
from pipeline.report.papers import PaperTable, TableName
from pipeline.report.readings import Seen
from pipeline.report.sources import Counted, Method

CAPTIONS, SHEETS = ("examples", "similarity"), ("transfer", "fusion", "strength")
LOOKS = ("confusion.csv", "calibration.csv", "heatmap.png")


@dataclass(frozen=True)
class Page:
    """The content of the template, section by section."""

    params: Params
    measured: Measured
    methods: Sequence[Method]
    seen: Sequence[Seen]
    tables: Sequence[tables.Compared]
    plots: Path

    @property
    def is_miniature(self) -> bool:
        return self.params.is_drawn

    @property
    def labelled(self) -> tuple[list[Counted], list[tuple[str, int]]]:
        return sources.labelled_funnel(self.measured.metrics, self.params.corpus)

    @property
    def emoart(self) -> list[Counted]:
        """Return the steps of the curation of art; empty if the corpora leave it out."""
        return sources.emoart_funnel(self.measured.metrics) if self.params.emoart.corpora else []

    @property
    def feedback(self) -> Mapping[str, Any]:
        """Return the counts by reason and the means of kept and dropped images; empty if there are none yet."""
        return self.measured.metrics.get("feedback", {})

    @property
    def provenance(self) -> list[tuple[str, list[tuple[str, str]]]]:
        return sources.flat_params(self.params)

    def of_corpora(self, stage: str, names: Sequence[str]) -> list[Figure]:
        """Return the plots of a stage that runs for each corpus."""
        return [
            figure for corpus in self.params.corpora for figure in sources.plots_of(self.plots / stage / corpus, names)
        ]

    def of_methods(self, name: str) -> list[Figure]:
        """Return the sheet `name` of every method."""
        return [
            figure
            for method in self.params.methods
            for figure in sources.plots_of(self.plots / "grids" / method, [name])
        ]

    def everywhere(self, *names: str) -> list[Figure]:
        """Return the plots with these file names, from all stages."""
        items = (*self.params.corpora, *self.params.methods)
        return [figure for name in names for figure in sources.find_plots(self.plots, name, items)]


def collect(
    params: Params, measured: Measured, plots: Path, images: Path, papers: Mapping[TableName, PaperTable],
    seen: Sequence[Seen],
) -> Page:  # fmt: skip
    """Return the page for the present params.

    `plots` has a folder of plots for each stage, `images` a folder of images for each method.
    """
    methods = [sources.read_method(name, images / name) for name in params.methods]
    compared = [tables.compare(name, table, measured) for name, table in papers.items()]
    return Page(params, measured, methods, seen, compared, plots)


def render(page: Page, template: Path) -> str:
    """Return the page as HTML; all inserted values are escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(template.parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    named = {"page": page, "emotions": EMOTIONS, "tables": tables, "sheet_names": SHEETS, "caption_plots": CAPTIONS,
             "looks": LOOKS}  # fmt: skip
    return environment.get_template(template.name).render(named)
