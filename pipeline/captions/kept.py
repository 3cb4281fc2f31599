"""Keep a model's answers between runs, so that an edited file of own captions asks it for nothing that it answered.

An answer depends on the image's bytes and the prompt, which are its key, and on the model, its params and the code,
which are the name of the folder (pipeline/stage.py, `Run.lasting`). Own captions are none of these. A server's answer
that the token limit did not cut is the same under a higher limit, so each file is named by its limit. An empty answer
is kept like any other, until the limit is raised or a run fails because there are too many of them.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path

from pipeline.artifacts import read_object
from pipeline.work import written_aside

LOG = logging.getLogger(__name__)
FILES = "answers-*-*.json"  # max_new_tokens, and a hash of what was asked


def answer_key(image: bytes, prompt: str) -> str:
    """Return the key of the answer to a prompt about an image file: 32 hex digits."""
    return hashlib.sha256(hashlib.sha256(image).digest() + prompt.encode()).hexdigest()[:32]


class Answers:
    """The answers in a folder, by key, that hold under a token limit; without a folder, nothing is kept."""

    def __init__(self, folder: Path | None = None, max_new_tokens: int = 0) -> None:
        self.folder, self.max_new_tokens = folder, max_new_tokens
        self.by_key: dict[str, str] = {}
        for path in sorted(folder.glob(FILES)) if folder else []:
            limit = int(path.name.split("-")[1])
            if limit <= max_new_tokens:
                answers = read_answers(path)
                self.by_key |= answers if limit == max_new_tokens else _without_empty(answers)
        if self.by_key:
            LOG.info("%d answers of earlier runs are kept; delete %s to ask anew", len(self.by_key), folder)

    def add(self, answers: Mapping[str, str]) -> None:
        """Keep more answers, in a file that is written whole and named by what was asked."""
        self.by_key |= answers
        if self.folder:
            self.folder.mkdir(parents=True, exist_ok=True)
            digest = hashlib.sha256("".join(sorted(answers)).encode()).hexdigest()[:32]
            write_answers(answers, self.folder / f"answers-{self.max_new_tokens}-{digest}.json")


def forget_empty(folder: Path) -> None:
    """Remove the empty answers from a folder, so that the next run asks for them again."""
    for path in sorted(folder.glob(FILES)):
        answers = read_answers(path)
        if not all(answers.values()):
            write_answers(_without_empty(answers), path)


def read_answers(path: Path) -> dict[str, str]:
    """Read a file of answers. Raises ValueError, which names it, if it is damaged."""
    try:
        return {key: str(caption) for key, caption in read_object(path).items()}
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}): delete it, and its images are captioned again") from None


def write_answers(answers: Mapping[str, str], path: Path) -> None:
    """Write a file of answers in one step."""
    with written_aside(path) as aside:
        aside.write_text(json.dumps(answers, indent=0) + "\n", encoding="utf-8")


def _without_empty(answers: Mapping[str, str]) -> dict[str, str]:
    return {key: caption for key, caption in answers.items() if caption}
