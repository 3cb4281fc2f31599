"""Draw the comparisons of one grid as an SVG: every difference with its interval, in the color of its verdict."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape, quoteattr

LABELS_PX, PLOT_PX, ROW_PX, MARGIN_PX = 430, 400, 24, 30
COLORS = {"agrees": "#2a7f46", "disagrees": "#b3362b", "higher": "#2b62a8", "lower": "#2b62a8", "unresolved": "#8a8a8a"}
NUM_TICKS = 5

Row = tuple[str, Mapping[str, Any]]


def forest(title: str, rows: Sequence[Row]) -> str:
    """Return the SVG of named comparisons, each with difference, low, high and verdict, one below the other."""
    scale = _Scale(min(0.0, *(row["low"] for _, row in rows)), max(0.0, *(row["high"] for _, row in rows)))
    width, height = LABELS_PX + PLOT_PX + 2 * MARGIN_PX, ROW_PX * len(rows) + 3 * MARGIN_PX
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="sans-serif" font-size="13" role="img" aria-label={quoteattr(title)}>',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{MARGIN_PX}" y="20" font-weight="bold">{escape(title)}</text>',
        *_axis(scale, height),
        *(line for index, row in enumerate(rows) for line in _row(scale, row, MARGIN_PX + ROW_PX * (index + 0.75))),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


class _Scale:
    """Map differences to horizontal positions in px."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high if high > low else low + 1.0

    def x(self, value: float) -> float:
        return LABELS_PX + MARGIN_PX + PLOT_PX * (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Return round values within the range, zero among them."""
        rough = (self.high - self.low) / NUM_TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
        return [step * index for index in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]


def _axis(scale: _Scale, height: float) -> Iterator[str]:
    for value in scale.ticks():
        x = scale.x(value)
        color = "#555555" if value == 0 else "#dddddd"
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{MARGIN_PX}" y2="{height - MARGIN_PX - 8}" stroke="{color}"/>'
        name = f"{value:+.3g}" if value else "0"
        yield f'<text x="{x:.1f}" y="{height - MARGIN_PX + 10}" text-anchor="middle">{name}</text>'


def _row(scale: _Scale, row: Row, y: float) -> Iterator[str]:
    name, values = row
    color = COLORS[values["verdict"]]
    low, middle, high = (scale.x(values[key]) for key in ("low", "difference", "high"))
    yield f'<text x="{LABELS_PX + MARGIN_PX - 12}" y="{y + 4:.1f}" text-anchor="end">{escape(name)}</text>'
    yield f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="{color}" stroke-width="2.5"/>'
    yield f'<circle cx="{middle:.1f}" cy="{y:.1f}" r="4.5" fill="{color}"><title>{values["verdict"]}</title></circle>'
