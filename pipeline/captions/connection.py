"""Open the client of a caption server, and say in one line what is wrong between it and the server.

The openai client follows the proxies of HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, so that a proxy may answer in
place of the server. Messages name the variable, and show the proxy without its user and password.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

if TYPE_CHECKING:
    from openai import OpenAI

MAX_RETRIES = 4  # of the client, 0.5 s apart at first, then doubling: a dead server is an error after 8 s
CONNECT_S, LIST_S, ANSWER_S = 5.0, 30.0, 300.0
EXAMPLE = "http://localhost:8000/v1"
ANEW = "and run again; finished work is kept"
VERSION = re.compile(r"v\d\w*")  # a part of the path of most servers' URLs


def open_client(url: str) -> "OpenAI":
    """Return the client of the server at a URL. Raises ValueError if a proxy of the environment cannot be used."""
    import openai

    check_proxies()
    key = os.environ.get("OPENAI_API_KEY") or "none"
    timeout = openai.Timeout(ANSWER_S, connect=CONNECT_S)
    return openai.OpenAI(base_url=url, api_key=key, max_retries=MAX_RETRIES, timeout=timeout)


def server_url(model: str) -> str:
    """Return EVOKE_CAPTION_SERVER. Raises ValueError, which names the model, unless it is a server's base URL."""
    url = os.environ.get("EVOKE_CAPTION_SERVER", "").strip()
    if not url:
        raise ValueError(
            f"captions.served_model = {model!r}: set EVOKE_CAPTION_SERVER to the URL of its server, such as {EXAMPLE}, "
            "or set served_model to null to use foundation_captioner"
        )
    if not _is_url(url, ("http", "https")):
        raise ValueError(f"EVOKE_CAPTION_SERVER = {url!r}: allowed is a URL such as {EXAMPLE}")
    base = re.sub(r"/(chat/completions|completions|models)/*$", "", url)
    if base != url:
        raise ValueError(f"EVOKE_CAPTION_SERVER = {url!r}: set it to the server's base URL, {base}")
    return url


def check_proxies() -> None:
    """Check the proxies that the client reads from the environment. Raises ValueError, which names the variable."""
    proxies = getproxies_environment()
    if "*" in proxies.get("no", ""):
        return
    for scheme in ("http", "https", "all"):
        proxy = proxies.get(scheme)
        if not proxy:
            continue
        name, full = _variable(scheme, proxy), proxy if "://" in proxy else f"http://{proxy}"
        if not _is_url(full, ("http", "https", "socks5", "socks5h")):
            raise ValueError(f"{name} = {_public(proxy)!r}: set it to a proxy such as http://host:3128, or unset it")
        if full.startswith("socks") and find_spec("socksio") is None:
            raise ValueError(
                f"{name} = {_public(proxy)!r}: a SOCKS proxy needs the package socksio: run `pip install socksio`, or "
                f"unset {name}"
            )


def without_version(url: str) -> str:
    """Return what to set instead if the URL has no version such as /v1 in its path, else an empty string."""
    if any(VERSION.fullmatch(part) for part in urlsplit(url).path.split("/")):
        return ""
    return f"EVOKE_CAPTION_SERVER = {url!r} has no /v1 at its end: set it to {url.rstrip('/')}/v1"


@contextmanager
def failures_named(url: str) -> Iterator[None]:
    """Turn the errors on which the client gives up into a one-line ValueError that says what to do."""
    import openai

    try:
        yield
    except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
        reason = f"rejects the API key: set OPENAI_API_KEY to a valid one ({short(error)})"
    except openai.APITimeoutError:
        reason = f"timed out: lower EVOKE_CAPTION_CONCURRENCY {ANEW}"
    except openai.APIConnectionError as error:
        reason = f"cannot be reached ({short(error.__cause__)}): start it or correct EVOKE_CAPTION_SERVER {ANEW}"
    except openai.APIStatusError as error:
        reason = f"failed ({short(error)}): read its log, fix the server {ANEW}"
    except (openai.APIError, ValueError) as error:
        reason = f"did not return a chat completion ({short(error)}): check that it is an OpenAI-compatible server"
        reason += f"; {without_version(url)}" if without_version(url) else ""
    else:
        return
    raise ValueError(f"{url} {reason}{_proxy_named(url)}") from None


def short(error: object) -> str:
    """Return an error as one line of at most 200 characters.

    It has the status code and the server's own words if there are any, because the client leaves them out.
    """
    response = getattr(error, "response", None)
    text = str(error) if response is None else f"{response.status_code} {response.text}"
    return " ".join(text.split())[:200]


def _proxy_named(url: str) -> str:
    """Return a clause that names the proxy between here and the server; an empty string if there is none."""
    parts, proxies = urlsplit(url), getproxies_environment()
    scheme = next((scheme for scheme in (parts.scheme, "all") if proxies.get(scheme)), None)
    if scheme is None or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return ""
    name = _variable(scheme, proxies[scheme])
    return (
        f"; requests go through the proxy {name} = {_public(proxies[scheme])!r}: if the server needs none, add "
        f"{parts.hostname} to NO_PROXY"
    )


def _variable(scheme: str, proxy: str) -> str:
    """Return the environment variable that gives this proxy to a scheme, in its spelling there."""
    names = [f"{scheme}_proxy", f"{scheme}_proxy".upper()]
    return next((name for name in names if os.environ.get(name) == proxy), names[1])


def _public(proxy: str) -> str:
    """Return a proxy without the user and password in it."""
    return re.sub(r"^(\w+://)?.*@", lambda match: match[1] or "", proxy)


def _is_url(url: str, schemes: tuple[str, ...]) -> bool:
    """Return True for a URL of one of the schemes with a host and, if any, a valid port."""
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
