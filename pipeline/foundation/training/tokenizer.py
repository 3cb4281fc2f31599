"""Train the two tokenizers of the miniature, CLIP's and the captioner's, on the words of the drawn world.

Every word that occurs becomes one token. CLIP's special tokens come last, because open_clip pools at the largest id.
The merges are learned here: the trainer of the `tokenizers` library breaks ties at random, so that equal texts would
give different ids.
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
    """Return a CLIP byte-pair tokenizer trained on `texts`; like ViT-L/14's, it pads with the end token."""
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
    """Return a byte-level tokenizer for the captioner, trained on `texts`.

    It round-trips text exactly, upper case and punctuation included, and pads on the left.
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
    """Return byte-pair merges (Sennrich et al. 2016) that join each word, given as its symbols, into one symbol.

    The pair that occurs most often in the distinct words is merged first; ties are broken alphabetically.
    """
    split, merges = sorted({word for word in words if len(word) > 1}), []
    while split:
        counts = Counter(pair for word in split for pair in itertools.pairwise(word))
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append(best)
        split = [merged for word in split if len(merged := merge(word, best)) > 1]
    return merges


def merge(word: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    """Return the word with every occurrence of the pair joined, scanning from the left."""
    joined: list[str] = []
    position = 0
    while position < len(word):
        matches = word[position : position + 2] == pair
        joined.append("".join(pair) if matches else word[position])
        position += 2 if matches else 1
    return tuple(joined)


def load_chat_tokenizer(folder: Path) -> "PreTrainedTokenizerFast":
    """Load the captioner's tokenizer from its folder."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast.from_pretrained(str(folder), local_files_only=True)


def byte_alphabet() -> list[str]:
    """Return the sorted characters that stand for the 256 bytes."""
    from tokenizers import pre_tokenizers

    return sorted(pre_tokenizers.ByteLevel.alphabet())
