"""The room Make: a mix of emotions becomes images, by one model or by two side by side with the same seeds."""

import hashlib
import json
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evoke.emotion_model import at_hand
from evoke.studio.looks import GO_TO, empty, failed, figure, progress
from evoke.studio.models import Studio, chosen, generators
from pipeline.conditioning.prompts import GAP
from pipeline.emotion_set import EMOTIONS
from pipeline.generation.defaults import GUIDANCE, SOLVER, SOLVERS, SOURCE, SOURCES, STEPS
from pipeline.work import written_aside

if TYPE_CHECKING:
    from pipeline.params import Solver, Source

MAX_IMAGES = 16
NONE = "none"
EMPTY = "Move the sliders of one or more emotions, then press Make. The images appear here as they come."


@dataclass(frozen=True)
class Wish:
    """Hold what a person asks for, apart from the model.

    Batches are of one, so that a single image is the same image again.
    """

    emotions: Mapping[str, float]
    transfer: str = ""
    negative: str = ""
    strength: float = 1.0
    seed: int = 0
    num_images: int = 4
    steps: int = STEPS
    guidance: float = GUIDANCE
    solver: "Solver" = SOLVER
    source: "Source" = SOURCE

    @property
    def prompt(self) -> str:
        """Return the prompt: a noun follows the emotion, and a text with {S} is the prompt itself."""
        text = " ".join(self.transfer.split())
        return text if GAP in text else f"{GAP} {text}".strip()

    @property
    def label(self) -> str:
        """Return the emotions as the command line takes them."""
        mix = self.emotions
        return " ".join(mix) if len(mix) == 1 else " ".join(f"{name}={weight:g}" for name, weight in mix.items())


@dataclass
class Made:
    """The images of one model, as figures of the page, and what it said if it failed."""

    model: str
    figures: list[str] = field(default_factory=list)
    error: str = ""


def wish_of(weights: Sequence[float], transfer: str, negative: str, *numbers: Any) -> Wish:
    """Return the wish of the page's inputs. Raises ValueError, which says what to do, for what cannot be drawn."""
    strength, seed, num_images, steps, guidance, solver, source = numbers
    emotions: dict[str, float] = {name: float(weight) for name, weight in zip(EMOTIONS, weights, strict=True) if weight}
    if not emotions:
        raise ValueError("no emotion is chosen: move at least one of the sliders above 0")
    if seed is None or not 0 <= seed < 2**63:
        raise ValueError(f"the seed is {seed}: allowed are whole numbers from 0 to 2^63 - 1")
    if not 1 <= num_images <= MAX_IMAGES:
        raise ValueError(f"{num_images} images: allowed are 1 to {MAX_IMAGES}")
    return Wish(
        emotions, transfer, negative, float(strength), int(seed), int(num_images), int(steps), guidance, solver, source
    )


def images(studio: Studio, wish: Wish, model: str) -> Iterator[Path]:
    """Yield the PNG files of a wish, each with its recipe in it, as they come. Raises ValueError as `planned` does."""
    from evoke.pipeline import planned
    from evoke.png import png_bytes
    from pipeline.generation.sampling import Sampling

    pipeline = studio.generator(model, wish.source)
    requests = planned(wish.emotions, wish.num_images, wish.seed, wish.prompt, wish.strength)
    sampling = Sampling(wish.steps, wish.guidance, wish.solver, 1, negative_prompt=wish.negative)
    folder, pictures = generators(studio.models)[model], pipeline.pictures(requests, sampling)
    for index, request in enumerate(requests):
        with studio.computing():
            image = next(pictures)
        recipe = {
            "prompt": wish.prompt, "negative_prompt": wish.negative, "emotions": dict(wish.emotions),
            "strength": wish.strength, "seed": request.seed, "steps": wish.steps, "guidance": wish.guidance,
            "solver": wish.solver, "model": folder.as_posix(), "model_hash": pipeline.model, "source": wish.source,
            "command": command(wish, folder), "index": index,
        }  # fmt: skip
        data = png_bytes(image, recipe)
        studio.images.mkdir(parents=True, exist_ok=True)
        path = studio.images / f"{request.stem}-{hashlib.sha256(data).hexdigest()[:12]}.png"
        with written_aside(path) as aside:
            aside.write_bytes(data)
        yield path


def command(wish: Wish, folder: Path) -> str:
    """Return the command that makes the images again, with every setting that is not the default."""
    words = ["evoke", "generate", *wish.label.split(), "--model", folder.as_posix(), "--seed", str(wish.seed)]
    words += ["-n", str(wish.num_images), "--batch-size", "1"]
    for option, value, default in (
        ("--prompt", wish.prompt, GAP), ("--negative-prompt", wish.negative, ""), ("--strength", wish.strength, 1.0),
        ("--steps", wish.steps, STEPS), ("--guidance", wish.guidance, GUIDANCE), ("--solver", wish.solver, SOLVER),
        ("--source", wish.source, SOURCE),
    ):  # fmt: skip
        if value != default:
            words += [option, f"{value:g}" if isinstance(value, float) else str(value)]
    return shlex.join([*words, "--out", "out/generated"])


def python(wish: Wish, folder: Path) -> str:
    """Return the Python that makes the images again."""
    source = "" if wish.source == SOURCE else f", source={wish.source!r}"
    settings: dict[str, object] = {"num_images": wish.num_images, "seed": wish.seed, "batch_size": 1}
    for name, value, default in (
        ("prompt", wish.prompt, GAP), ("negative_prompt", wish.negative, ""), ("strength", wish.strength, 1.0),
        ("steps", wish.steps, STEPS), ("guidance", wish.guidance, GUIDANCE), ("solver", wish.solver, SOLVER),
    ):  # fmt: skip
        if value != default:
            settings[name] = value
    arguments = "".join(f", {name}={value!r}" for name, value in settings.items())
    return (
        "from evoke import EmotionPipeline\n\n"
        f"pipeline = EmotionPipeline.from_pretrained({at_hand(folder).as_posix()!r}{source})\n"
        f"images = pipeline({json.dumps(dict(wish.emotions))}{arguments})\n"
    )


def show(made: Sequence[Made], wish: Wish) -> str:
    """Return the images as HTML, one part for each model, with a placeholder for each that is still to come."""
    parts = []
    for one in made:
        figures = one.figures + [progress()] * (wish.num_images - len(one.figures) if not one.error else 0)
        parts.append(
            f"<section><h2>{escape(one.model)}</h2><div class=ev-grid>{''.join(figures)}</div>{one.error}</section>"
        )
    return f"<div class=ev-beside>{''.join(parts)}</div>"


def run(studio: Studio, model: str, beside: str, *inputs: Any) -> Iterator[tuple[str, str, str]]:
    """Yield the page's images, command and Python as the images come, one of each model in turn."""
    try:
        wish = wish_of(inputs[: len(EMOTIONS)], *inputs[len(EMOTIONS) :])
        names = [model, *([beside] if beside not in (NONE, model) else [])]
        folders = [chosen(name, generators(studio.models)) for name in names]
        commands = "\n".join(command(wish, folder) for folder in folders)
        code = "\n".join(python(wish, folder) for folder in folders)
    except (ValueError, OSError) as error:
        yield failed(error), "", ""
        return
    columns = [Made(name) for name in names]
    streams = [images(studio, wish, name) for name in names]
    yield show(columns, wish), commands, code
    for index in range(wish.num_images):
        for one, stream in zip(columns, streams, strict=True):
            if one.error:
                continue
            try:
                one.figures.append(_card(next(stream), index, wish))
            except (ValueError, OSError) as error:
                one.error = failed(error)
            yield show(columns, wish), commands, code


def _card(path: Path, index: int, wish: Wish) -> str:
    alt = f"{wish.label.replace('=', ' ')}, image {index + 1} of seed {wish.seed}"
    name = escape(path.name)
    save = f'<a href="images/{name}" download="{name}" aria-label="Download image {index + 1} as PNG">PNG</a>'
    return figure(f"images/{name}", alt, f"{index + 1} {save}")


def build(studio: Studio) -> "Callable[[], Path | None]":
    """Lay out the room, and return a function that finds the last image that was made."""
    import gradio as gr

    names = list(generators(studio.models))
    with gr.Row():
        with gr.Column(scale=4, min_width=320):
            with gr.Group(elem_classes="ev-sliders"):
                weights = [
                    gr.Slider(0, 1, float(index == 0), step=0.05, label=name, buttons=[])
                    for index, name in enumerate(EMOTIONS)
                ]
            strength = gr.Slider(0, 2, 1, step=0.05, label="strength", info="0 none, 1 as trained", buttons=[])
            transfer = gr.Textbox(
                label="transfer to", placeholder="street", max_lines=3,
                info=f"a noun, or a whole prompt in which {GAP} stands for the emotion",
            )  # fmt: skip
            negative = gr.Textbox(label="negative prompt", placeholder="what should not be seen", max_lines=3)
            with gr.Row():
                model = gr.Dropdown(names, value=names[0] if names else None, label="model", min_width=170)
                beside = gr.Dropdown([NONE, *names], value=NONE, label="beside it", min_width=170)
            with gr.Row():
                seed = gr.Number(0, label="seed", precision=0, minimum=0, min_width=140)
                number = gr.Slider(1, MAX_IMAGES, 4, step=1, label="images", min_width=140, buttons=[])
            with gr.Row():
                start = gr.Button("Make", variant="primary", elem_id="make", min_width=120)
                stop = gr.Button("Stop", elem_id="stop", min_width=120)
            with gr.Accordion("denoising", open=False):
                steps = gr.Slider(1, 100, STEPS, step=1, label="steps", buttons=[])
                guidance = gr.Slider(1, 15, GUIDANCE, step=0.5, label="guidance", buttons=[])
                solver = gr.Dropdown(list(SOLVERS), value=SOLVER, label="solver")
                source = gr.Dropdown(list(SOURCES), value=SOURCE, label="source of v")
        with gr.Column(scale=6, min_width=320):
            shown = gr.HTML(empty(EMPTY), elem_id="made")
            with gr.Accordion("copy as command or as Python", open=False):
                commands = gr.Textbox(label="as command", lines=2, max_lines=8, interactive=False, buttons=["copy"])
                code = gr.Textbox(label="as Python", lines=5, max_lines=16, interactive=False, buttons=["copy"])
    inputs = [model, beside, *weights, transfer, negative, strength, seed, number, steps, guidance, solver, source]
    start.click(None, js=GO_TO.format("made"))
    running = start.click(
        lambda *values: (yield from run(studio, *values)), inputs, [shown, commands, code],
        show_progress="hidden", concurrency_id="model",
    )  # fmt: skip
    stop.click(lambda: None, cancels=[running])
    return lambda: last_image(studio)


def last_image(studio: Studio) -> Path | None:
    """Return the image that was made last, or None."""
    return max(studio.images.glob("*.png"), key=lambda path: path.stat().st_mtime_ns, default=None)
