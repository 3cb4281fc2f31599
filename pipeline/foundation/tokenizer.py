"""The two tokenizers of the miniature: CLIP's, and the captioner's, both trained on the words that the drawn world can say.

Every word that occurs becomes one token. CLIP's special tokens come last, as open_clip pools at the largest id.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import CLIPTokenizer, PreTrainedTokenizerFast

START, END = "<|startoftext|>", "<|endoftext|>"
IMAGE, PAD, USER, ASSISTANT, CLOSE = "<image>", "<pad>", "<|user|>", "<|assistant|>", "<|end|>"
MAX_VOCABULARY = 4096
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' }}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}{{ '<image>' }}"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}"
    "{% if message['role'] == 'assistant' %}{{ '<|end|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def text_tokenizer(texts: Iterable[str], context_length: int) -> "CLIPTokenizer":
    """CLIP's byte-pair tokenizer trained on `texts`; pads with the end token, as that of ViT-L/14 does."""
    from tokenizers import models, trainers
    from transformers import CLIPTokenizer

    backend = CLIPTokenizer().backend_tokenizer
    alphabet = sorted(_byte_alphabet())
    backend.model = models.BPE(end_of_word_suffix="</w>", unk_token=END)
    trainer = trainers.BpeTrainer(
        vocab_size=MAX_VOCABULARY,
        min_frequency=0,
        end_of_word_suffix="</w>",
        initial_alphabet=alphabet,
        show_progress=False,
    )
    backend.train_from_iterator(_repeated(texts), trainer)
    vocabulary, merges = _vocabulary(backend)
    words = [*alphabet, *(f"{letter}</w>" for letter in alphabet)]
    words += sorted((word for word in vocabulary if word not in set(words) | {START, END}), key=vocabulary.__getitem__)
    ids = {word: index for index, word in enumerate([*words, START, END])}
    return CLIPTokenizer(vocab=ids, merges=merges, model_max_length=context_length, pad_token=END, unk_token=END)


def chat_tokenizer(texts: Iterable[str]) -> "PreTrainedTokenizerFast":
    """A byte-level tokenizer for the captioner: exact round trips, upper case and punctuation included; pads on the left."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=MAX_VOCABULARY, min_frequency=0, show_progress=False, initial_alphabet=sorted(_byte_alphabet()),
        special_tokens=[PAD, CLOSE, USER, ASSISTANT, IMAGE],
    )  # fmt: skip
    backend.train_from_iterator(_repeated(texts), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token=PAD, eos_token=CLOSE, padding_side="left", chat_template=CHAT_TEMPLATE,
        additional_special_tokens=[USER, ASSISTANT, IMAGE], clean_up_tokenization_spaces=False,
    )  # fmt: skip


def load_text_tokenizer(folder: Path) -> "CLIPTokenizer":
    """CLIP's tokenizer of any folder that has one."""
    from transformers import CLIPTokenizer

    return CLIPTokenizer.from_pretrained(str(folder), local_files_only=True)


def load_chat_tokenizer(folder: Path) -> "PreTrainedTokenizerFast":
    """The captioner's tokenizer."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast.from_pretrained(str(folder), local_files_only=True)


def _repeated(texts: Iterable[str]) -> list[str]:
    """Every distinct text twice, sorted: no pair is too rare to merge, and the order of `texts` does not matter."""
    return sorted(set(texts)) * 2


def _byte_alphabet() -> list[str]:
    from tokenizers import pre_tokenizers

    return pre_tokenizers.ByteLevel.alphabet()


def _vocabulary(backend: "Tokenizer") -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Ids and merges of a trained byte-pair model."""
    model = json.loads(backend.to_str())["model"]
    return model["vocab"], [tuple(pair) for pair in model["merges"]]
