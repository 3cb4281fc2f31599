"""What can go wrong between the captioner and its server, against a real one on loopback: each time one line that says
what to do.
"""

import re
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.artifacts import write_table
from pipeline.captions import connection
from pipeline.captions.kept import Answers
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
    monkeypatch.setattr(connection, "ANSWER_S", 0.1)
    monkeypatch.setattr(connection, "MAX_RETRIES", 0)
    monkeypatch.setenv("EVOKE_CAPTION_CONCURRENCY", "2")

    def hang(request: Request) -> Reply:
        time.sleep(0.5)
        return tone(request)

    assert "timed out: lower EVOKE_CAPTION_CONCURRENCY and run again" in failure(hang, monkeypatch)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (said(""), "the answer is empty, such as 'finish_reason stop'"),
        (said(None, refusal="I must not"), "the model refused to answer, such as 'I must not'"),
        (said("half a", finish_reason="content_filter"), "the model refused to answer, such as 'content_filter'"),
        (Reply({"error": "no cats"}, 400), """the server rejected the image, such as '400 {"error": "no cats"}'"""),
    ],
)
def test_pictures_that_get_no_answer_have_an_empty_caption_and_a_line_of_the_log(
    reply: Reply, reason: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    answers = Answers(tmp_path / "answers")
    with scripted(lambda request: tone(request) if request.image.getpixel((0, 0)) == (0, 0, 0) else reply) as server:
        captioner = at(server, monkeypatch)
        assert captioner.caption(GREYS[:3], ["?"] * 3, 5) == ["tone 0", "", ""]
        assert caplog.messages == [f"2 of 3 images have no caption: {reason}"]
        own = {"emoset/07": "a red boat"}
        written = write_captions(lambda: captioner, WORDS, shard(8), settings(batch_size=10), own, answers=answers)  # type: ignore[arg-type]
    captions = written["caption"].to_pylist()
    assert [bool(caption) for caption in captions] == [True, *[False] * 6, True]
    assert length_summary([written], 1, 77)["num_empty"] == 6
    work = WorkFolder("captions", "a", tmp_path)
    for name, part in (("whole", written.slice(7)), ("refused", written.slice(0, 7))):
        with work.publish(name) as aside:
            write_table(aside, part, CAPTIONS_SCHEMA)
    check_empty(work, ["refused", "whole"], 0.75, tmp_path / "answers")
    assert sorted(Answers(tmp_path / "answers").by_key.values()) == ["", "", "", "", "", "", "tone 0"]
    named = (
        r"6 of 8 images have no caption, .*max_empty_frac = 0.7 allows: emoset/01, .*, emoset/05 and others; the log"
    )
    with pytest.raises(ValueError, match=named):
        check_empty(work, ["refused", "whole"], 0.7, tmp_path / "answers")
    assert (work.has("whole"), work.has("refused")) == (True, False), "asked for again, and nothing else"
    assert list(Answers(tmp_path / "answers").by_key.values()) == ["tone 0"]


def test_a_server_that_refuses_every_picture_ends_the_run_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(lambda _: Reply({"error": "no pictures here"}, 400)) as server:
        captioner = at(server, monkeypatch)
        with pytest.raises(
            ValueError,
            match=r"no caption for any of 5 images: 5 times the server rejected the image, such as '400 .*no pict",
        ):
            captioner.caption(GREYS[:5], ["?"] * 5, 5)
        assert captioner.caption(GREYS[:1], ["?"], 5) == [""]


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Reply(b"<html>413 Request Entity Too Large</html>", 413, "text/html"), "413 Request Entity Too Large"),
        (Reply({"error": {"message": "Image size 4000x9 exceeds the maximum"}}, 400), "Image size 4000x9 exceeds"),
    ],
)
def test_a_refusal_of_size_is_that_of_one_image(
    reply: Reply, told: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    wide = Image.new("RGB", (4000, 9))
    with scripted(lambda request: reply if request.image.width > 100 else tone(request)) as server:
        captioner = at(server, monkeypatch)
        assert captioner.caption([GREYS[1], wide, GREYS[3]], ["?"] * 3, 5) == ["tone 1", "", "tone 3"]
        assert re.search(rf"1 of 3 .*rejected the size of the image \(lower captions.max_px\), .*{told}", caplog.text)
        with pytest.raises(ValueError, match=rf"no caption for any of 4 images: 4 times .*captions.max_px.*{told}"):
            captioner.caption([wide] * 4, ["?"] * 4, 5)


@pytest.mark.parametrize(("size", "sent"), [((400, 100), (64, 16)), ((30, 300), (6, 64)), ((64, 64), (64, 64))])
def test_images_are_sent_as_jpegs_of_bounded_size(
    size: tuple[int, int], sent: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    image = Image.new("RGB", size, "red")
    with scripted(tone) as server:
        at(server, monkeypatch, max_px=64).caption([image], ["?"], 5)
    assert server.requests[0].image.size == sent
    assert server.requests[0].image.format == "JPEG"
    assert image.size == size


THINKING = "<think>The user wants a caption. A boat?</think>"


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (said("<think>The user wants a caption.", finish_reason="length"), "the model's reasoning has no answer"),
        (said("", reasoning_content="The user wants", finish_reason="length"), "the model's reasoning has no answer"),
        (said(None, reasoning="The user wants"), "the model's reasoning has no answer"),
        (said([{"type": "thinking", "thinking": "hm"}]), "the model's reasoning has no answer"),
        (said("A red boat on a", finish_reason="length"), r"cut at the token limit \(raise captions.max_new_tokens\)"),
        (said("I'm sorry, but I can't help with that."), "the model refused to answer, such as \"I'm sorry, but"),
        (said("<|im_end|>"), "the answer is empty, such as '<|im_end|>'".replace("|", r"\|")),
    ],
)
def test_a_server_all_of_whose_answers_are_none_ends_the_run_with_their_kind(
    reply: Reply, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert re.search(f"no caption for any of 20 images: 20 times .*{kind}", failure(lambda _: reply, monkeypatch))


def test_kinds_are_counted_apart_and_captions_taken_out_of_their_wrapping(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    replies = [
        said(f"{THINKING}\n\nA red boat."),
        said("A red boat.", reasoning_content="The user wants a caption."),
        said([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "A red boat."}]),
        said("```text\nA red boat.\n```<|im_end|>"),
        said("A red\x00 boat.\ud83d"),
        said("<think>cut", finish_reason="length"),
        said("As an AI language model, I cannot do this"),
        said("I cannot describe people."),
    ]
    with scripted(lambda request: replies[np.asarray(request.image)[0, 0, 0]]) as server:
        captions = at(server, monkeypatch).caption(GREYS[:8], ["?"] * 8, 5)
    assert captions == ["A red boat."] * 5 + [""] * 3
    assert [message.partition(" (")[0].partition(", such")[0] for message in caplog.messages] == [
        "1 of 8 images have no caption: the model's reasoning has no answer after it",
        "2 of 8 images have no caption: the model refused to answer",
    ]
