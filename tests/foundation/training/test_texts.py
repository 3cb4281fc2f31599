"""Texts, dialogues and boxes."""

from typing import Any

import numpy as np
import pytest

from pipeline.captions.prompts import VARIANTS, prompt
from pipeline.foundation.training import texts
from pipeline.foundation.training.tokenizer import ASSISTANT, CLOSE
from tests.foundation.conftest import World


def test_texts_are_the_same_whatever_the_number_of_workers(world: World) -> None:
    again = texts.text_ids(world.drawn.truths, world.tokenizer, 2, 0, 2)
    assert np.array_equal(again, world.text_ids)
    assert world.text_ids.shape == (60, 2, 32)


def test_dialogues_ask_with_a_prompt_and_go_on_with_the_answer(world: World, chat: Any) -> None:
    said = texts.dialogues(world.drawn.truths, chat, 192, 0, 1)
    asked = {prompt(variant, truth.label or "awe") for variant in VARIANTS for truth in world.drawn.truths}
    for row, start in zip(said.ids, said.starts, strict=True):
        question, answer = chat.decode(row[:start]), chat.decode(row[start:], skip_special_tokens=False)
        assert question.endswith(ASSISTANT)
        assert answer.split(CLOSE)[1].replace(chat.pad_token, "") == ""
        assert question.removesuffix(ASSISTANT) in asked or "strong emotion" in question


def test_boxes_hold_every_thing_and_the_figure(world: World) -> None:
    boxes = texts.foreground_boxes(world.drawn.truths)
    for truth, found in zip(world.drawn.truths, boxes, strict=True):
        count = len(truth.objects) + (truth.person is not None)
        assert (found[:count, 2] > found[:count, 0]).all()
        assert not found[count:].any()
        assert found[0] == pytest.approx(truth.objects[0].box)
