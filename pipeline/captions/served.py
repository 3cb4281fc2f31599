"""Caption images with a model behind an OpenAI-compatible server (vLLM, SGLang, `transformers serve`).

The server is called through the openai client. EVOKE_CAPTION_SERVER is its URL, such as http://localhost:8000/v1,
OPENAI_API_KEY its key if it needs one, and EVOKE_CAPTION_CONCURRENCY the number of images of a batch that are requested
at the same time (default 16). None of them changes a result. The client retries a failed request itself; when it gives
up, the error is one line that says what to do (pipeline/captions/connection.py). Images are sent as JPEG of bounded
size, and captions are taken out of the answers by pipeline/captions/answer.py.
"""

import base64
import io
import json
import logging
import os
import re
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from pipeline.captions.answer import REFUSAL, REJECTED, TOO_LARGE, Answer, answer_of
from pipeline.captions.connection import (
    CONNECT_S,
    LIST_S,
    failures_named,
    open_client,
    server_url,
    short,
    without_version,
)
from pipeline.runtime import whole_number

if TYPE_CHECKING:
    import torch
    from openai import OpenAI

    from pipeline.foundation.captioner import Captioner

LOG = logging.getLogger(__name__)
NO_MODEL = "evoke/no-such-model"
FEW = 4  # with fewer images, a server may refuse all of them by chance
JPEG_QUALITY = 95
OF_SIZE = re.compile(r"too (?:large|big)|\bsizes?\b|payload|resolution|dimension|max\w* (?:\w+ )?pixels", re.IGNORECASE)


@dataclass(frozen=True)
class ServedCaptioner:
    """A model behind a server, used like a Captioner: images and prompts in, captions out.

    max_px: the long side to which larger images are reduced before they are sent.
    """

    client: "OpenAI"
    url: str
    model: str
    num_concurrent: int
    max_px: int

    def caption(self, images: Sequence[Image.Image], prompts: Sequence[str], max_new_tokens: int) -> list[str]:
        """Return one greedy answer per image, in order.

        If the server refuses an image, or what it sends is not a caption, the caption is "" and the log has a line for
        each kind with its number. Raises ValueError if the requests fail altogether, or if all of at least FEW images
        have no caption.
        """
        requests = list(zip(images, prompts, strict=True))
        with failures_named(self.url), ThreadPoolExecutor(self.num_concurrent) as pool:
            answers = list(pool.map(lambda request: self._ask(request[0], request[1], max_new_tokens), requests))
        reasons = _reasons([answer for answer in answers if not answer.caption])
        if len(answers) >= FEW and not any(answer.caption for answer in answers):
            counts = "; ".join(f"{number} times {reason}" for reason, number in reasons.items())
            raise ValueError(f"{self.url} returned no caption for any of {len(answers)} images: {counts}")
        for reason, number in reasons.items():
            LOG.warning("%d of %d images have no caption: %s", number, len(answers), reason)
        return [answer.caption for answer in answers]

    def check(self) -> None:
        """Check that the server answers and has the model. Raises ValueError otherwise.

        `transformers serve FOLDER` does not list the model that it was started for. A model that is not listed counts
        as served if the server answers to its name, and does not answer to an arbitrary name.
        """
        quick = replace(self, client=self.client.with_options(max_retries=1))  # uvicorn hangs up after an error
        with failures_named(self.url):
            listed = quick._listed()
            if self.model in listed:
                return
            reason = quick._refusal() or ("" if replace(quick, model=NO_MODEL)._refusal() else "it accepts any name")
        if reason and not listed and without_version(self.url):
            raise ValueError(f"{without_version(self.url)} (the server answers there: {reason})")
        if reason:
            raise ValueError(
                f"captions.served_model = {self.model!r}: {self.url} has no such model ({reason}); it lists "
                f"{', '.join(listed) or 'none'}"
            )

    def _ask(self, image: Image.Image, prompt: str, max_new_tokens: int) -> Answer:
        import openai

        try:
            return _answer_in(self._complete(image, prompt, max_new_tokens))
        except openai.APIStatusError as error:
            if error.status_code not in (400, 413, 422):
                raise
            is_of_size = error.status_code == 413 or OF_SIZE.search(short(error))
            return Answer("", TOO_LARGE if is_of_size else REJECTED, short(error))

    def _complete(self, image: Image.Image, prompt: str, max_new_tokens: int) -> Any:
        """Return a ChatCompletion, with whatever the server put into it, or text if it sent no JSON."""
        image_part: Any = {"type": "image_url", "image_url": {"url": _data_url(image, self.max_px)}}
        return self.client.chat.completions.create(
            model=self.model,
            messages=[{"role": "user", "content": [image_part, {"type": "text", "text": prompt}]}],
            temperature=0.0,
            max_tokens=max_new_tokens,
        )

    def _listed(self) -> list[str]:
        """Return the names of the server's models.

        The list is empty if the server does not list any, like transformers without a cache.
        """
        import openai

        timeout = openai.Timeout(LIST_S, connect=CONNECT_S)
        try:
            return sorted(str(model.id) for model in self.client.models.list(timeout=timeout).data)
        except (openai.InternalServerError, openai.NotFoundError, AttributeError, TypeError, json.JSONDecodeError):
            return []

    def _refusal(self) -> str:
        """Return the server's error for this model; an empty string if it answers."""
        import openai

        try:
            self._complete(Image.new("RGB", (64, 64), "grey"), "What is this?", 1)
        except (
            openai.BadRequestError,
            openai.NotFoundError,
            openai.UnprocessableEntityError,
            openai.InternalServerError,
        ) as error:
            return short(error)
        return ""


def captioner_of(
    folder: Path, served_model: str | None, max_px: int, device: "torch.device | str" = "cpu"
) -> "Captioner | ServedCaptioner":
    """Return the served model of this name, or load the captioner in the folder if the name is None.

    The served model is at EVOKE_CAPTION_SERVER and is not loaded here. Both are given images of at most max_px. Raises
    ValueError if the server cannot be used, and whatever load_captioner raises.
    """
    if served_model is not None:
        return load_served(served_model, max_px)
    from pipeline.foundation.captioner import load_captioner

    if os.environ.get("EVOKE_CAPTION_SERVER"):
        LOG.warning("EVOKE_CAPTION_SERVER is ignored because captions.served_model is null")
    return load_captioner(folder, device, max_px)


def load_served(model: str, max_px: int) -> ServedCaptioner:
    """Return the model of this name at EVOKE_CAPTION_SERVER. Raises ValueError within seconds if it cannot be used."""
    url = server_url(model)
    num_concurrent = whole_number("EVOKE_CAPTION_CONCURRENCY", 16)
    captioner = ServedCaptioner(open_client(url), url, model, num_concurrent, max_px)
    captioner.check()
    return captioner


def _data_url(image: Image.Image, max_px: int) -> str:
    """Return the image as a data URL: a JPEG with full color resolution, its long side at most max_px."""
    small = image.convert("RGB")
    small.thumbnail((max_px, max_px), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _answer_in(completion: Any) -> Answer:
    """Return the answer in the first choice.

    Raises ValueError if there is none, because the client does not check what it receives.
    """
    try:
        choice = completion.choices[0]
        message = choice.message
        content, refusal = message.content, getattr(message, "refusal", None)
    except (AttributeError, IndexError, TypeError):
        raise ValueError(f"{str(completion)!r:.100}") from None
    if refusal or choice.finish_reason == "content_filter":
        return Answer("", REFUSAL, " ".join(str(refusal or choice.finish_reason).split())[:200])
    has_reasoning = any(getattr(message, field, None) for field in ("reasoning_content", "reasoning"))
    if isinstance(content, list):  # parts, of which some are text and others reasoning
        texts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"]
        has_reasoning |= len(texts) < len(content)
        content = "".join(text for text in texts if isinstance(text, str))
    return answer_of(content if isinstance(content, str) else "", choice.finish_reason, has_reasoning)


def _reasons(empty: Sequence[Answer]) -> dict[str, int]:
    """Return how many answers are of each kind of what is not a caption; the kinds are shown with an example."""
    numbers = Counter(answer.kind for answer in empty)
    examples = {answer.kind: answer.detail for answer in reversed(empty)}
    return {f"{kind}, such as {examples[kind]!r}": number for kind, number in numbers.items()}
