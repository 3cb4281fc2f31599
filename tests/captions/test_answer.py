"""Answers as models give them: the caption is taken out of them, and what is none is named."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.captions.answer import (
    CUT,
    EMPTY,
    MAX_CHARACTERS,
    NO_IMAGE,
    REASONING,
    REFUSAL,
    TOO_LONG,
    Answer,
    answer_of,
    cleaned,
)
from pipeline.captions.override import caption_of

PIECES = ["<think>", "</think>", "```", "<|im_end|>", '{"caption":', "}", '"', "boat", "\n", "</s>", "\ud800", "\x85"]
CAPTION = 'A boat <3 on a "lake".'


@pytest.mark.parametrize(
    "text",
    [
        CAPTION,
        f"<think>\nThe user wants a caption.\n\nA sad boat?\n</think>\n\n{CAPTION}",
        f"<think></think>{CAPTION}",
        f"The user wants a caption.</think>\n{CAPTION}",
        f"<THINK>a<think>b</think>c</think>{CAPTION}",
        f"{CAPTION}\n<think>Was that right?",
        f"<thinking>hm</thinking><answer>{CAPTION}</answer>",
        f"[THINK]hm[/THINK]{CAPTION}",
        f"◁think▷hm◁/think▷{CAPTION}",
        f"<|channel>thought\nhm<channel|>{CAPTION}",
        f"<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>{CAPTION}<|return|>",
        f"The caption is <|begin_of_box|>{CAPTION}<|end_of_box|>",
        f"```\n{CAPTION}\n```",
        f"```{CAPTION}```",
        f"Here is a caption:\n\n```markdown\n{CAPTION}\n```\nI hope that this helps!",
        f"```text\n{CAPTION}",
        '```json\n{"caption": "A boat <3 on a \\"lake\\"."}\n```',
        f"{CAPTION}<|im_end|>",
        f"{CAPTION}</s>",
        f"<s> {CAPTION}</s></s>",
        f"{CAPTION}<end_of_turn>\n<start_of_turn>user\nAnd now?",
        f"<|im_start|>assistant\n{CAPTION}<|im_end|>\n<|im_start|>user\nAnd now?",
        f"<|start_header_id|>assistant<|end_header_id|>\n\n{CAPTION}<|eot_id|>",
        f"{CAPTION}<\uff5cend\u2581of\u2581sentence\uff5c>",
        "A boat <3<unk> on a \"lake\".<pad><pad>",
        'A boat <3 on\x00\x1b[0m a\r\n "lake".\ud83d',
    ],
)  # fmt: skip
def test_the_caption_is_taken_out_of_what_is_around_it(text: str) -> None:
    assert answer_of(text, "stop") == Answer(CAPTION)


@pytest.mark.parametrize(
    "caption",
    [
        "Sorry-looking dogs wait in the rain.",
        "I'm Sorry, says the sign that a child holds.",
        "As an AI-generated scene, it glows.",
        "Unfortunately shaped clouds drift over an empty pier.",
        "A woman cannot help but laugh; I cannot see an end of the field.",
        "No image of war is louder than this ruined street.",
        "A sign reads \"I'm sorry, I can't help you\".",
        "海辺の小さな船。",
        "Analysis [1] of a thinking man: <thin> lines.",
    ],
)
def test_captions_that_only_look_like_something_else_stand(caption: str) -> None:
    assert answer_of(caption, "stop") == Answer(caption)


@pytest.mark.parametrize(
    ("text", "finish_reason", "kind"),
    [
        ("<think>The user wants", "length", REASONING),
        ("<think>The user wants", "stop", REASONING),
        ("<think>The user wants</think>", "stop", REASONING),
        ("The user wants</think>\n<|im_end|>", "stop", REASONING),
        ("<|channel|>analysis<|message|>The user wants", "length", REASONING),
        ("A boat on a", "length", CUT),
        ("<think>hm</think>A boat on a", "length", CUT),
        ("", "length", CUT),
        ("", "stop", EMPTY),
        ("```\n```", "stop", EMPTY),
        ("<|im_end|>", "stop", EMPTY),
        ("...\x00", None, EMPTY),
        ("I'm sorry, but I can't assist with that request.", "stop", REFUSAL),
        ("I\u2019m sorry, I can\u2019t help with that.", "stop", REFUSAL),
        ("I cannot provide a caption for this image.", "stop", REFUSAL),
        ("Sorry, I can't do that.", "stop", REFUSAL),
        ("As an AI language model, I do not have eyes.", "stop", REFUSAL),
        ('"I am unable to describe this image."', "stop", REFUSAL),
        ("<think>hm</think>I apologize, but this depicts violence.", "stop", REFUSAL),
        ("I don't see an image in our conversation.", "stop", NO_IMAGE),
        ("It seems like no image was provided.", "stop", NO_IMAGE),
        ("Please upload the image so that I can describe it.", "stop", NO_IMAGE),
        ("boat " * MAX_CHARACTERS, "stop", TOO_LONG),
    ],
)
def test_what_is_no_caption_is_named(text: str, finish_reason: str | None, kind: str) -> None:
    answer = answer_of(text, finish_reason)
    assert (answer.caption, answer.kind) == ("", kind)
    assert len(answer.detail) <= 100


def test_reasoning_in_a_field_of_its_own_explains_an_empty_answer_alone() -> None:
    assert answer_of("", "length", has_reasoning=True).kind == REASONING
    assert answer_of(CAPTION, "stop", has_reasoning=True) == Answer(CAPTION)


@given(st.text(st.characters()) | st.lists(st.sampled_from(PIECES)).map("".join))
def test_every_caption_can_be_written_and_imported(text: str) -> None:
    caption = answer_of(text, "stop").caption
    assert cleaned(caption) == caption
    if caption:
        file = io.StringIO(newline="")
        csv.writer(file, lineterminator="\n").writerow(["emoset/a", caption.encode().decode()])
        file.seek(0)
        assert caption_of(next(csv.reader(file, strict=True))) == ("emoset/a", caption)
