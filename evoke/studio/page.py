"""Lay out the page of the four rooms, in system fonts and colours with enough contrast, by light and by dark."""

from typing import TYPE_CHECKING

from evoke.studio import explore, grow, make, read
from evoke.studio.looks import STYLE
from evoke.studio.models import ZERO_SHOT, Studio, readers

if TYPE_CHECKING:
    import gradio as gr

TITLE = "evoke studio"
HEAD = f"<header class=ev-head><h1>{TITLE}</h1><p>make images that evoke an emotion, and see why</p></header>"
# Names that screen readers say: Gradio calls its place for files otherwise than it reads, and lists of options nothing.
SCRIPT = """() => {
  const name = () => {
    document.querySelectorAll("#drop button[aria-dropeffect]").forEach((one) => one.removeAttribute("aria-label"));
    document.querySelectorAll("ul[role=listbox]:not([aria-label])").forEach(
      (one) => one.setAttribute("aria-label", "options"));
  };
  name();
  new MutationObserver(name).observe(document.body, {childList: true, subtree: true});
}"""


def page(studio: Studio) -> "gr.Blocks":
    """Return the page. The rooms find the models of the moment; models that are trained later need a restart."""
    import gradio as gr

    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(600, 3600), fill_width=True) as blocks:
        gr.HTML(HEAD)
        with gr.Tabs():
            with gr.Tab("Make"):
                last_image = make.build(studio)
            with gr.Tab("Read"):
                read.build(studio, last_image)
            with gr.Tab("Explore") as room:
                explore.build(studio, room)
            with gr.Tab("Grow"):
                grow.build(studio, [name for name in readers(studio.models) if name != ZERO_SHOT])
    return blocks


def look() -> dict[str, object]:
    """Return what Gradio is told of the page's looks: no font from elsewhere, no footer, no history."""
    import gradio as gr

    theme = gr.themes.Default(
        primary_hue="teal", neutral_hue="slate", font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"], spacing_size="sm", text_size="md", radius_size="md",
    ).set(
        button_primary_background_fill="*primary_700", button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700", button_primary_background_fill_hover_dark="*primary_600",
        button_primary_text_color="white", button_primary_text_color_dark="white",
        block_label_text_color="*neutral_700", block_title_text_color="*neutral_700",
        block_info_text_color="*neutral_600", body_text_color_subdued="*neutral_600",
        block_label_text_color_dark="*neutral_200", block_title_text_color_dark="*neutral_200",
        block_info_text_color_dark="*neutral_300", body_text_color_subdued_dark="*neutral_300",
        input_placeholder_color="*neutral_500", input_placeholder_color_dark="*neutral_400",
        color_accent="*primary_700", slider_color="*primary_600",
        link_text_color="*primary_700", link_text_color_dark="*primary_300",
    )  # fmt: skip
    return {"theme": theme, "css_paths": STYLE, "js": SCRIPT, "footer_links": [], "run_history": False}
