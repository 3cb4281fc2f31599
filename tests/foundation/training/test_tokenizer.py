"""The two tokenizers: words whole, special tokens where CLIP and the chat want them."""

import numpy as np

from pipeline.foundation.training.tokenizer import END, START, chat_tokenizer, learn_merges, text_tokenizer
from pipeline.miniature.captions import vocabulary_texts
from pipeline.miniature.training_texts import training_text
from tests.foundation.conftest import World


def test_every_word_of_the_world_is_one_token_of_clip(world: World) -> None:
    texts = [training_text(t, rng) for t in world.drawn.truths for rng in map(np.random.default_rng, range(5))]
    words = {word for text in texts for word in text.replace(",", " , ").split()}
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


def test_the_chat_tokenizer_gives_back_what_it_was_given() -> None:
    tokenizer = chat_tokenizer(["A dark beach, with a dog."])
    for text in ("A dark beach, with a dog.", "Zebra?  two spaces", "naïve"):
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
