"""What can go wrong between the captioner and its server, against a real one on loopback: each time one line that says
what to do.
"""

import re
import time
from pathlib import Path

import pytest

from pipeline.artifacts import write_table
from pipeline.captions import served
from pipeline.captions.write import check_empty, length_summary, write_captions
from pipeline.schemas import CAPTIONS_SCHEMA
from pipeline.work import WorkFolder
from tests.captions.servers import GREYS, Answer, Reply, Request, at, said, scripted, tone
from tests.captions.test_write import WORDS, settings, shard


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EVOKE_CAPTION_CONCURRENCY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def failure(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The one line that a server gets which answers so about every picture."""
    with scripted(answer) as server, pytest.raises(ValueError, match=server.url) as error:
        at(server, monkeypatch).caption(GREYS, ["?"] * len(GREYS), 5)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_name_that_is_not_listed_is_refused_with_those_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    def strict(request: Request) -> Reply:
        return tone(request) if request.body["model"] == "small" else Reply({"error": "no such model"}, 404)

    with scripted(strict, ["small", "large"]) as server:
        with pytest.raises(
            ValueError, match=r"served_model = 'smal': .* no such model \(404 .*\); it lists large, small"
        ):
            at(server, monkeypatch, "smal")
        server.answer = tone
        with pytest.raises(ValueError, match=r"no such model \(it accepts any name\); it lists large, small"):
            at(server, monkeypatch, "smal")
        server.answer, server.listed = strict, []
        assert at(server, monkeypatch).caption(GREYS[3:4], ["?"], 5) == ["tone 3"]


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5"])
def test_a_number_of_requests_at_once_is_whole(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVOKE_CAPTION_CONCURRENCY", value)
    with scripted(tone) as server, pytest.raises(ValueError, match=f"EVOKE_CAPTION_CONCURRENCY = '{value}': allowed"):
        at(server, monkeypatch)


def test_a_server_that_is_not_there_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(tone) as server:
        pass
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    with pytest.raises(ValueError, match=rf"{server.url} cannot be reached \(.*refused.*\): start it"):
        at(server, monkeypatch)
    assert sum(slept) < 3, "how long it waits, whatever the machine does meanwhile"


def test_a_key_is_sent_and_a_wrong_one_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    with scripted(tone) as server:
        at(server, monkeypatch).caption(GREYS[:1], ["?"], 5)
        assert server.requests[0].headers["authorization"] == "Bearer secret"
        server.listed = Reply({"error": {"message": "no"}}, 401)
        with pytest.raises(ValueError, match=f"{server.url} rejects the API key: set OPENAI_API_KEY"):
            at(server, monkeypatch)


def test_a_busy_server_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    replies = iter([Reply({"error": "busy"}, 429), Reply({"error": "oops"}, 500), said("a red boat")])
    with scripted(lambda _: next(replies)) as server:
        assert at(server, monkeypatch).caption(GREYS[:1], ["?"], 5) == ["a red boat"]
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (
            Reply({"error": "out of memory"}, 500),
            "failed .*out of memory.*: read its log, fix the server and run again",
        ),
        (Reply(b"<html>\nbad\ngateway</html>", 502, "text/html"), "failed .*bad gateway"),
        (Reply({"error": "no such path"}, 404), "failed .*no such path"),
        (Reply({"error": "busy"}, 429), "failed .*busy"),
        (Reply(b'{"choices": [', 200), "did not return a chat completion"),
        (Reply(b"<html>\nhello</html>", 200, "text/html"), "did not return a chat completion .*hello"),
        (Reply({"choices": []}), "did not return a chat completion"),
        (Reply({"choices": [3]}), "did not return a chat completion"),
        (Reply([]), "did not return a chat completion"),
        (Reply({}), "did not return a chat completion .*check that it is an OpenAI-compatible server"),
    ],
)
def test_what_the_client_gives_up_on_is_one_line(reply: Reply, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert re.search(told, failure(lambda _: reply, monkeypatch))


def test_a_server_that_hangs_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served, "ANSWER_S", 0.1)
    monkeypatch.setattr(served, "MAX_RETRIES", 0)
    monkeypatch.setenv("EVOKE_CAPTION_CONCURRENCY", "2")

    def hang(request: Request) -> Reply:
        time.sleep(0.5)
        return tone(request)

    assert "timed out: lower EVOKE_CAPTION_CONCURRENCY and run again" in failure(hang, monkeypatch)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (said(""), "the answer is empty (finish_reason stop)"),
        (said(None, finish_reason="length"), "the answer is empty (finish_reason length)"),
        (said(None, refusal="I must not"), "the model refused to answer: I must not"),
        (said("half a", finish_reason="content_filter"), "the model refused to answer: content_filter"),
        (Reply({"error": "too small"}, 400), 'the server rejected the image: 400 {"error": "too small"}'),
    ],
)
def test_pictures_that_get_no_answer_have_an_empty_caption_and_a_line_of_the_log(
    reply: Reply, reason: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    with scripted(lambda request: tone(request) if request.image.getpixel((0, 0)) == (0, 0, 0) else reply) as server:
        captioner = at(server, monkeypatch)
        assert captioner.caption(GREYS[:3], ["?"] * 3, 5) == ["tone 0", "", ""]
        assert caplog.messages == [f"2 of 3 images have no caption: {reason}"]
        own = {"emoset/07": "a red boat"}
        written = write_captions(captioner, WORDS, shard(8), settings(batch_size=10), own)  # type: ignore[arg-type]
    captions = written["caption"].to_pylist()
    assert [bool(caption) for caption in captions] == [True, *[False] * 6, True]
    assert length_summary([written], 1, 77)["num_empty"] == 6
    work = WorkFolder("captions", "a", tmp_path)
    for name, part in (("whole", written.slice(7)), ("refused", written.slice(0, 7))):
        with work.publish(name) as aside:
            write_table(aside, part, CAPTIONS_SCHEMA)
    check_empty(work, ["refused", "whole"], 0.75)
    named = (
        r"6 of 8 images have no caption, .*max_empty_frac = 0.7 allows: emoset/01, .*, emoset/05 and others; the log"
    )
    with pytest.raises(ValueError, match=named):
        check_empty(work, ["refused", "whole"], 0.7)
    assert (work.has("whole"), work.has("refused")) == (True, False), "asked for again, and nothing else"


def test_a_server_that_refuses_every_picture_ends_the_run_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(lambda _: Reply({"error": "no pictures here"}, 400)) as server:
        captioner = at(server, monkeypatch)
        with pytest.raises(
            ValueError, match=r"no caption for any of 5 images: the server rejected the image: 400 .*no pict"
        ):
            captioner.caption(GREYS[:5], ["?"] * 5, 5)
        assert captioner.caption(GREYS[:1], ["?"], 5) == [""]
