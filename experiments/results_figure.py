"""Draw results as SVG: the comparisons of one grid, every difference with its interval in the color of its verdict, and
curves of a metric by dose.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle
from typing import Any
from xml.sax.saxutils import escape, quoteattr

LABELS_PX, PLOT_PX, ROW_PX, MARGIN_PX = 430, 400, 24, 30
COLORS = {"agrees": "#2a7f46", "disagrees": "#b3362b", "higher": "#2b62a8", "lower": "#2b62a8", "unresolved": "#8a8a8a"}
LINE_COLORS = ("#2b62a8", "#c4702b", "#5a8f3c")
CURVE_PX, CURVE_HEIGHT_PX, AXIS_PX, LEGEND_PX = 420, 240, 60, 280
NUM_TICKS = 5

Row = tuple[str, Mapping[str, Any]]
Line = Sequence[tuple[float, Sequence[float]]]  # x, and the values there, one of each training


def forest(title: str, rows: Sequence[Row]) -> str:
    """Return the SVG of named comparisons, each with difference, low, high and verdict, one below the other."""
    low, high = min(0.0, *(row["low"] for _, row in rows)), max(0.0, *(row["high"] for _, row in rows))
    scale = _Scale(low, high, LABELS_PX + MARGIN_PX, PLOT_PX)
    width, height = LABELS_PX + PLOT_PX + 2 * MARGIN_PX, ROW_PX * len(rows) + 3 * MARGIN_PX
    drawn = (line for index, row in enumerate(rows) for line in _row(scale, row, MARGIN_PX + ROW_PX * (index + 0.75)))
    return _svg(title, width, height, [*_axis(scale, height), *drawn])


def curves(title: str, x_title: str, lines: Mapping[str, Line]) -> str:
    """Return the SVG of named lines through the means of the values at each x, with a dot for every value."""
    xs = [x for line in lines.values() for x, _ in line]
    ys = [y for line in lines.values() for _, at in line for y in at]
    left, bottom = AXIS_PX, MARGIN_PX + CURVE_HEIGHT_PX
    across = _Scale(min(xs), max(xs), left, CURVE_PX)
    up = _Scale(min(ys), max(ys), bottom, -CURVE_HEIGHT_PX)
    drawn = []
    for value in up.ticks():
        y = up.at(value)
        drawn.append(f'<line x1="{left}" x2="{left + CURVE_PX}" y1="{y:.1f}" y2="{y:.1f}" stroke="#dddddd"/>')
        drawn.append(f'<text x="{left - 10}" y="{y + 4:.1f}" text-anchor="end">{value:.3g}</text>')
    for value in sorted(set(xs)) if len(set(xs)) <= NUM_TICKS else across.ticks():
        drawn.append(f'<text x="{across.at(value):.1f}" y="{bottom + 26}" text-anchor="middle">{value:.3g}</text>')
    drawn.append(f'<text x="{left + CURVE_PX / 2}" y="{bottom + 50}" text-anchor="middle">{escape(x_title)}</text>')
    for index, ((name, line), color) in enumerate(zip(lines.items(), cycle(LINE_COLORS), strict=False)):
        drawn += _line(across, up, line, color)
        y, x = MARGIN_PX + ROW_PX * (index + 0.75), left + CURVE_PX + MARGIN_PX
        drawn.append(f'<circle cx="{x}" cy="{y:.1f}" r="4.5" fill="{color}"/>')
        drawn.append(f'<text x="{x + 12}" y="{y + 4:.1f}">{escape(name)}</text>')
    return _svg(title, left + CURVE_PX + LEGEND_PX, bottom + 2 * MARGIN_PX, drawn)


def _svg(title: str, width: float, height: float, drawn: Sequence[str]) -> str:
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="sans-serif" font-size="13" role="img" aria-label={quoteattr(title)}>',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{MARGIN_PX}" y="20" font-weight="bold">{escape(title)}</text>',
        *drawn,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


class _Scale:
    """Map values to positions in px, from `start` on; a negative length counts upwards."""

    def __init__(self, low: float, high: float, start: float, length: float) -> None:
        self.low, self.high = low, high if high > low else low + 1.0
        self.start, self.length = start, length

    def at(self, value: float) -> float:
        return self.start + self.length * (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Return round values within the range, zero among them if it is."""
        rough = (self.high - self.low) / NUM_TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
        return [step * index for index in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]


def _axis(scale: _Scale, height: float) -> Iterator[str]:
    for value in scale.ticks():
        x = scale.at(value)
        color = "#555555" if value == 0 else "#dddddd"
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{MARGIN_PX}" y2="{height - MARGIN_PX - 8}" stroke="{color}"/>'
        name = f"{value:+.3g}" if value else "0"
        yield f'<text x="{x:.1f}" y="{height - MARGIN_PX + 10}" text-anchor="middle">{name}</text>'


def _row(scale: _Scale, row: Row, y: float) -> Iterator[str]:
    name, values = row
    color = COLORS[values["verdict"]]
    low, middle, high = (scale.at(values[key]) for key in ("low", "difference", "high"))
    yield f'<text x="{LABELS_PX + MARGIN_PX - 12}" y="{y + 4:.1f}" text-anchor="end">{escape(name)}</text>'
    yield f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="{color}" stroke-width="2.5"/>'
    yield f'<circle cx="{middle:.1f}" cy="{y:.1f}" r="4.5" fill="{color}"><title>{values["verdict"]}</title></circle>'


def _line(across: _Scale, up: _Scale, line: Line, color: str) -> Iterator[str]:
    path = " ".join(f"{across.at(x):.1f},{up.at(sum(ys) / len(ys)):.1f}" for x, ys in line)
    yield f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2.5"/>'
    for x, ys in line:
        yield from (f'<circle cx="{across.at(x):.1f}" cy="{up.at(y):.1f}" r="3.5" fill="{color}"/>' for y in ys)
