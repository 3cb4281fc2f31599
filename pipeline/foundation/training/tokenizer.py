"""The two tokenizers of the miniature: CLIP's, and the captioner's, both trained on the words that the drawn world
can say.

Every word that occurs becomes one token. CLIP's special tokens come last, as open_clip pools at the largest id. The
merges are learnt here: the trainer of the `tokenizers` library breaks ties at random, so equal texts would give other
ids.
"""

import itertools
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import CLIPTokenizer, PreTrainedTokenizerFast

START, END = "<|startoftext|>", "<|endoftext|>"
IMAGE, PAD, USER, ASSISTANT, CLOSE = "<image>", "<pad>", "<|user|>", "<|assistant|>", "<|end|>"
WORD_END = "</w>"
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
    from transformers import CLIPTokenizer

    backend, alphabet = CLIPTokenizer().backend_tokenizer, byte_alphabet()
    words = {
        word
        for text in texts
        for word, _ in backend.pre_tokenizer.pre_tokenize_str(backend.normalizer.normalize_str(text))
    }
    merges = learn_merges((*word[:-1], word[-1] + WORD_END) for word in words)
    symbols = [*alphabet, *(letter + WORD_END for letter in alphabet), *map("".join, merges), START, END]
    vocabulary = {symbol: index for index, symbol in enumerate(dict.fromkeys(symbols))}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=context_length, pad_token=END, unk_token=END)


def chat_tokenizer(texts: Iterable[str]) -> "PreTrainedTokenizerFast":
    """A byte-level tokenizer for the captioner: exact round trips, upper case and punctuation included; pads on the
    left.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    splitter = pre_tokenizers.ByteLevel(add_prefix_space=False)
    merges = learn_merges({tuple(word) for text in texts for word, _ in splitter.pre_tokenize_str(text)})
    symbols = [PAD, CLOSE, USER, ASSISTANT, IMAGE, *byte_alphabet(), *map("".join, merges)]
    vocabulary = {symbol: index for index, symbol in enumerate(dict.fromkeys(symbols))}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    backend.pre_tokenizer, backend.decoder = splitter, decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token=PAD, eos_token=CLOSE, padding_side="left", chat_template=CHAT_TEMPLATE,
        additional_special_tokens=[USER, ASSISTANT, IMAGE], clean_up_tokenization_spaces=False,
    )  # fmt: skip


def learn_merges(words: Iterable[tuple[str, ...]]) -> list[tuple[str, str]]:
    """Byte-pair merges (Sennrich et al. 2016) until every word, given as its symbols, is one symbol.

    The pair that occurs in the most distinct words comes first, ties by the alphabet.
    """
    split, merges = sorted({word for word in words if len(word) > 1}), []
    while split:
        counts = Counter(pair for word in split for pair in itertools.pairwise(word))
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append(best)
        split = [merged for word in split if len(merged := merge(word, best)) > 1]
    return merges


def merge(word: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    """The word with every occurrence of the pair joined, from the left."""
    joined: list[str] = []
    position = 0
    while position < len(word):
        found = word[position : position + 2] == pair
        joined.append("".join(pair) if found else word[position])
        position += 2 if found else 1
    return tuple(joined)


def load_chat_tokenizer(folder: Path) -> "PreTrainedTokenizerFast":
    """The captioner's tokenizer."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast.from_pretrained(str(folder), local_files_only=True)


def byte_alphabet() -> list[str]:
    """The letters that stand for the 256 bytes."""
    from tokenizers import pre_tokenizers

    return sorted(pre_tokenizers.ByteLevel.alphabet())
