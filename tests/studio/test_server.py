"""The door of the studio: who is let in, what headers forbid, and one line for an address that cannot be used."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from evoke.cli import main
from evoke.studio.server import HEADERS, UPLOADS, door, listen, sweep

TOKEN = "secret"


def ask(path: str = "/", query: str = "", cookie: str = "", kind: str = "http", token: str = TOKEN) -> tuple[int, dict]:
    """The status and the headers of an answer by an app behind the door that lets in with status 200."""
    sent: list[dict[str, Any]] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    headers = [(b"cookie", cookie.encode())] if cookie else []
    scope = {"type": kind, "path": path, "query_string": query.encode(), "headers": headers}
    asyncio.run(door(app, token)(scope, None, send))  # type: ignore[arg-type]
    first = sent[0]
    return first.get("status", first.get("code", 0)), {
        key.decode(): value.decode() for key, value in first.get("headers", [])
    }


def test_nobody_is_let_in_without_the_token() -> None:
    for query, cookie in (("", ""), ("token=", ""), ("token=wrong", ""), ("", "evoke_token=wrong"), ("", "evoke_token"),
                          ("token=s%C3%A9cret", ""), ("", "evoke_token=\xff")):  # fmt: skip
        for path in ("/", "/images/a.png", "/gradio_api/upload"):
            assert ask(path, query, cookie)[0] == 401
    assert ask(kind="websocket")[0] == 1008


def test_the_token_opens_once_and_a_cookie_keeps_open() -> None:
    status, headers = ask(query="token=secret")
    assert (status, headers["location"]) == (303, "/")
    assert headers["set-cookie"].startswith("evoke_token=secret; HttpOnly; SameSite=Strict")
    assert ask(cookie="other=1; evoke_token=secret")[0] == 200
    assert ask(cookie="evoke_token=secret", kind="websocket")[0] == 200
    assert ask(token="")[0] == 200


def test_every_answer_forbids_requests_to_other_hosts() -> None:
    for answer in (ask(), ask(cookie="evoke_token=secret"), ask(token="")):
        assert HEADERS.items() <= answer[1].items()
    assert HEADERS["content-security-policy"].startswith("default-src 'self' data: blob:;")
    assert "http" not in HEADERS["content-security-policy"]


def test_an_address_that_is_taken_or_not_ours_is_one_line() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(main, ["studio", "--port", str(port)])
        assert result.exit_code == 1
        assert f"127.0.0.1:{port} cannot be used" in result.output
        assert "name another by --port" in result.output


def test_without_gradio_one_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = CliRunner().invoke(main, ["studio"])
    assert result.exit_code == 1
    assert "install it by `pip install 'evoke[studio]'`" in result.output


def test_uploads_of_a_killed_studio_go_and_those_of_a_running_one_stay(tmp_path: Path) -> None:
    for name in (f"{UPLOADS}{2**22 + 7}-a", f"{UPLOADS}odd", f"{UPLOADS}{os.getpid()}-b", "images"):
        (tmp_path / name).mkdir()
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{UPLOADS}{os.getpid()}-b", "images"]
