"""The room Explore: the images of a run by what the judge says, the curated art with its funnel, and the captions."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evoke.studio.looks import bars, empty, failed, figure, grid, inline, notice
from evoke.studio.models import DEFAULT, Studio
from pipeline.emotion_set import EMOTIONS

if TYPE_CHECKING:
    import gradio as gr
    import pyarrow as pa

PAGE = 24  # images at once
ALL = "all"
AS_ASKED, OTHERWISE = "as asked", "something else"
SURE_FIRST, UNSURE_FIRST, IN_ORDER = "surest first", "least sure first", "as made"
KEPT, DROPPED, OWN = "kept", "dropped", "my own"
WORST_FIRST, BEST_FIRST = "worst fit first", "best fit first"
ART = "emoart"


@dataclass(frozen=True)
class Item:
    """An image of a list: its index in the shards, what is said of it, and its place in the order chosen."""

    row: int
    image_id: str
    emotion: str
    text: str
    order: float = 0.0
    caption: str = ""


def methods() -> list[str]:
    """Return the methods whose images the run has, the one that is drawn by default first."""
    from pipeline.artifacts import ALL_IMAGES

    named = [path.name for path in Path(ALL_IMAGES.path).glob("*/") if any(path.glob("part-*.parquet"))]
    return sorted(named, key=lambda name: (name != DEFAULT, name))


def corpora() -> list[str]:
    """Return the corpora whose captions the run has filtered, the art last."""
    from pipeline.artifacts import CAPTION_FILTER

    named = [path.stem for path in Path(CAPTION_FILTER.path).parent.glob("*.parquet")]
    return sorted(named, key=lambda name: (name == ART, name))


def judged(method: str, emotion: str, verdict: str, order: str) -> list[Item]:
    """Return the images of a method that pass the filters, in order. Raises ValueError if they were not made.

    `verdict` is AS_ASKED, OTHERWISE, or an emotion that the judge must have found. Without scores there is no verdict.
    """
    from pipeline.artifacts import IMAGES, SCORES, read_shards

    folder, scores = Path(IMAGES.of(method).path), Path(SCORES.of(method).path)
    rows = read_shards(folder, IMAGES.schema, ["image_id", "emotion"]).to_pylist()
    by_image: Mapping[str, Sequence[float]] = {}
    if scores.is_dir():
        table = read_shards(scores, SCORES.schema, ["image_id", "judge"])
        by_image = dict(zip(table["image_id"].to_pylist(), table["judge"].to_pylist(), strict=True))
    items = []
    for index, row in enumerate(rows):
        vector = by_image.get(row["image_id"])
        best = int(np.argmax(vector)) if vector else None
        says = EMOTIONS[best] if best is not None else ""
        sure = float(vector[best]) if vector and best is not None else 0.0
        passes = {ALL: True, AS_ASKED: says == row["emotion"], OTHERWISE: says not in ("", row["emotion"])}
        if emotion not in (ALL, row["emotion"]) or not passes.get(verdict, says == verdict):
            continue
        text = f"judge: {says} {sure:.0%}" if says else "not judged yet"
        text += "" if says in ("", row["emotion"]) else ", not as asked"
        rank = {SURE_FIRST: -sure, UNSURE_FIRST: sure}.get(order, float(index))
        items.append(Item(index, row["image_id"], row["emotion"], text, rank))
    return sorted(items, key=lambda item: item.order)


def art(emotion: str, order: str) -> list[Item]:
    """Return the art that the curation kept, by its confidence. Raises ValueError if there is none yet."""
    from pipeline.artifacts import EMOART, read_shards

    columns = ["image_id", "emotion", "confidence", "artist", "style", "genre"]
    items = []
    for index, row in enumerate(read_shards(Path(EMOART.path), EMOART.schema, columns).to_pylist()):
        if emotion in (ALL, row["emotion"]):
            origin = ", ".join(row[name].replace("_", " ") for name in ("artist", "style") if row[name])
            rank = {SURE_FIRST: -row["confidence"], UNSURE_FIRST: row["confidence"]}.get(order, float(index))
            text = f"{row['confidence']:.0%}{', ' if origin else ''}{origin}"
            items.append(Item(index, row["image_id"], row["emotion"], text, rank))
    return sorted(items, key=lambda item: item.order)


def funnel_bars(emotion: str) -> str:
    """Return how many images passed each step of the curation, as bars. Raises ValueError if it has not run."""
    from pipeline.artifacts import CAPTION_FILTER, CURATION, REJECTS, read_table
    from pipeline.corpora.funnel import STEPS, funnel

    counted = funnel(
        read_table(Path(CURATION.path), CURATION.schema),
        len(read_table(Path(REJECTS.of(ART).path), REJECTS.schema)),
        read_table(Path(CAPTION_FILTER.of(ART).path), CAPTION_FILTER.schema),
    )
    counts = dict(zip(STEPS, counted.total if emotion == ALL else counted.by["emotion"][emotion], strict=True))
    first = {"collected": counted.num_collected} if emotion == ALL else {}
    values = first | counts
    return bars(values, total=max(1, *values.values()), unit="images")


def captions(corpus: str, emotion: str, state: str, order: str) -> list[Item]:
    """Return the images of a corpus with their captions and how well these fit. Raises ValueError if there are none."""
    from pipeline.artifacts import CAPTION_FILTER, CAPTIONS, read_shards, read_table

    filtered = read_table(Path(CAPTION_FILTER.of(corpus).path), CAPTION_FILTER.schema)
    written = read_shards(Path(CAPTIONS.of(corpus).path), CAPTIONS.schema, ["image_id", "caption"])
    texts, own = (
        dict(zip(*(written[name].to_pylist() for name in ("image_id", "caption")), strict=True)),
        own_captions(),
    )
    items = []
    for index, row in enumerate(filtered.to_pylist()):
        image_id, similarity = row["image_id"], row["similarity"]
        passes = {ALL: True, KEPT: row["kept"], DROPPED: not row["kept"], OWN: image_id in own}
        if emotion not in (ALL, row["emotion"]) or not passes[state]:
            continue
        fit = "no caption" if similarity is None else f"similarity {similarity:.3f}"
        mine = ", my own for the next run" if own.get(image_id, texts[image_id]) != texts[image_id] else ""
        caption = own.get(image_id) or texts[image_id] or ""
        text = f"{fit}, {KEPT if row['kept'] else DROPPED}{mine}"
        rank = -1.0 if similarity is None else similarity
        items.append(Item(index, image_id, row["emotion"], text, -rank if order == BEST_FIRST else rank, caption))
    return sorted(items, key=lambda item: item.order)


def own_captions() -> dict[str, str]:
    """Return the user's own captions by image_id, those of the next run. Raises ValueError if the file is damaged."""
    from evoke.captions import PARAMS
    from pipeline.artifacts import CAPTIONS_OVERRIDE
    from pipeline.captions.override import read_captions
    from pipeline.params import load_params

    path = CAPTIONS_OVERRIDE.locate("captions", None, load_params(PARAMS))
    return read_captions(path) if path.exists() else {}


def save_caption(studio: Studio, image_id: str | None, caption: str) -> str:
    """Add a caption to the user's own, and return what to do next as HTML."""
    from evoke.captions import PARAMS, add_captions, known_ids
    from pipeline.captions.override import caption_of, check_known
    from pipeline.params import load_params

    try:
        if not image_id:
            raise ValueError("no image is chosen")
        params = load_params(PARAMS)
        new = dict([caption_of([image_id, caption])])
        check_known(new, known_ids(new, params), Path("this page"))
        with studio.busy:
            path, count = add_captions(new, params)
    except (ValueError, OSError) as error:
        return failed(error)
    return notice(f"Saved in {path}, which has {count} of your captions now. `evoke repro` uses them.")


def page_of(items: Sequence[Item], folder: Path, number: int) -> str:
    """Return one page of a list as HTML figures; pages are counted from 1."""
    from pipeline.artifacts import take_rows

    if not items:
        return empty("No image passes these filters: set one of them to `all`.")
    some = items[PAGE * (number - 1) :][:PAGE]
    table = take_rows(folder, [item.row for item in some], None, ["image_id", "image"])
    return grid(_figure(item, data) for item, data in zip(some, _bytes(table), strict=True))


def _bytes(table: "pa.Table") -> Iterator[bytes]:
    for row in table["image"].to_pylist():
        yield row["bytes"]


def _figure(item: Item, data: bytes) -> str:
    from PIL import Image

    with Image.open(BytesIO(data)) as image:
        source = inline(image)
    said = f"<br>{escape(item.caption)}" if item.caption else ""
    caption = f"<b>{escape(item.emotion)}</b> {escape(item.text)}{said}"
    return figure(source, f"{item.emotion}, {item.image_id}", caption)


def num_pages(items: Sequence[Item]) -> int:
    return max(1, -(-len(items) // PAGE))


def build(studio: Studio, room: "gr.Tab") -> None:
    """Lay out the room, whose parts fill themselves when they are opened; the first is open when the room is."""
    import gradio as gr

    with gr.Tabs():
        _images(room)
        _art()
        _captions(studio)


def _pager() -> "gr.Slider":
    import gradio as gr

    return gr.Slider(1, 2, 1, step=1, label="page", buttons=[])


def _wire(tabs: "Sequence[gr.Tab]", filters: Sequence[Any], page: Any, outputs: Sequence[Any], draw: Any) -> None:
    """Draw the first page when the part is opened or a filter changes, and another when the page does.

    draw: values of the filters and the page -> how many pages there are, and the values of the outputs.
    """
    import gradio as gr

    def first(*values: Any) -> list[Any]:
        pages, *drawn = draw(*values, 1)
        return [gr.Slider(maximum=max(2, pages), value=1, interactive=pages > 1, label=f"page, of {pages}"), *drawn]

    def turned(*values: Any) -> list[Any]:
        return list(draw(*values)[1:])

    calm = {"show_progress": "hidden", "concurrency_id": "explore"}
    for event in (*(tab.select for tab in tabs), *(one.input for one in filters)):
        event(first, filters, [page, *outputs], **calm)
    page.release(turned, [*filters, page], outputs, **calm)


def _drawn(listed: Callable[[], list[Item]], folder: Path, number: int) -> tuple[int, str, list[Item]]:
    """Return the number of pages of a list, the HTML of one page, and its items. An error of the list is the HTML."""
    try:
        items = listed()
        count = f"<p class=ev-count>{len(items):,} images</p>"
        return num_pages(items), count + page_of(items, folder, int(number)), items[PAGE * (int(number) - 1) :][:PAGE]
    except (ValueError, OSError) as error:
        return 1, failed(error), []


def _images(room: "gr.Tab") -> None:
    import gradio as gr

    from pipeline.artifacts import IMAGES

    names = methods()
    with gr.Tab("Images") as tab:
        with gr.Row():
            method = gr.Dropdown(names, value=names[0] if names else None, label="method", min_width=160)
            emotion = gr.Dropdown([ALL, *EMOTIONS], value=ALL, label="asked for", min_width=160)
            verdict = gr.Dropdown([ALL, AS_ASKED, OTHERWISE, *EMOTIONS], value=ALL, label="judge says", min_width=160)
            order = gr.Dropdown([SURE_FIRST, UNSURE_FIRST, IN_ORDER], value=SURE_FIRST, label="order", min_width=160)
        shown = gr.HTML(elem_id="gallery")
        page = _pager()

    def draw(method: str | None, emotion: str, verdict: str, order: str, number: int) -> tuple[int, str]:
        if method is None:
            return 1, empty("No image is here yet: `evoke repro images` makes those of every method.")
        return _drawn(partial(judged, method, emotion, verdict, order), Path(IMAGES.of(method).path), number)[:2]

    _wire([room, tab], [method, emotion, verdict, order], page, [shown], draw)


def _art() -> None:
    import gradio as gr

    from pipeline.artifacts import EMOART

    with gr.Tab("Art") as tab:
        with gr.Row():
            emotion = gr.Dropdown([ALL, *EMOTIONS], value=ALL, label="emotion", min_width=160)
            order = gr.Dropdown([SURE_FIRST, UNSURE_FIRST, IN_ORDER], value=SURE_FIRST, label="order", min_width=160)
        counts = gr.HTML(elem_id="funnel")
        shown = gr.HTML(elem_id="art")
        page = _pager()

    def draw(emotion: str, order: str, number: int) -> tuple[int, str, str]:
        if not Path(EMOART.path).is_dir():
            return 1, "", empty("No art is curated yet: `evoke repro emoart_funnel` does it.")
        pages, html, _ = _drawn(partial(art, emotion, order), Path(EMOART.path), number)
        try:
            return pages, f"<h2>how many images passed each step</h2>{funnel_bars(emotion)}", html
        except (ValueError, OSError) as error:
            return pages, failed(error), html

    _wire([tab], [emotion, order], page, [counts, shown], draw)


def _captions(studio: Studio) -> None:
    import gradio as gr

    from pipeline.artifacts import CORPUS

    names = corpora()
    with gr.Tab("Captions") as tab:
        with gr.Row():
            corpus = gr.Dropdown(names, value=names[0] if names else None, label="corpus", min_width=160)
            emotion = gr.Dropdown([ALL, *EMOTIONS], value=ALL, label="emotion", min_width=160)
            state = gr.Dropdown([DROPPED, KEPT, OWN, ALL], value=DROPPED, label="captions", min_width=160)
            order = gr.Dropdown([WORST_FIRST, BEST_FIRST], value=WORST_FIRST, label="order", min_width=160)
        shown = gr.HTML(elem_id="captions")
        page = _pager()
        with gr.Group():
            image_id = gr.Dropdown([], label="write a better caption for")
            text = gr.Textbox(label="caption", max_lines=4)
            save = gr.Button("Save my caption", elem_id="save")
        said = gr.HTML()

    def draw(corpus: str | None, emotion: str, state: str, order: str, number: int) -> tuple[int, str, Any]:
        if corpus is None:
            return 1, empty("No caption is here yet: `evoke repro caption_filter` writes and ranks them."), gr.skip()
        listed = partial(captions, corpus, emotion, state, order)
        pages, html, items = _drawn(listed, Path(CORPUS.of(corpus).path), number)
        ids = [item.image_id for item in items]
        return pages, html, gr.Dropdown(choices=ids, value=ids[0] if ids else None)

    def caption(corpus: str, image_id: str | None) -> str:
        if not image_id:
            return ""
        matching = [item for item in captions(corpus, ALL, ALL, WORST_FIRST) if item.image_id == image_id]
        return matching[0].caption if matching else ""

    _wire([tab], [corpus, emotion, state, order], page, [shown, image_id], draw)
    image_id.change(caption, [corpus, image_id], text, show_progress="hidden")
    save.click(partial(save_caption, studio), [image_id, text], said, show_progress="hidden", concurrency_id="explore")
