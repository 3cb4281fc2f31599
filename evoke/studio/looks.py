"""Draw the parts of the page that Gradio has no component for: figures, bars, empty places, errors, and the style."""

import base64
import io
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path

from PIL import Image

THUMBNAIL_PX = 192
GO_TO = "() => {{ document.getElementById({0!r}).scrollIntoView({{block: 'nearest'}}) }}"  # on a phone it is below
STYLE = Path(__file__).with_name("style.css")


def figure(source: str, alt: str, caption: str) -> str:
    """Return an image with a caption, which is HTML; `source` is a URL."""
    return f'<figure><img src="{source}" alt="{escape(alt)}"><figcaption>{caption}</figcaption></figure>'


def progress() -> str:
    """Return the place of an image that is still to come."""
    return "<figure><div class=ev-wait aria-hidden=true></div><figcaption>&nbsp;</figcaption></figure>"


def enlarged(image: Image.Image, px: int) -> Image.Image:
    """Return an image whose longer edge has `px`: a small one with its pixels as they are, for what is drawn on top."""
    scale = px / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS)


def inline(image: Image.Image, max_px: int = THUMBNAIL_PX) -> str:
    """Return an image as a data URL, made smaller if an edge is longer than `max_px`."""
    shown = image.convert("RGB")
    shown.thumbnail((max_px, max_px))
    buffer = io.BytesIO()
    shown.save(buffer, "WEBP", quality=90)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def bars(values: Mapping[str, float], highlight: str = "", total: float = 1.0, unit: str = "%") -> str:
    """Return one bar for each name; `values` are parts of `total`, written in percent or as numbers."""
    rows = []
    for name, value in values.items():
        text = f"{value / total:.0%}" if unit == "%" else f"{value:,.0f}"
        mark = " class=ev-best" if name == highlight else ""
        rows.append(
            f"<tr{mark}><th scope=row>{escape(name)}</th><td class=ev-bar><span style='width:{value / total:.1%}'>"
            f"</span></td><td class=ev-number>{text}</td></tr>"
        )
    return f"<table class=ev-bars><tbody>{''.join(rows)}</tbody></table>"


def empty(text: str) -> str:
    """Return what stands where there is nothing yet: what to do to fill the place."""
    return f"<p class=ev-empty>{escape(text)}</p>"


def failed(error: Exception) -> str:
    """Return an error as people read it, which screen readers say at once."""
    text = str(error)
    return f"<p class=ev-error role=alert>{escape(text[:1].upper() + text[1:])}</p>"


def notice(text: str) -> str:
    return f"<p class=ev-notice role=status>{escape(text)}</p>"


def grid(figures: Iterable[str]) -> str:
    return f"<div class=ev-grid>{''.join(figures)}</div>"
