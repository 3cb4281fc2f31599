"""Draw the figure of a funnel: all images per step, emotions per step, and pass rates per style and genre."""

from collections.abc import Mapping
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.corpora.funnel import STEPS, Counts, Funnel
from pipeline.emotion_set import EMOTIONS
from pipeline.figure import drawn

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Mikels' four positive emotions have light and warm colors, the four negative ones dark colors.
HUES = ("#f7c548", "#8ecae6", "#95c27e", "#f08a4b", "#b3263e", "#6b7a2f", "#4b3b6b", "#3c5a7d")
COLORS = dict(zip(EMOTIONS, cycle(HUES), strict=False))
PASSED_COLOR, KEPT_COLOR = "#b9d3de", "#2b6f8f"
MAX_NAMES = 30


def draw(funnel: Funnel, path: Path) -> None:
    """Write the figure.

    Styles and genres are drawn below if any image has one, at most the MAX_NAMES most frequent of each.
    """
    groups = [group for group in ("style", "genre") if funnel.by[group]]
    longest = max((min(len(funnel.by[group]), MAX_NAMES) for group in groups), default=0)
    heights = [3.2, 0.9 + 0.19 * longest] if groups else [3.2]
    options = {"figsize": (11, sum(heights)), "height_ratios": heights, "squeeze": False, "constrained_layout": True}
    with drawn(path, len(heights), 2, **options) as (_, axes):
        _totals(axes[0][0], funnel)
        _emotions(axes[0][1], funnel)
        for axis in axes[1:].flat:
            axis.axis("off")
        for axis, group in zip(axes[1:].flat, groups, strict=False):
            _rates(axis, group, funnel.by[group], longest)


def _totals(axis: "Axes", funnel: Funnel) -> None:
    """Draw centered bars, each with its number of images and its share of the previous step."""
    steps, numbers = ("collected", *STEPS), (funnel.num_collected, *funnel.total)
    places = range(len(steps))
    axis.barh(places, numbers, left=[-number / 2 for number in numbers], color=KEPT_COLOR, height=0.82)
    for place, number, before in zip(places, numbers, (0, *numbers), strict=False):
        share = f"  ({number / before:.0%})" if before else ""
        axis.text(funnel.num_collected * 0.52, place, f"{number:,}{share}", va="center")
    axis.set_yticks(places, steps)
    axis.invert_yaxis()
    axis.set_xlim(-funnel.num_collected / 2, funnel.num_collected * 0.75)
    axis.xaxis.set_visible(False)
    axis.spines[["bottom", "left"]].set_visible(False)
    axis.tick_params(left=False)
    axis.set_title("images, and fraction of the previous step", loc="left")


def _emotions(axis: "Axes", funnel: Funnel) -> None:
    """Draw the share of each emotion among the images of each step."""
    left = [0.0] * len(STEPS)
    for emotion in EMOTIONS:
        counts = funnel.by["emotion"][emotion]
        shares = [count / max(total, 1) for count, total in zip(counts, funnel.total, strict=True)]
        axis.barh(STEPS, shares, left=left, color=COLORS[emotion], height=0.82, label=emotion)
        left = [begin + share for begin, share in zip(left, shares, strict=True)]
    axis.invert_yaxis()
    axis.set_xlim(0, 1)
    axis.xaxis.set_major_formatter("{x:.0%}")
    axis.tick_params(left=False)
    axis.set_title("emotions, as classified", loc="left")
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=4, frameon=False)


def _rates(axis: "Axes", group: str, counts: Mapping[str, Counts], num_places: int) -> None:
    """Draw, for each name, which share of its readable images is confident and which is kept at the end.

    The names are sorted by the confident share, highest first.
    """
    names = sorted(counts, key=lambda name: (-counts[name][0], name))[:MAX_NAMES]
    rate = {name: [number / counts[name][0] for number in counts[name]] for name in names}
    names.sort(key=lambda name: (-rate[name][1], name))
    for step, color in (("confident", PASSED_COLOR), ("kept", KEPT_COLOR)):
        shares = [rate[name][STEPS.index(step)] for name in names]
        axis.barh(range(len(names)), shares, color=color, label=f"share {step}")
    for place, name in enumerate(names):
        axis.text(rate[name][1], place, f" {counts[name][-1]:,} of {counts[name][0]:,}", va="center", fontsize=7)
    axis.axis("on")
    axis.set_yticks(range(len(names)), [name.replace("_", " ") for name in names], fontsize=8, parse_math=False)
    axis.set_ylim(num_places - 0.4, -0.6)
    axis.set_xlim(0, 1.25 * max(rates[1] for rates in rate.values()) or 1)
    axis.xaxis.set_major_formatter("{x:.0%}")
    axis.tick_params(left=False)
    others = f", {len(names)} of {len(counts)}" if len(names) < len(counts) else ""
    axis.set_title(f"by {group}{others}", loc="left")
    axis.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False)
