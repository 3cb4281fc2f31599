"""Servers on loopback: the miniature captioner under `transformers serve`, and one that answers as a test wants."""

import base64
import io
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.captions.served import ServedCaptioner, load_served

GREYS = [Image.new("RGB", (8, 8), (grey,) * 3) for grey in range(20)]


@contextmanager
def transformers_server(folder: Path) -> Iterator[str]:
    """The URL of a `transformers serve` that has the model of a folder, under the folder's name."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [Path(sys.executable).with_name("transformers"), "serve", folder.name, "--device", "cpu"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder.parent / "hub"), "OMP_NUM_THREADS": "1"}
    log = folder.parent / "server.log"
    with log.open("w") as file:
        server = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder.parent, env=environment, stdout=file, stderr=file,
        )  # fmt: skip
    try:
        _await(f"http://127.0.0.1:{port}/health", server, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait()


def _await(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait as long as the server lives: how fast it starts is the machine's business."""
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            assert server.poll() is None, log.read_text()
            time.sleep(0.2)


@dataclass(frozen=True)
class Request:
    """What was asked for, and of which picture."""

    body: dict[str, Any]
    headers: dict[str, str]

    @property
    def image(self) -> Image.Image:
        url = self.body["messages"][0]["content"][0]["image_url"]["url"]
        assert url.startswith("data:image/jpeg;base64,")
        return Image.open(io.BytesIO(base64.b64decode(url.split(",")[1])))

    @property
    def prompt(self) -> str:
        return str(self.body["messages"][0]["content"][1]["text"])


@dataclass(frozen=True)
class Reply:
    """What the server sends; a body of bytes goes as it is, None closes the connection."""

    body: Any
    status: int = 200
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=lambda: {"retry-after-ms": "1"})


def said(text: str | None, **message: Any) -> Reply:
    """A chat completion that says this."""
    finish = message.pop("finish_reason", "stop")
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}
    return Reply({"id": "1", "object": "chat.completion", "created": 1, "model": "small", "choices": [choice]})


Answer = Callable[[Request], Reply]


class Scripted:
    """A server that lists these models, or sends this reply, and answers so; `requests` hold what it was asked."""

    def __init__(self, answer: Answer, listed: Any) -> None:
        self.answer, self.listed, self.lock = answer, listed, Lock()
        self.requests: list[Request] = []
        handler = type("Handler", (_Handler,), {"script": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def die(self) -> None:
        """Nothing listens any more."""
        self.server.shutdown()
        self.server.server_close()


@contextmanager
def scripted(answer: Answer, listed: Any = ("small",)) -> Iterator[Scripted]:
    """A server that answers so, until the block ends."""
    script = Scripted(answer, listed)
    try:
        yield script
    finally:
        script.die()


def tone(request: Request) -> Reply:
    """The brightness of the picture."""
    return said(f"tone {np.asarray(request.image)[0, 0, 0]}")


def at(server: Scripted, monkeypatch: pytest.MonkeyPatch, model: str = "small", max_px: int = 1024) -> ServedCaptioner:
    monkeypatch.setenv("EVOKE_CAPTION_SERVER", server.url)
    return load_served(model, max_px)


class _Handler(BaseHTTPRequestHandler):
    script: Scripted

    def do_GET(self) -> None:
        listed = self.script.listed
        if not isinstance(listed, Reply):
            listed = Reply({"object": "list", "data": [{"id": name, "object": "model"} for name in listed]})
        self._send(listed)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        request = Request(body, {name.lower(): value for name, value in self.headers.items()})
        with self.script.lock:
            self.script.requests.append(request)
        self._send(self.script.answer(request))

    def _send(self, reply: Reply) -> None:
        if reply.body is None:
            return
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        self.send_response(reply.status)
        for name, value in {**reply.headers, "content-type": reply.kind, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""
