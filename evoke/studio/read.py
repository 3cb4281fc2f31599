"""The room Read: an image in; emotions, polarity, nearest attributes and attention out, by readers side by side."""

from collections.abc import Callable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from evoke.studio.looks import GO_TO, bars, empty, enlarged, failed, figure, inline
from evoke.studio.models import ZERO_SHOT, Studio, readers
from pipeline.foundation.recipes import IMAGE_PX

if TYPE_CHECKING:
    from PIL import Image

    from evoke.studio.models import Reader
    from pipeline.uniemo.reader import Reading

OVERLAY_PX = 384
EMPTY = "Drop an image, or take the one that was made last; then press Read."
NO_READER = "No reader is here yet: `evoke repro uniemo_understanding emotion_classifier` trains two."


def read(studio: Studio, file: Path | None, names: Sequence[str], anyway: bool) -> Iterator[str]:
    """Yield the readings of an image by readers as HTML, one more at each time."""
    from pipeline.uniemo.reader import opened

    try:
        if file is None:
            raise ValueError("no image is given: drop one, or take the one that was made last")
        if not names:
            raise ValueError("no reader is chosen: tick one or more")
        picture = opened(file)
        size = picture.size
    except (ValueError, OSError) as error:
        yield failed(error)
        return
    seen = figure(inline(picture.copy(), OVERLAY_PX), "the image that is read", f"{size[0]} x {size[1]} px")
    cards: list[str] = []
    for name in names:
        yield _beside(seen, [*cards, f"<section class=ev-card><h2>{escape(name)}</h2><p>reading ...</p></section>"])
        try:
            cards.append(_card(studio, name, picture, anyway))
        except (ValueError, OSError) as error:
            cards.append(f"<section class=ev-card><h2>{escape(name)}</h2>{failed(error)}</section>")
    yield _beside(seen, cards)


def _beside(seen: str, cards: Sequence[str]) -> str:
    return f"<div class=ev-read><div class=ev-seen>{seen}</div><div class=ev-cards>{''.join(cards)}</div></div>"


def _card(studio: Studio, name: str, picture: "Image.Image", anyway: bool) -> str:
    """Return one reading as HTML. Raises ValueError for a photograph that the miniature cannot know."""
    with studio.computing():
        reader = studio.reader(name)
        if max(picture.size) > IMAGE_PX and not anyway and knows_drawings_only(reader):
            raise ValueError(
                f"this model is the miniature's: it knows drawings of {IMAGE_PX} px only, and its answers on "
                "photographs mean nothing. Tick `ask the miniature about photographs` to see them anyway"
            )
        reading = reader(picture)  # type: ignore[arg-type]  # both open an image as they open a path
    inside = _emotions(reading) + _looks(reader, picture, reading)
    return f"<section class=ev-card><h2>{escape(name)}</h2>{inside}</section>"


def knows_drawings_only(reader: "Reader") -> bool:
    """Return True for a reader on the miniature's CLIP, which sees as many px as a drawing has."""
    from pipeline.uniemo.reader import EmotionReader

    visual = reader.understanding.chain.backbone if isinstance(reader, EmotionReader) else reader.clip.model.visual
    edges = visual.image_size if isinstance(visual.image_size, Sequence) else (visual.image_size,)
    return bool(max(edges) <= IMAGE_PX)


def _emotions(reading: "Reading") -> str:
    """Return the most probable emotion in words, all of them and the polarities as bars, and the nearest attributes."""
    best = max(reading.emotions, key=lambda name: reading.emotions[name])
    by_rank = dict(sorted(reading.emotions.items(), key=lambda item: -item[1]))
    words = {
        kind: ", ".join(f"{word.replace('_', ' ')} {cosine:.2f}" for word, cosine in found)
        for kind, found in reading.attributes.items()
    }
    nearest = "".join(f"<dt>{escape(kind)}s</dt><dd>{escape(text)}</dd>" for kind, text in words.items())
    return (
        f"<p class=ev-verdict>{escape(best)} <span>{reading.emotions[best]:.0%}</span></p>{bars(by_rank, best)}"
        + (f"<h3>polarity</h3>{bars(reading.polarities)}" if reading.polarities else "")
        + (f"<h3>nearest</h3><dl>{nearest}</dl>" if nearest else "")
    )


def _looks(reader: "Reader", picture: "Image.Image", reading: "Reading") -> str:
    """Return where the queries look, on top of the image; nothing for a classifier, which has none."""
    if not reading.attention:
        return ""
    grey = enlarged(picture, OVERLAY_PX).convert("L").convert("RGB")  # on which heat is seen
    overlays = reader.overlay(grey, reading)  # type: ignore[arg-type]
    figures = [
        figure(inline(drawn, OVERLAY_PX), f"where the {kind} queries look, as heat on the image", f"{kind} queries")
        for kind, drawn in overlays.items()
    ]
    return f"<h3>where the queries look</h3><div class='ev-grid ev-pair'>{''.join(figures)}</div>"


def build(studio: Studio, last_image: Callable[[], Path | None]) -> None:
    """Lay out the room."""
    import gradio as gr

    names = list(readers(studio.models))
    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            file = gr.File(label="image", file_types=["image"], height=150, elem_id="drop")
            made = gr.Button("Take the last image made", elem_id="last")
            chosen = gr.CheckboxGroup(names, value=[name for name in names if name != ZERO_SHOT], label="readers")
            anyway = gr.Checkbox(
                False, label="ask the miniature about photographs", info="it knows drawings only; its answers are void"
            )
            start = gr.Button("Read", variant="primary", elem_id="read")
        with gr.Column(scale=7, min_width=320):
            shown = gr.HTML(empty(EMPTY if names else NO_READER), elem_id="readings")

    def run(path: str | None, *options: object) -> Iterator[str]:
        yield from read(studio, Path(path) if path else None, *options)  # type: ignore[arg-type]

    def take() -> str | None:
        path = last_image()
        if path is None:
            raise gr.Error("no image was made yet: make one in the room Make", print_exception=False)
        return str(path)

    inputs = [file, chosen, anyway]
    for button in (start, made):
        button.click(None, js=GO_TO.format("readings"))
    start.click(run, inputs, shown, show_progress="hidden", concurrency_id="model")
    made.click(take, None, file).success(run, inputs, shown, show_progress="hidden", concurrency_id="model")
