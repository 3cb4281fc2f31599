"""Take the caption out of a model's answer, and name what is not a caption.

Models and servers put their reasoning in front of the answer, fence it as code, or leave special tokens in it. What
remains is not a caption if it was cut at the token limit, refuses in words or is empty.
"""

import json
import re
from dataclasses import dataclass

EMPTY = "the answer is empty"
REASONING = "the model's reasoning has no answer after it (switch reasoning off or raise captions.max_new_tokens)"
CUT = "the answer was cut at the token limit (raise captions.max_new_tokens)"
REFUSAL = "the model refused to answer"
NO_IMAGE = "the model says that it sees no image"
TOO_LONG = "the answer is longer than a caption may be"
REJECTED = "the server rejected the image"
TOO_LARGE = "the server rejected the size of the image (lower captions.max_px)"

MAX_CHARACTERS = 100_000  # Python's csv module reads fields of up to 131,072
SHOWN = 100  # characters of an answer in the log

_NAMES = "(?:think(?:ing)?|thoughts?|reason(?:ing)?|analysis|reflection|scratchpad|seed:think)"
OPENED = rf"[<\[◁]{_NAMES}[>\]▷]|<\|channel>thought"
CLOSED = rf"[<\[◁]/{_NAMES}[>\]▷]|<channel\|>"
FLAGS = re.DOTALL | re.IGNORECASE
REASONED = re.compile(f"(?:{OPENED}).*?(?:{CLOSED})", FLAGS)
OPENING, CLOSING = re.compile(OPENED, FLAGS), re.compile(CLOSED, FLAGS)
FINAL, ANY_CHANNEL = re.compile(r"<\|channel\|>final\s*<\|message\|>"), re.compile(r"<\|channel\|>")  # gpt-oss
BOXED = re.compile(r"(?:<answer>|<\|begin_of_box\|>)(.*?)(?:</answer>|<\|end_of_box\|>|\Z)", FLAGS)
FENCED = re.compile(r"```(?:[\w+-]*[^\S\n]*\n)?(.*?)(?:```|\Z)", re.DOTALL)
FILLERS = re.compile(r"<(?:s|bos|pad|unk|image|image_soft_token)>")
TURNS = re.compile(  # \uff5c is the full-width bar of DeepSeek's tokens
    r"<[|\uff5c][^<>]{1,40}[|\uff5c]>|</s>|<(?:eos|start_of_turn|end_of_turn|end_of_utterance)>|\[/?INST\]"
)
ROLE = re.compile(r"\s*(?:assistant|model)\s*(?:\n|\Z)", re.IGNORECASE)
SURROGATES = re.compile("[\ud800-\udfff]")
CONTROLS = re.compile(r"\x1b\[[\d;]*[A-Za-z]|[\x00-\x1f\x7f-\x9f]")
REFUSES = re.compile(
    r"(?:(?:i'm|i am) (?:very |so |really |truly )?(?:sorry|afraid)[,.;:]? (?:but )?(?:i|that|this|we|there)\b"
    r"|(?:sorry|apologies|unfortunately)[,.;:]? (?:but )?(?:i|we)\b|i apologi[sz]e"
    r"|as an? (?:ai|artificial intelligence|(?:large )?language model)(?: (?:language )?(?:model|assistant))?,? i\b"
    r"|i (?:cannot|can't|can not|could not|couldn't|will not|won't|am unable to|am not able to|must decline)(?: to)? "
    r"(?:\w+ly )?(?:help|assist|provide|describe|caption|comply|fulfil|do (?:that|this)|generate|create|write|process"
    r"|analy[sz]e|identify|discuss|continue|answer|engage|offer|give|respond|make|view|see|support|complete)"
    r"|i'm (?:unable|not able|not comfortable)\b|i (?:must|have to|need to) decline)",
    re.IGNORECASE,
)  # fmt: skip
SEES_NONE = re.compile(
    r"(?:i (?:don't|do not|can't|cannot) see (?:any|an|the) (?:image|picture|photo|attach)"
    r"|(?:it (?:seems|looks|appears) (?:like |that )*)?(?:no|there is no|there's no) (?:image|picture|photo)\w* "
    r"(?:was |is |has been )?(?:provided|attached|uploaded|shared)"
    r"|please (?:provide|upload|share|attach) (?:the|an|your) (?:image|picture|photo))",
    re.IGNORECASE,
)  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """The caption of one image; if it is empty, `kind` names what came in its place and `detail` shows it."""

    caption: str
    kind: str = ""
    detail: str = ""


def answer_of(text: str, finish_reason: str | None = None, has_reasoning: bool = False) -> Answer:
    """Return the caption in a model's text.

    finish_reason: that of the chat completion; "length" says that the text was cut. has_reasoning: whether the server
    sent reasoning in a field of its own.
    """
    answer = without_reasoning(text)
    caption = cleaned(unwrapped(answer))
    is_empty = not any(character.isalnum() for character in caption)
    shown = cleaned(text)[:SHOWN]
    if is_empty and (has_reasoning or answer.strip() != text.strip()):
        return Answer("", REASONING, shown)
    if finish_reason == "length":
        return Answer("", CUT, shown)
    if is_empty:
        return Answer("", EMPTY, shown or f"finish_reason {finish_reason}")
    if len(caption) > MAX_CHARACTERS:
        return Answer("", TOO_LONG, shown)
    words = caption.replace("\u2019", "'").lstrip("\"'\u201c*")  # as typographers write apostrophe and quote
    for kind, pattern in ((NO_IMAGE, SEES_NONE), (REFUSAL, REFUSES)):
        if pattern.match(words):
            return Answer("", kind, caption[:SHOWN])
    return Answer(caption)


def without_reasoning(text: str) -> str:
    """Return what is outside of a model's reasoning: blocks such as <think>, also without their beginning or end."""
    if ANY_CHANNEL.search(text):
        return FINAL.split(text)[-1] if FINAL.search(text) else ""
    outside = CLOSING.split(REASONED.sub("", text))[-1]  # chat templates may write the opening tag
    return OPENING.split(outside)[0]


def unwrapped(text: str) -> str:
    """Return the answer without a box, code fence or JSON object around it, special tokens, and the turn after it."""
    for wrapped in (BOXED, FENCED):
        match = wrapped.search(text)
        text = match[1] if match and match[1].strip() else text
    first, *others = TURNS.split(FILLERS.sub("", text))
    turns = [first, *(ROLE.sub("", turn, count=1) if ROLE.match(turn) else turn for turn in others)]
    return _caption_in_json(next((turn for turn in turns if turn.strip()), "").replace("```", " ").strip())


def cleaned(text: str) -> str:
    """Return a text on one line, without lone surrogates and control characters, which neither table nor CSV takes."""
    return " ".join(CONTROLS.sub(" ", SURROGATES.sub("", text)).split())


def _caption_in_json(text: str) -> str:
    """Return the only text, or the text under "caption", of a JSON object; any other text unchanged."""
    if not text.startswith("{"):
        return text
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return text
    texts = [value for value in values.values() if isinstance(value, str)]
    caption = values.get("caption", texts[0] if len(texts) == 1 else text)
    return caption if isinstance(caption, str) else text
