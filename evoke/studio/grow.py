"""The room Grow: the denoising of one image, step by step, with the emotion switched on from one of the steps.

Before that step every prediction is neutral: the prompt without the emotion, by the foundation model without adapters.
The denoising is that of `pipeline.generation.sampling`, of which only the mixing of the predictions is another.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from evoke.studio.looks import GO_TO, empty, failed, figure, inline
from evoke.studio.make import Wish
from evoke.studio.models import Studio, generators
from pipeline.emotion_set import EMOTIONS
from pipeline.generation.defaults import GUIDANCE, SOLVER, STEPS

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from evoke.pipeline import EmotionPipeline
    from evoke.studio.models import Reader
    from pipeline.foundation.base import Base
    from pipeline.generation.request import Request

NUM_SHOWN = 8  # steps of one image
MAX_STEPS = 100
EMPTY = "Choose an emotion and the step from which on it may act, then press Grow."


@dataclass(frozen=True)
class Growth:
    """One image as the model sees it at each step, S of HW3 uint8; `start` is the first step with the emotion."""

    start: int
    frames: "list[NDArray[np.uint8]]"


def grow(pipeline: "EmotionPipeline", request: "Request", start: int, steps: int = STEPS) -> Growth:
    """Return how one image comes to be if the emotion acts from step `start` on; from `steps` on it never does.

    A frame is the image that the prediction at that step would lead to at once. The last one is the image itself, with
    `start` 0 that of the room Make. Raises ValueError for an emotion that the model does not know.
    """
    import torch

    from pipeline.generation.sampling import check_emotions, condition_of, generators

    check_emotions(pipeline.generator, [request])
    base = pipeline.foundation.base
    composed, off, on = gates(request)
    clean: list[Tensor] = []
    with torch.inference_mode():
        condition = condition_of(composed, base, pipeline.generator)
        scheduler = gated(base.solver(SOLVER), off, on, start, clean)
        with pipeline.generator.applied(composed.terms):
            noise = generators(composed.terms)
            images = base.images(condition, base.encoder.empty(), noise, scheduler, steps, GUIDANCE)
        expected = [_decoded(base, latents[:1]) for latents in clean[:-1]]
    return Growth(start, [(image * 255).round().astype(np.uint8) for image in (*expected, images[0])])


def gates(request: "Request") -> "tuple[Any, Tensor, Tensor]":
    """Return the terms of a request with the neutral one, and the matrices that mix them without and with the emotion.

    The terms are a Composition of one request. The neutral term is the first.
    """
    import torch

    from pipeline.generation.composition import Composition, composition

    neutral = composition([replace(request, strength=0.0)]).terms[0]
    emotional = composition([request])
    weights = dict.fromkeys([neutral, *emotional.terms], 0.0) | dict(
        zip(emotional.terms, emotional.weights.tolist(), strict=True)
    )
    terms = tuple(weights)
    of = torch.zeros(len(terms), dtype=torch.int64)
    on = Composition(terms, of, torch.tensor(list(weights.values())))
    off = replace(on, weights=torch.tensor([float(term == neutral) for term in terms]))
    return on, off.matrix(), on.matrix()


def gated(scheduler: Any, off: "Tensor", on: "Tensor", start: int, clean: "list[Tensor]") -> Any:
    """Return a diffusers scheduler that steps with `off` times the predictions PCHW, and from step `start` with `on`.

    At each step it appends to `clean` the latents without noise that the mixed prediction means.
    """
    import torch

    step = scheduler.step

    @functools.wraps(step)  # the pipeline looks at its parameters
    def mixed(prediction: "Tensor", timestep: Any, sample: "Tensor", *args: Any, **kwargs: Any) -> Any:
        matrix = (on if len(clean) >= start else off).to(prediction.device, prediction.dtype)
        prediction = torch.tensordot(matrix, prediction, 1)
        signal = scheduler.alphas_cumprod[int(timestep)].to(sample.device) ** 0.5
        noise = (1 - signal**2) ** 0.5
        if scheduler.config.prediction_type == "v_prediction":
            clean.append(signal * sample - noise * prediction)
        else:
            clean.append((sample - noise * prediction) / signal)
        return step(prediction, timestep, sample, *args, **kwargs)

    scheduler.step = mixed
    return scheduler


def _decoded(base: "Base", latents: "Tensor") -> "NDArray[np.float32]":
    """Return the image HW3 in [0, 1] of latents 1CHW."""
    pipeline = base.pipeline
    image = pipeline.vae.decode(latents.to(pipeline.vae.dtype) / pipeline.vae.config.scaling_factor).sample
    decoded: NDArray[np.float32] = pipeline.image_processor.postprocess(image, output_type="np")[0]
    return decoded


def shown_steps(steps: int) -> list[int]:
    """Return the indices of the steps that are shown: the first, the last, and some evenly between."""
    return sorted({round(index) for index in np.linspace(0, steps - 1, min(NUM_SHOWN, steps))})


def run(
    studio: Studio, emotion: str, transfer: str, strength: float, seed: int | None, model: str, reader: str,
    start: int, steps: int,
) -> Iterator[str]:  # fmt: skip
    """Yield the page's rows as they come: the emotion from the first step on, from `start` on, halfway there, never."""
    from PIL import Image

    from evoke.pipeline import planned

    try:
        if not 0 <= start <= steps:
            raise ValueError(f"the emotion is switched on from step {start}: allowed are 0 to {steps}, which is never")
        wish = Wish({emotion: 1.0}, transfer, strength=strength, seed=int(seed or 0), num_images=1, steps=int(steps))
        (request,) = planned(wish.emotions, 1, wish.seed, wish.prompt, wish.strength)
        rows: list[str] = []
        yield _rows(rows, "loading the model ...")
        with studio.computing():
            pipeline = studio.generator(model)
            read = studio.reader(reader) if reader != NO_READER else None
        for first in sorted({0, int(start), (int(start) + int(steps)) // 2, int(steps)}):
            yield _rows(rows, f"growing with {emotion} {_from(first, int(steps))} ...")
            with studio.computing():
                growth = grow(pipeline, request, first, int(steps))
                chosen = shown_steps(int(steps))
                images = [Image.fromarray(growth.frames[index]) for index in chosen]
                shares = [_share(read, image, emotion) for image in images]
            rows.append(_row(growth, emotion, chosen, images, shares))
        yield _rows(rows)
    except (ValueError, OSError) as error:
        yield failed(error)


NO_READER = "none"


def _share(reader: "Reader | None", image: Any, emotion: str) -> str:
    """Return how probable a reader finds the emotion in an image, as text."""
    return f"{reader(image).emotions[emotion]:.0%}" if reader else ""


def _from(start: int, steps: int) -> str:
    return "never" if start >= steps else f"from step {start + 1} of {steps}" if start else "from the first step on"


def _row(growth: Growth, emotion: str, steps: Sequence[int], images: Sequence[Any], shares: Sequence[str]) -> str:
    """Return one growth as a row of figures, each with its step and how much of the emotion a reader finds."""
    num = len(growth.frames)
    figures = []
    for index, image, share in zip(steps, images, shares, strict=True):
        mark = "ev-on" if index >= growth.start else "ev-off"
        alt = f"the image as predicted at step {index + 1}, {emotion} {'on' if index >= growth.start else 'off'}"
        caption = f"<span class={mark}>step {index + 1}</span>" + (f" {share}" if share else "")
        figures.append(figure(inline(image), alt, caption))
    title = f"{emotion} {_from(growth.start, num)}"
    return f"<section><h2>{escape(title)}</h2><div class='ev-grid ev-strip'>{''.join(figures)}</div></section>"


def _rows(rows: Sequence[str], wait: str = "") -> str:
    note = f"<p class=ev-notice role=status>{escape(wait)}</p>" if wait else ""
    return "".join(rows) + note


def build(studio: Studio, readers: Sequence[str]) -> None:
    """Lay out the room; `readers` are the names of those that may read each step."""
    import gradio as gr

    names = list(generators(studio.models))
    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            emotion = gr.Dropdown(list(EMOTIONS), value=EMOTIONS[0], label="emotion")
            start = gr.Slider(0, MAX_STEPS, 10, step=1, label="switched on after step", buttons=[],
                              info="0: from the beginning; as many as there are steps: never")  # fmt: skip
            transfer = gr.Textbox(label="transfer to", placeholder="street", info="a noun, or nothing")
            strength = gr.Slider(0, 2, 1, step=0.05, label="strength", buttons=[])
            model = gr.Dropdown(names, value=names[0] if names else None, label="model")
            reader = gr.Dropdown(
                [*readers, NO_READER], value=readers[0] if readers else NO_READER, label="read each step by",
                info="the percentage beside each step",
            )  # fmt: skip
            with gr.Row():
                seed = gr.Number(0, label="seed", precision=0, minimum=0, min_width=120)
                steps = gr.Slider(2, MAX_STEPS, STEPS, step=1, label="steps", min_width=120, buttons=[])
            with gr.Row():
                go = gr.Button("Grow", variant="primary", elem_id="grow", min_width=120)
                stop = gr.Button("Stop", min_width=120)
        with gr.Column(scale=7, min_width=320):
            shown = gr.HTML(empty(EMPTY), elem_id="growth")
    inputs = [emotion, transfer, strength, seed, model, reader, start, steps]
    go.click(None, js=GO_TO.format("growth"))
    running = go.click(
        lambda *values: (yield from run(studio, *values)), inputs, shown, show_progress="hidden",
        concurrency_id="model",
    )  # fmt: skip
    stop.click(lambda: None, cancels=[running])
