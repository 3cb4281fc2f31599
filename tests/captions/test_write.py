"""Captions come from the user, else from the captioner.

A stand-in tells what the captioner was asked; the real one is tested in tests/foundation.
"""

import io
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from PIL import Image

from pipeline.captions.prompts import FOCUS, PROMPTS, VARIANTS, WORDING, Variant, prompt, wording_of
from pipeline.captions.write import length_summary, write_captions
from pipeline.params import Captions
from pipeline.schemas import CAPTIONS_SCHEMA, check_table, encode_words

BUNDLED = Path(__file__).parents[2] / "models/miniature/clip/clip.safetensors"
WORDS = SimpleNamespace(context_length=6, num_tokens=lambda text: len(text.split()) + 2)  # a CLIP that counts words


@dataclass
class Parrot:
    """Answers with the brightness of the picture and the last words of the prompt."""

    batches: list[int] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)

    def loaded(self) -> "Parrot":
        return self

    def caption(self, images: list[Image.Image], prompts: list[str], max_new_tokens: int) -> list[str]:
        self.batches.append(len(images))
        self.prompts += prompts
        return [f"tone {image.getpixel((0, 0))[0]} of {max_new_tokens}" for image in images]


def shard(num_rows: int) -> pa.Table:
    """Rows whose picture is grey of 10 times the index."""
    images = []
    for index in range(num_rows):
        buffer = io.BytesIO()
        Image.new("RGB", (4, 4), (10 * index,) * 3).save(buffer, "PNG")
        images.append({"bytes": buffer.getvalue(), "path": f"{index}.png"})
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return pa.table({
        "image_id": pa.array([f"emoset/{index:02d}" for index in range(num_rows)], pa.string()),
        "image": pa.array(images, kind),
        "emotion": pa.array((["awe", "fear"] * num_rows)[:num_rows], pa.string()),
    })  # fmt: skip


def settings(variant: Variant = "emotion", batch_size: int = 2) -> Captions:
    return Captions(
        variant=variant, served_model=None, batch_size=batch_size, max_new_tokens=20, max_px=1024, max_empty_frac=0.0,
        override="captions.csv",
    )  # fmt: skip


def write(
    captioner: Parrot, rows: pa.Table, own: dict[str, str], variant: Variant = "emotion", words: Any = WORDS
) -> Any:
    return write_captions(captioner.loaded, words, rows, settings(variant), own)


def test_own_captions_stand_and_the_model_is_asked_for_the_others_alone() -> None:
    parrot = Parrot()
    table = write(parrot, shard(6), {"emoset/01": "my own words", "emoset/99": "of another shard"})
    assert table["caption"].to_pylist() == [
        "tone 0 of 20", "my own words", "tone 20 of 20", "tone 30 of 20", "tone 40 of 20", "tone 50 of 20",
    ]  # fmt: skip
    assert parrot.batches == [2, 2, 1]
    assert parrot.prompts == [prompt("emotion", emotion) for emotion in ("awe", "awe", "fear", "awe", "fear")]


@pytest.mark.parametrize("variant", VARIANTS)
def test_only_prompts_with_the_prior_name_the_emotion(variant: Variant) -> None:
    parrot = Parrot()
    table = write(parrot, shard(2), {}, variant)
    assert [("awe" in parrot.prompts[0]), ("fear" in parrot.prompts[1])] == [variant.startswith("emotion")] * 2
    assert table["variant"].to_pylist() == [variant] * 2


def test_of_the_wording_for_real_models_neutral_differs_from_the_default_by_the_prior_alone() -> None:
    """As Table 2a has it: the list of focus and the vividness are in both."""
    prior, of_emotion = (
        "This image evokes a strong emotion of awe. ",
        " that effectively convey and express this emotion",
    )
    for without, with_prior in (("neutral", "emotion"), ("details", "emotion_details")):
        plain, full = (prompt(variant, "awe", WORDING) for variant in (without, with_prior))
        bare = full.removeprefix(prior).replace(of_emotion, "")
        assert bare == plain if without == "neutral" else bare.replace("Describe in", "Describe this image in") == plain
        assert FOCUS in plain
    assert "vividly" in WORDING["neutral"]
    assert {variant for variant in VARIANTS if WORDING[variant] != PROMPTS[variant]} == {"neutral"}


def test_the_miniature_captioner_is_asked_in_the_words_that_it_has_learned() -> None:
    assert PROMPTS["neutral"] == "Provide a one-sentence caption that describes this image."
    for is_miniature, wording in ((True, PROMPTS), (False, WORDING)):
        parrot = Parrot()
        write_captions(parrot.loaded, WORDS, shard(2), settings("neutral"), {}, wording_of(is_miniature))  # type: ignore[arg-type]
        assert parrot.prompts == [wording["neutral"]] * 2


@pytest.mark.parametrize("num_rows", [0, 1, 5])
def test_the_table_has_the_schema_of_captions_even_for_an_empty_shard(num_rows: int) -> None:
    table = write(Parrot(), shard(num_rows), {})
    check_table(encode_words(table, CAPTIONS_SCHEMA), CAPTIONS_SCHEMA)
    assert len(table) == num_rows


def test_captions_longer_than_the_context_are_marked_and_counted() -> None:
    own = {"emoset/00": "one two three four", "emoset/01": "one two three four five"}
    table = write(Parrot(), shard(3), own)
    assert table["num_tokens"].to_pylist() == [6, 7, 6]
    assert table["truncated"].to_pylist() == [False, True, False]
    numbers = length_summary([table.slice(0, 1), table.slice(1)], num_own=2, context_length=6)
    assert numbers == {
        "n": 3, "num_own": 2, "num_empty": 0, "context_length": 6, "mean_tokens": pytest.approx(19 / 3),
        "max_tokens": 7, "num_truncated": 1, "num_distinct": 3,
    }  # fmt: skip


def test_tokens_are_those_of_clip_with_begin_and_end(tmp_path: Path) -> None:
    from pipeline.foundation.bundle import unpack
    from pipeline.foundation.clip import load_tokenizer

    unpack(BUNDLED, tmp_path)
    own = {"emoset/00": "a dark beach", "emoset/01": "a dark beach with a boat " * 20}
    table = write(Parrot(), shard(2), own, words=load_tokenizer(tmp_path))
    assert table["num_tokens"].to_pylist() == [5, 6 * 20 + 2]
    assert table["truncated"].to_pylist() == [False, True]
