"""Texts, dialogues, boxes and the two tokenizers."""

import numpy as np
import pytest

from pipeline.captions.prompts import VARIANTS, prompt
from pipeline.foundation import texts
from pipeline.foundation.tokenizer import ASSISTANT, CLOSE, END, START, chat_tokenizer, learn_merges, text_tokenizer
from pipeline.miniature.captions import training_text, vocabulary_texts
from tests.foundation.conftest import World


def test_every_word_of_the_world_is_one_token_of_clip(world: World) -> None:
    words = {word for truth in world.drawn.truths for word in training_text(truth, np.random.default_rng(0)).split()}
    assert {word for word in words if len(world.tokenizer.tokenize(word)) != 1} == set()


def test_clip_special_tokens_come_last_and_the_end_pads(world: World) -> None:
    ids = world.tokenizer("a dark beach", padding="max_length")["input_ids"]
    assert ids[0] == world.tokenizer.convert_tokens_to_ids(START) == len(world.tokenizer) - 2
    assert ids[4:] == [world.tokenizer.convert_tokens_to_ids(END)] * 28
    assert max(ids) == len(world.tokenizer) - 1


def test_the_text_tokenizer_does_not_depend_on_the_order_of_texts() -> None:
    forward, backward = (
        text_tokenizer(order, 32).get_vocab() for order in (vocabulary_texts(), vocabulary_texts()[::-1])
    )
    assert forward == backward


def test_merges_join_the_commonest_pair_first_until_words_are_whole() -> None:
    words = [tuple("abab"), tuple("abc"), tuple("c")]
    merges = learn_merges(words)
    assert merges == [("a", "b"), ("ab", "ab"), ("ab", "c")]
    assert learn_merges(reversed(words)) == merges


def test_texts_are_the_same_whatever_the_number_of_workers(world: World) -> None:
    again = texts.text_ids(world.drawn.truths, world.tokenizer, 2, 0, 2)
    assert np.array_equal(again, world.text_ids)
    assert world.text_ids.shape == (60, 2, 32)


def test_dialogues_ask_with_a_prompt_and_go_on_with_the_answer(world: World) -> None:
    tokenizer = chat_tokenizer(texts.chat_texts(world.drawn.truths, 0))
    said = texts.dialogues(world.drawn.truths, tokenizer, 192, 0, 1)
    asked = {prompt(variant, truth.label or "awe") for variant in VARIANTS for truth in world.drawn.truths}
    for row, start in zip(said.ids, said.starts, strict=True):
        question, answer = tokenizer.decode(row[:start]), tokenizer.decode(row[start:], skip_special_tokens=False)
        assert question.endswith(ASSISTANT)
        assert answer.split(CLOSE)[1].replace(tokenizer.pad_token, "") == ""
        assert question.removesuffix(ASSISTANT) in asked or "strong emotion" in question


def test_the_chat_tokenizer_gives_back_what_it_was_given() -> None:
    tokenizer = chat_tokenizer(["A dark beach, with a dog."])
    for text in ("A dark beach, with a dog.", "Zebra?  two spaces", "naïve"):
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_boxes_hold_every_thing_and_the_figure(world: World) -> None:
    boxes = texts.foreground_boxes(world.drawn.truths)
    for truth, found in zip(world.drawn.truths, boxes, strict=True):
        count = len(truth.objects) + (truth.person is not None)
        assert (found[:count, 2] > found[:count, 0]).all()
        assert not found[count:].any()
        assert found[0] == pytest.approx(truth.objects[0].box)
