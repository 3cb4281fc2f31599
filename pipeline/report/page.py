"""Build the report page: all evidence in one HTML file that needs no network. Its look is in the folder template."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.emotion_set import EMOTIONS
from pipeline.params import Params
from pipeline.report import captions, gallery, names, plots, receipts, referee, sources, story, tables, verdicts
from pipeline.report.measured import Measured
from pipeline.report.papers import PaperTable, TableName
from pipeline.report.plots import LARGE_PX, PICTURE_PX
from pipeline.report.sources import Seen

TEMPLATE, STYLE, SCRIPT = "index.html.jinja", "style.css", "script.js"


@dataclass(frozen=True)
class Inputs:
    """The folders and files that the page is made of, each with an entry per method or corpus."""

    images: Path
    scores: Path
    corpus: Path
    captions: Path
    filtered: Path
    plots: Path
    metrics: Path
    results: Path


@dataclass(frozen=True)
class Page:
    """The content of the template, section by section."""

    params: Params
    measured: Measured
    methods: Sequence[sources.Method]
    real: sources.Method
    seen: Sequence[Seen]
    papers: Mapping[TableName, PaperTable]
    correlation: pa.Table
    inputs: Inputs

    @property
    def is_miniature(self) -> bool:
        return names.is_drawn(self.params)

    @property
    def emotions(self) -> list[str]:
        """Return the emotions that there are images of."""
        return [emotion for emotion in EMOTIONS if any(emotion in method.pictures for method in self.shown)]

    @property
    def shown(self) -> list[sources.Method]:
        """Return real images and the methods of the story."""
        by_name = {method.name: method for method in self.methods}
        return [self.real, *(by_name[name] for name in story.told(self.params))]

    @property
    def gains(self) -> list[story.Gain]:
        return story.gains(self.measured, [method.name for method in self.methods])

    @property
    def run(self) -> list[tables.Compared]:
        """Return the tables of the present run: methods, and readers of emotions."""
        compared = [tables.of_methods(self.measured, self.params.methods), tables.of_readers(self.measured)]
        return [table for table in compared if table.metrics]

    @property
    def compared(self) -> list[tables.Compared]:
        return [tables.compare(name, table, self.measured) for name, table in self.papers.items()]

    @property
    def rulings(self) -> list[referee.Ruling]:
        """Return what the papers' own n says of their numbers, of those that n says something of."""
        rulings = [
            one for name, table in self.papers.items() for one in referee.rulings(name, table, self.measured.grids)
        ]
        return [ruling for ruling in rulings if ruling.difference is not None]

    @property
    def experiments(self) -> list[verdicts.Experiment]:
        return verdicts.experiments(self.measured.grids)

    @property
    def dials(self) -> list[gallery.Dial]:
        """Return the dials over the grids of the methods in the story."""
        shown = [method for method in self.shown if method.name in self.params.grids.methods and method.pictures]
        emotions = {method.name: [emotion for emotion in EMOTIONS if emotion in method.pictures] for method in shown}
        edge = next(iter(shown[0].pictures.values()))[0].image.width if shown else 0
        return gallery.dials(self.inputs.plots / "grids", self.params, emotions, edge)

    @property
    def corpora(self) -> list[captions.Corpus]:
        paths_of = {
            name: (self.inputs.captions / name, self.inputs.filtered / f"{name}.parquet")
            for name in self.params.corpora
        }
        return [captions.read_corpus(name, *paths) for name, paths in paths_of.items() if all(map(Path.exists, paths))]

    @property
    def examples(self) -> list[captions.Example]:
        """Return captions that the filter keeps and drops, of the corpus whose images are at hand."""
        name = self.inputs.corpus.name
        paths = self.inputs.corpus, self.inputs.captions / name, self.inputs.filtered / f"{name}.parquet"
        return captions.examples(*paths) if all(map(Path.exists, paths)) else []

    @property
    def by_emotion(self) -> plots.Matrix | None:
        return plots.emotions_by(self.measured.metrics, self.params.methods, "emo_a/judge")

    @property
    def coefficients(self) -> plots.Matrix:
        """Return the emotional correlation coefficients (UniEmo Eq. 5), the most frequent attributes first."""
        table = self.correlation.sort_by([("num_images", "descending")])
        rows = [f"{name.replace('_', ' ')} ({num})" for name, num in
                zip(table["name"].to_pylist(), table["num_images"].to_pylist(), strict=True)]  # fmt: skip
        shares = np.array(table["coefficient"].to_pylist()).reshape(len(rows), len(EMOTIONS))
        return plots.matrix("", "attribute (images)", rows, EMOTIONS, shares.clip(0, 1))

    @property
    def curves(self) -> list[tuple[str, str, list[plots.Curve]]]:
        return [
            (unit, title, plots.curves(table)) for unit, title, table in self._tables("curve.csv") if "step" in table
        ]

    @property
    def confusions(self) -> list[plots.Matrix]:
        return [plots.confusion(title, table) for _, title, table in self._tables("confusion.csv")]

    @property
    def calibrations(self) -> list[plots.Calibration]:
        return [one for _, title, table in self._tables("calibration.csv") for one in plots.calibrations(title, table)]

    @property
    def funnels(self) -> list[tuple[str, list[sources.Counted]]]:
        steps, _ = sources.labelled_funnel(self.measured.metrics, self.params.corpus)
        art = sources.emoart_funnel(self.measured.metrics) if self.params.emoart.corpora else []
        titled = [(names.readable(self.params.corpus), steps), ("EmoArt, curated from WikiArt", art)]
        return [(name, counts) for name, counts in titled if counts]

    @property
    def rejects(self) -> list[tuple[str, int]]:
        return sources.labelled_funnel(self.measured.metrics, self.params.corpus)[1]

    @property
    def receipts(self) -> list[receipts.Receipt]:
        return receipts.receipts(self.measured, self.inputs.metrics, self.inputs.results, self.methods)

    @property
    def provenance(self) -> list[tuple[str, list[tuple[str, str]]]]:
        return sources.flat_params(self.params)

    def _tables(self, name: str) -> list[tuple[str, str, pd.DataFrame]]:
        items = (*self.params.corpora, *self.params.methods)
        return list(plots.tables(self.inputs.plots, name, items))


def collect(
    params: Params, measured: Measured, papers: Mapping[TableName, PaperTable], seen: Sequence[Seen],
    correlation: pa.Table, inputs: Inputs,
) -> Page:  # fmt: skip
    """Return the page for the present params."""
    methods = [sources.read_method(name, inputs.images / name, inputs.scores / name) for name in params.methods]
    real = sources.read_real(inputs.corpus, inputs.scores / sources.REAL)
    return Page(params, measured, methods, real, seen, papers, correlation, inputs)


def render(page: Page, folder: Path) -> str:
    """Return the page as HTML by the template, the style and the script of a folder; inserted values are escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True, extensions=["jinja2.ext.do"],
    )  # fmt: skip
    environment.filters["readable"] = names.readable
    style, script = (Markup((folder / name).read_text(encoding="utf-8")) for name in (STYLE, SCRIPT))
    return environment.get_template(TEMPLATE).render(
        page=page,
        tables=tables,
        details=receipts.as_details,
        style=style,
        script=script,
        large=LARGE_PX,
        small=PICTURE_PX,
    )
