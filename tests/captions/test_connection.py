"""Check that a proxy or a wrong URL between the captioner and its server is named in one line."""

import re
from importlib.util import find_spec

import pytest

from pipeline.captions import connection
from pipeline.captions.served import load_served
from tests.captions.servers import GREYS, Reply, at, said, scripted, tone

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXIES, *map(str.lower, PROXIES), "EVOKE_CAPTION_CONCURRENCY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(connection, "MAX_RETRIES", 0)


def failure(url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The one line about a server at this URL."""
    monkeypatch.setenv("EVOKE_CAPTION_SERVER", url)
    with pytest.raises(ValueError, match=r"\w") as error:
        load_served("small", 1024)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.skipif(find_spec("socksio") is not None, reason="needs an environment without socksio")
@pytest.mark.parametrize("name", ["ALL_PROXY", "all_proxy", "HTTPS_PROXY"])
def test_a_socks_proxy_without_its_package_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "socks5://me:secret@127.0.0.1:1080")
    told = failure("http://127.0.0.1:9/v1", monkeypatch)
    assert told == (
        f"{name} = 'socks5://127.0.0.1:1080': a SOCKS proxy needs the package socksio: run `pip install socksio`, or "
        f"unset {name}"
    )


@pytest.mark.parametrize("proxy", ["socks://127.0.0.1:1", "http://[bad", "http://host:port", "ftp://host:1", "http://"])
def test_a_proxy_that_is_no_url_is_named(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    told = failure("http://127.0.0.1:9/v1", monkeypatch)
    assert told == f"HTTP_PROXY = {proxy!r}: set it to a proxy such as http://host:3128, or unset it"


def test_no_proxy_of_a_star_leaves_wrong_proxies_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "*")
    with scripted(tone) as server:
        assert at(server, monkeypatch).caption(GREYS[3:4], ["?"], 5) == ["tone 3"]


def test_a_proxy_that_is_not_there_is_named_and_not_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://me:secret@127.0.0.1:9")
    with scripted(tone) as server:
        told = failure(server.url, monkeypatch)
        assert re.search(r"cannot be reached .*; requests go through the proxy http_proxy = 'http://127.0.0.1:9'", told)
        assert told.endswith("if the server needs none, add 127.0.0.1 to NO_PROXY")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert at(server, monkeypatch).caption(GREYS[3:4], ["?"], 5) == ["tone 3"]


@pytest.mark.parametrize(
    ("reply", "told"),
    [(Reply({"error": "denied"}, 403), "403"), (Reply(b"<html>log in</html>", 407, "text/html"), "407")],
)
def test_a_proxy_that_answers_in_place_of_the_server_is_named(
    reply: Reply, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scripted(lambda _: reply, reply) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.removesuffix("/v1"))
        line = failure("http://captions.invalid:8000/v1", monkeypatch)
    assert told in line
    assert "go through the proxy HTTP_PROXY = 'http://127.0.0.1:" in line
    assert line.endswith("add captions.invalid to NO_PROXY")


def test_a_url_without_its_version_is_named_with_the_right_one(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = Reply({"detail": "Not Found"}, 404)
    with scripted(lambda _: missing, missing) as server:
        base = server.url.removesuffix("/v1")
        told = (
            f"EVOKE_CAPTION_SERVER = '{base}/' has no /v1 at its end: set it to {base}/v1 (the server answers there: 4"
        )
        assert failure(f"{base}/", monkeypatch).startswith(told)
        assert "has no such model" in failure(server.url, monkeypatch), "with a version, the model is at fault"


def test_a_page_in_place_of_a_server_names_the_version(monkeypatch: pytest.MonkeyPatch) -> None:
    page = Reply(b"<html>chat with your models</html>", 200, "text/html")
    with scripted(lambda _: page, page) as server:
        base = server.url.removesuffix("/v1")
        assert f"has no /v1 at its end: set it to {base}/v1" in failure(base, monkeypatch)


def test_a_server_that_answers_without_a_version_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(lambda _: said("a red boat")) as server:
        monkeypatch.setenv("EVOKE_CAPTION_SERVER", f"{server.url.removesuffix('/v1')}/api")
        assert load_served("small", 1024).caption(GREYS[:1], ["?"], 5) == ["a red boat"]


@pytest.mark.parametrize("tail", ["/chat/completions", "/models/", "/completions"])
def test_the_url_of_a_request_is_refused_with_its_base(tail: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"http://localhost:8000/v1{tail}"
    told = f"EVOKE_CAPTION_SERVER = {url!r}: set it to the server's base URL, http://localhost:8000/v1"
    assert failure(url, monkeypatch) == told


@pytest.mark.parametrize("url", ["localhost:8000/v1", "http://", "http://host:port/v1", "http://[bad/v1", "ftp://host"])
def test_what_is_no_url_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert failure(url, monkeypatch).startswith(f"EVOKE_CAPTION_SERVER = {url!r}: allowed is a URL such as http://")
