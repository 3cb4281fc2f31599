"""Write the texts, dialogues and boxes of drawn images as arrays, from which foundation models are trained.

All arrays are written once, before training. The texts themselves come from `pipeline.miniature`.
"""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from pipeline.captions.prompts import VARIANTS, prompt
from pipeline.emotions import EMOTIONS
from pipeline.foundation.training.tokenizer import ASSISTANT, CLOSE
from pipeline.miniature.captions import answer, vocabulary_texts
from pipeline.miniature.training_texts import EMOTION_WORDS, EmotionWords, training_text
from pipeline.miniature.truth import Truth
from pipeline.work import die_with_parent

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

CHUNK = 5_000
T = TypeVar("T")


@dataclass(frozen=True)
class Dialogues:
    """The token ids after the image in each of N dialogues.

    ids NL int16, padded on the right; starts N int16, the index in `ids` at which the answer starts
    """

    ids: np.ndarray
    starts: np.ndarray


def text_ids(
    truths: Sequence[Truth],
    tokenizer: "PreTrainedTokenizerBase",
    texts_per_picture: int,
    seed: int,
    workers: int,
    first: int = 0,
    words: EmotionWords = EMOTION_WORDS,
) -> np.ndarray:
    """Return token ids NKT int16 of K training texts for each of N images.

    T is the tokenizer's context length, begin and end tokens included; `first` is the first image's index in its
    stream, and `words` says how emotion words occur.
    """
    write = partial(_training_ids, tokenizer=tokenizer, texts_per_picture=texts_per_picture, seed=seed, words=words)
    return np.stack(_per_picture(write, truths, workers, first))


def dialogues(
    truths: Sequence[Truth], tokenizer: "PreTrainedTokenizerBase", num_tokens: int, seed: int, workers: int
) -> Dialogues:
    """Return a prompt of a random variant and its answer for each image, truncated to `num_tokens` tokens."""
    pairs = _per_picture(partial(_dialogue_ids, tokenizer=tokenizer, seed=seed), truths, workers)
    width = min(num_tokens, max(len(question) + len(reply) for question, reply in pairs))
    ids = np.full((len(pairs), width), tokenizer.pad_token_id, np.int16)
    for row, (question, reply) in enumerate(pairs):
        tokens = (question + reply)[:width]
        ids[row, : len(tokens)] = tokens
    return Dialogues(ids, np.array([len(question) for question, _ in pairs], np.int16))


def foreground_boxes(truths: Sequence[Truth]) -> np.ndarray:
    """Return boxes NM4 float32 of the objects and the figure of each image, padded with rows of zeros.

    A box is (x0, y0, x1, y1) in 0..1.
    """
    return _filled([[*things_of(truth), *([truth.person.box] if truth.person else [])] for truth in truths])


def thing_boxes(truths: Sequence[Truth]) -> np.ndarray:
    """Return boxes as `foreground_boxes` does, but of the objects alone."""
    return _filled([things_of(truth) for truth in truths])


def things_of(truth: Truth) -> list[tuple[float, float, float, float]]:
    """Return the boxes (x0, y0, x1, y1) of the image's objects."""
    return [thing.box for thing in truth.objects]


def chat_texts(truths: Sequence[Truth], seed: int) -> list[str]:
    """Return the texts on which the captioner's tokenizer is trained.

    Every word occurs both at the start of an answer and after a space.
    """
    words = [variant for text in vocabulary_texts() for variant in (text, f" {text}")]
    prompts = [prompt(variant, emotion) for variant in VARIANTS for emotion in EMOTIONS]
    return words + prompts + [answered for _, answered in map(partial(_dialogue, seed=seed), enumerate(truths))]


def _filled(boxes: Sequence[Sequence[tuple[float, float, float, float]]]) -> np.ndarray:
    filled = np.zeros((len(boxes), max(1, *map(len, boxes)), 4), np.float32)
    for row, item_boxes in enumerate(boxes):
        filled[row, : len(item_boxes)] = np.array(item_boxes, np.float32).reshape(-1, 4)
    return filled


def _training_ids(
    item: tuple[int, Truth],
    tokenizer: "PreTrainedTokenizerBase",
    texts_per_picture: int,
    seed: int,
    words: EmotionWords,
) -> np.ndarray:
    index, truth = item
    rng = np.random.default_rng((seed, index))
    return padded_ids(tokenizer, [training_text(truth, rng, words) for _ in range(texts_per_picture)])


def _dialogue_ids(
    item: tuple[int, Truth], tokenizer: "PreTrainedTokenizerBase", seed: int
) -> tuple[list[int], list[int]]:
    question, reply = _dialogue(item, seed)
    ids = tokenizer([question + ASSISTANT, reply + CLOSE], add_special_tokens=False)["input_ids"]
    return ids[0], ids[1]


def _dialogue(item: tuple[int, Truth], seed: int) -> tuple[str, str]:
    """Return prompt and answer. An image that has neither label nor emotion is prompted with a random emotion."""
    index, truth = item
    rng = np.random.default_rng((seed, index))
    variant = VARIANTS[rng.integers(len(VARIANTS))]
    emotion = truth.label or truth.emotion or EMOTIONS[rng.integers(len(EMOTIONS))]
    return prompt(variant, emotion), answer(truth, variant, emotion, rng)


def _per_picture(
    write: Callable[[tuple[int, Truth]], T], truths: Sequence[Truth], workers: int, first: int = 0
) -> list[T]:
    """Return `write` of every (index, truth) in order, computed by new processes if there are several workers."""
    if workers <= 1:
        return [write(item) for item in enumerate(truths, first)]
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=die_with_parent) as pool:
        return list(pool.map(write, enumerate(truths, first), chunksize=CHUNK))


def padded_ids(tokenizer: "PreTrainedTokenizerBase", texts: list[str]) -> np.ndarray:
    """Return token ids BT int16 of texts, truncated and padded to the tokenizer's context length."""
    length = tokenizer.model_max_length
    return np.array(tokenizer(texts, padding="max_length", truncation=True, max_length=length)["input_ids"], np.int16)
