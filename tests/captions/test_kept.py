"""Answers are kept between runs: an edited file of own captions asks the model for nothing that it has answered."""

import json
from pathlib import Path

import pytest

from pipeline.captions.kept import Answers, answer_key, forget_empty
from pipeline.captions.write import write_captions
from tests.captions.test_write import WORDS, Parrot, settings, shard


def ask(folder: Path | None, own: dict[str, str], num_rows: int = 6) -> tuple[list[str], int]:
    """The captions of a shard, and how many of them the model was asked for."""
    parrot = Parrot()
    table = write_captions(parrot.loaded, WORDS, shard(num_rows), settings(), own, answers=Answers(folder))  # type: ignore[arg-type]
    return table["caption"].to_pylist(), len(parrot.prompts)


def test_an_own_caption_asks_the_model_for_nothing_and_its_removal_brings_the_answer_back(tmp_path: Path) -> None:
    before, num_asked = ask(tmp_path, {})
    assert num_asked == 6
    assert ask(tmp_path, {"emoset/02": "mine"}) == ([*before[:2], "mine", *before[3:]], 0)
    assert ask(tmp_path, {}) == (before, 0)
    assert ask(None, {})[1] == 6


def test_the_model_is_asked_for_what_is_new_alone(tmp_path: Path) -> None:
    ask(tmp_path, {"emoset/02": "mine", "emoset/03": "mine"}, 5)
    assert ask(tmp_path, {"emoset/03": "mine"}, 6)[1] == 2


def test_an_answer_belongs_to_an_image_and_a_prompt() -> None:
    assert len({answer_key(image, prompt) for image in (b"a", b"b", b"") for prompt in ("", "a", "b")}) == 9


def test_a_model_is_not_loaded_for_captions_that_are_all_there(tmp_path: Path) -> None:
    def load() -> Parrot:
        raise AssertionError("it was loaded")

    before, _ = ask(tmp_path, {})
    table = write_captions(load, WORDS, shard(6), settings(), {}, answers=Answers(tmp_path))  # type: ignore[arg-type]
    assert table["caption"].to_pylist() == before
    own = dict.fromkeys(shard(6)["image_id"].to_pylist(), "mine")
    assert set(write_captions(load, WORDS, shard(6), settings(), own)["caption"].to_pylist()) == {"mine"}  # type: ignore[arg-type]


def test_a_run_that_stops_keeps_the_batches_before(tmp_path: Path) -> None:
    class Mortal(Parrot):
        def caption(self, *arguments: object) -> list[str]:
            if len(self.batches) == 2:
                raise ValueError("the server died")
            return super().caption(*arguments)  # type: ignore[arg-type]

    mortal = Mortal()
    with pytest.raises(ValueError, match="died"):
        write_captions(lambda: mortal, WORDS, shard(6), settings(), {}, answers=Answers(tmp_path))  # type: ignore[arg-type, return-value]
    assert ask(tmp_path, {})[1] == 2


def test_empty_answers_stand_until_they_are_forgotten(tmp_path: Path) -> None:
    Answers(tmp_path).add({"a": "a boat", "b": ""})
    Answers(tmp_path).add({"c": "a lake"})
    assert Answers(tmp_path).by_key == {"a": "a boat", "b": "", "c": "a lake"}
    forget_empty(tmp_path)
    assert Answers(tmp_path).by_key == {"a": "a boat", "c": "a lake"}


def test_answers_hold_under_a_higher_token_limit_except_the_empty_and_not_under_a_lower(tmp_path: Path) -> None:
    Answers(tmp_path, 77).add({"a": "a boat", "b": ""})
    assert Answers(tmp_path, 128).by_key == {"a": "a boat"}
    assert Answers(tmp_path, 76).by_key == {}
    Answers(tmp_path, 128).add({"b": "a long lake"})
    assert Answers(tmp_path, 128).by_key == {"a": "a boat", "b": "a long lake"}
    assert Answers(tmp_path, 77).by_key == {"a": "a boat", "b": ""}


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    Answers(tmp_path).add({"a": "a boat"})
    (path,) = tmp_path.iterdir()
    assert json.loads(path.read_text()) == {"a": "a boat"}
    path.write_text('{"a": "a b')
    with pytest.raises(ValueError, match=rf"{path.name} is damaged .*: delete it, and its images are captioned again"):
        Answers(tmp_path)
