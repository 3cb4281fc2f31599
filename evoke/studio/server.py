"""Define `evoke studio` and serve its page: to this computer alone, or with `--host` to those who have the token."""

import importlib.util
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import webbrowser
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from http.cookies import SimpleCookie
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import click
import psutil

if TYPE_CHECKING:
    from evoke.studio.models import Studio

FOLDER = click.Path(path_type=Path, file_okay=False)
LOCAL = ("127.0.0.1", "localhost", "::1")
COOKIE, UPLOADS = "evoke_token", ".uploads-"
HEADERS = {
    "content-security-policy": (
        "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
        "style-src 'self' 'unsafe-inline'; frame-ancestors 'self'; form-action 'self'; base-uri 'self'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
App = Callable[[MutableMapping[str, Any], Any, Any], Awaitable[None]]


@click.command()
@click.option("--models", default="models", show_default=True, type=FOLDER, help="Folder with the trained models.")
@click.option(
    "--out", default="out/studio", show_default=True, type=FOLDER, metavar="DIR", help="Folder for the images you make."
)
@click.option("--host", default=LOCAL[0], show_default=True, help="0.0.0.0 shows it to your network, by a token.")
@click.option("--port", default=7860, show_default=True, type=click.IntRange(0, 65535), help="0: any that is free.")
@click.option("--open", "opens", is_flag=True, help="Open the page in the browser.")
def studio(models: Path, out: Path, host: str, port: int, opens: bool) -> None:
    """Open a page to make images of a mix of emotions, read images, explore a run and watch an image grow.

    It runs until Ctrl-C. It writes to DIR alone, and your captions to data/overrides if you change one.
    """
    if importlib.util.find_spec("gradio") is None:
        raise ValueError("evoke studio needs Gradio: install it by `pip install 'evoke[studio]'`, or by `make setup`")
    listening = listen(host, port)
    out.mkdir(parents=True, exist_ok=True)
    sweep(out)
    prefix = f"{UPLOADS}{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=out, ignore_cleanup_errors=True) as uploads:
        own = str(Path(uploads).resolve())  # also for the cache of fonts that matplotlib keeps
        os.environ |= {"GRADIO_TEMP_DIR": own, "MPLCONFIGDIR": own, "GRADIO_ANALYTICS_ENABLED": "False"}
        serve(models, out, host, listening, opens)


def serve(models: Path, out: Path, host: str, listening: socket.socket, opens: bool) -> None:
    """Serve the page on a socket until the process is asked to end."""
    import uvicorn

    from evoke.studio.models import Studio, generators, readers

    token = "" if host in LOCAL else secrets.token_urlsafe(16)
    room = Studio.of(models, out)
    app = application(room, token)
    shown = "localhost" if host in LOCAL else host
    url = f"http://{shown}:{listening.getsockname()[1]}/" + (f"?token={token}" if token else "")
    click.echo(f"{url} (Ctrl-C ends it)")
    names = list(generators(models))
    if names:
        room.preload(names[0], next(iter(readers(models)), None))
    else:
        click.echo(f"{models} has no generator: `evoke repro` trains them", err=True)
    if opens:
        webbrowser.open(url)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # which uvicorn raises again at its end: then we clean up
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1)
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run([listening])


def sweep(out: Path) -> None:
    """Remove what studios that were killed have left of uploads; those of a running one stay."""
    for left in out.glob(f"{UPLOADS}*"):
        pid = left.name.removeprefix(UPLOADS).partition("-")[0]
        if not (pid.isdigit() and psutil.pid_exists(int(pid))):
            shutil.rmtree(left, ignore_errors=True)


def application(room: "Studio", token: str = "") -> App:
    """Return the app: the page, the images that were made, and before both the door."""
    import gradio as gr
    from fastapi import FastAPI
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.staticfiles import StaticFiles

    from evoke.studio.page import look, page
    from pipeline.corpora.images import MAX_IMAGE_BYTES

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    room.images.mkdir(parents=True, exist_ok=True)
    app.mount("/images", StaticFiles(directory=room.images))
    app = gr.mount_gradio_app(
        app, page(room).queue(default_concurrency_limit=1), "", ssr_mode=False, max_file_size=MAX_IMAGE_BYTES,
        enable_monitoring=False, pwa=False, mcp_server=False, show_error=True, **look(),
    )  # fmt: skip
    if token:
        return door(app, token)
    return door(TrustedHostMiddleware(app, [*LOCAL, "[::1]"]))


def door(app: App, token: str = "") -> App:
    """Return an app that adds HEADERS and lets nobody in without the token, which a cookie keeps after the first visit.

    An empty token lets everybody in. The headers forbid the page every request to another host.
    """

    async def guarded(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await app(scope, receive, send)

        async def headed(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                added = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        if not token or _same(_cookie(scope), token):
            return await app(scope, receive, headed)
        given_token = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
        if scope["type"] == "http" and _same(given_token, token):
            cookie = f"{COOKIE}={token}; HttpOnly; SameSite=Strict; Path=/"
            return await _answer(headed, 303, "", [(b"location", b"/"), (b"set-cookie", cookie.encode())])
        if scope["type"] == "websocket":
            return await send({"type": "websocket.close", "code": 1008})
        return await _answer(headed, 401, "Open the address with its token, which `evoke studio` printed.\n", [])

    return guarded


async def _answer(send: Any, status: int, text: str, headers: list[tuple[bytes, bytes]]) -> None:
    plain = (b"content-type", b"text/plain; charset=utf-8")
    await send({"type": "http.response.start", "status": status, "headers": [plain, *headers]})
    await send({"type": "http.response.body", "body": text.encode()})


def _cookie(scope: MutableMapping[str, Any]) -> str:
    """Return the token that a request's cookie has, or an empty string."""
    cookie: SimpleCookie = SimpleCookie()
    with suppress(Exception):
        cookie.load(dict(scope["headers"]).get(b"cookie", b"").decode("latin-1"))
    return cookie[COOKIE].value if COOKIE in cookie else ""


def _same(given: str, token: str) -> bool:
    return secrets.compare_digest(given.encode(), token.encode())


def listen(host: str, port: int) -> socket.socket:
    """Return a socket on which the studio listens. Raises ValueError if the address cannot be used."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise ValueError(f"{host}:{port} cannot be used ({error.strerror}); name another by --port") from None
