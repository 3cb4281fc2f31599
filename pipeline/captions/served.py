"""Caption images with a model behind an OpenAI-compatible server (vLLM, SGLang, `transformers serve`).

The server is called through the openai client. EVOKE_CAPTION_SERVER is its URL, such as http://localhost:8000/v1,
OPENAI_API_KEY its key if it needs one, and EVOKE_CAPTION_CONCURRENCY the number of images of a batch that are requested
at the same time (default 16). None of them changes a result. The client retries a failed request itself; when it gives
up, the error is one line that says what to do.
"""

import base64
import io
import json
import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from PIL import Image

from pipeline.runtime import whole_number

if TYPE_CHECKING:
    import torch
    from openai import OpenAI

    from pipeline.foundation.captioner import Captioner

LOG = logging.getLogger(__name__)
MAX_RETRIES = 4  # of the client, 0.5 s apart at first, then doubling: a dead server is an error after 8 s
CONNECT_S, LIST_S, ANSWER_S = 5.0, 30.0, 300.0
NO_MODEL = "evoke/no-such-model"
FEW = 4  # with fewer images, a server may refuse all of them by chance
ANEW = "and run again; finished work is kept"


@dataclass(frozen=True)
class Answer:
    """The stripped caption of one image; `reason` explains an empty one."""

    caption: str
    reason: str = ""


@dataclass(frozen=True)
class ServedCaptioner:
    """A model behind a server, used like a Captioner: images and prompts in, captions out."""

    client: "OpenAI"
    url: str
    model: str
    num_concurrent: int

    def caption(self, images: Sequence[Image.Image], prompts: Sequence[str], max_new_tokens: int) -> list[str]:
        """Return one greedy answer per image, in order.

        If the server refuses an image or answers nothing, its caption is "" and the log has a warning. Raises
        ValueError if the requests fail altogether, or if all of at least FEW images have no caption.
        """
        requests = list(zip(images, prompts, strict=True))
        with _failures_named(self.url), ThreadPoolExecutor(self.num_concurrent) as pool:
            answers = list(pool.map(lambda request: self._ask(request[0], request[1], max_new_tokens), requests))
        refused = Counter(answer.reason for answer in answers if not answer.caption)
        if refused.total() == len(answers) >= FEW:
            raise ValueError(f"{self.url} returned no caption for any of {len(answers)} images: {next(iter(refused))}")
        for reason, number in refused.items():
            LOG.warning("%d of %d images have no caption: %s", number, len(answers), reason)
        return [answer.caption for answer in answers]

    def check(self) -> None:
        """Check that the server answers and has the model. Raises ValueError otherwise.

        `transformers serve FOLDER` does not list the model that it was started for. A model that is not listed counts
        as served if the server answers to its name, and does not answer to an arbitrary name.
        """
        quick = replace(self, client=self.client.with_options(max_retries=1))  # uvicorn hangs up after an error
        with _failures_named(self.url):
            listed = quick._listed()
            if self.model in listed:
                return
            reason = quick._refusal() or ("" if replace(quick, model=NO_MODEL)._refusal() else "it accepts any name")
        if reason:
            raise ValueError(
                f"captions.served_model = {self.model!r}: {self.url} has no such model ({reason}); it lists "
                f"{', '.join(listed) or 'none'}"
            )

    def _ask(self, image: Image.Image, prompt: str, max_new_tokens: int) -> Answer:
        import openai

        try:
            return _answer_in(self._complete(image, prompt, max_new_tokens))
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            return Answer("", f"the server rejected the image: {_short(error)}")

    def _complete(self, image: Image.Image, prompt: str, max_new_tokens: int) -> Any:
        """Return a ChatCompletion, with whatever the server put into it, or text if it sent no JSON."""
        image_part: Any = {"type": "image_url", "image_url": {"url": _data_url(image)}}
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
            return _short(error)
        return ""


def captioner_of(
    folder: Path, served_model: str | None, device: "torch.device | str" = "cpu"
) -> "Captioner | ServedCaptioner":
    """Return the served model of this name, or load the captioner in the folder if the name is None.

    The served model is at EVOKE_CAPTION_SERVER and is not loaded here. Raises ValueError if the server cannot be used,
    and whatever load_captioner raises.
    """
    if served_model is not None:
        return load_served(served_model)
    from pipeline.foundation.captioner import load_captioner

    if os.environ.get("EVOKE_CAPTION_SERVER"):
        LOG.warning("EVOKE_CAPTION_SERVER is ignored because captions.served_model is null")
    return load_captioner(folder, device)


def load_served(model: str) -> ServedCaptioner:
    """Return the model of this name at EVOKE_CAPTION_SERVER. Raises ValueError within seconds if it cannot be used."""
    import openai

    url, key = _server(model), os.environ.get("OPENAI_API_KEY") or "none"
    timeout = openai.Timeout(ANSWER_S, connect=CONNECT_S)
    client = openai.OpenAI(base_url=url, api_key=key, max_retries=MAX_RETRIES, timeout=timeout)
    captioner = ServedCaptioner(client, url, model, whole_number("EVOKE_CAPTION_CONCURRENCY", 16))
    captioner.check()
    return captioner


def _server(model: str) -> str:
    """Return EVOKE_CAPTION_SERVER. Raises ValueError unless it is a URL."""
    url = os.environ.get("EVOKE_CAPTION_SERVER", "")
    if not url:
        raise ValueError(
            f"captions.served_model = {model!r}: set EVOKE_CAPTION_SERVER to the URL of its server, such as "
            "http://localhost:8000/v1, or set served_model to null to use foundation_captioner"
        )
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"EVOKE_CAPTION_SERVER = {url!r}: allowed is a URL such as http://localhost:8000/v1")
    return url


def _data_url(image: Image.Image) -> str:
    """Return the image as a data URL in PNG, which is lossless."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _answer_in(completion: Any) -> Answer:
    """Return the text of the first choice.

    Raises ValueError if there is none, because the client does not check what it receives.
    """
    try:
        choice = completion.choices[0]
        content, refusal = choice.message.content, getattr(choice.message, "refusal", None)
    except (AttributeError, IndexError, TypeError):
        raise ValueError(f"{str(completion)!r:.100}") from None
    caption = content.strip() if isinstance(content, str) else ""
    if refusal or choice.finish_reason == "content_filter":
        return Answer("", f"the model refused to answer: {refusal or choice.finish_reason}")
    return Answer(caption, f"the answer is empty (finish_reason {choice.finish_reason})")


@contextmanager
def _failures_named(url: str) -> Iterator[None]:
    """Turn the errors on which the client gives up into a one-line ValueError that says what to do."""
    import openai

    try:
        yield
    except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
        raise ValueError(f"{url} rejects the API key: set OPENAI_API_KEY to a valid one ({_short(error)})") from None
    except openai.APITimeoutError:
        raise ValueError(f"{url} timed out: lower EVOKE_CAPTION_CONCURRENCY {ANEW}") from None
    except openai.APIConnectionError as error:
        raise ValueError(
            f"{url} cannot be reached ({_short(error.__cause__)}): start it or correct EVOKE_CAPTION_SERVER {ANEW}"
        ) from None
    except openai.APIStatusError as error:
        raise ValueError(f"{url} failed ({_short(error)}): read its log, fix the server {ANEW}") from None
    except (openai.APIError, ValueError) as error:
        raise ValueError(
            f"{url} did not return a chat completion ({_short(error)}): check that it is an OpenAI-compatible server"
        ) from None


def _short(error: object) -> str:
    """Return an error as one line of at most 200 characters.

    It has the status code and the server's own words if there are any, because the client leaves them out.
    """
    response = getattr(error, "response", None)
    text = str(error) if response is None else f"{response.status_code} {response.text}"
    return " ".join(text.split())[:200]
