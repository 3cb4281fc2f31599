"""The captions baseline: a kept caption of the emotion, drawn by the seed, behind the noun of a transfer."""

from pathlib import Path

import pyarrow as pa

from pipeline.generation.captioned import CaptionGenerator, kept_captions
from pipeline.generation.folder import load_foundation, save_generator
from pipeline.generation.load import load_generator
from pipeline.generation.request import request

KEPT = {"awe": ["a mountain", "a lake { with a boat }"], "fear": ["a skull in a corridor " * 40]}


def test_only_kept_captions_of_the_emotion_are_used() -> None:
    captions = pa.table({"caption": ["a", "", "c", "d"]})
    kept = pa.table({"emotion": ["awe", "awe", "fear", "awe"], "kept": [True, True, True, False]})
    assert kept_captions(captions, kept) == {"awe": ["a"], "fear": ["c"]}


def test_a_request_draws_a_caption_by_its_seed_and_puts_the_noun_before_it(models: Path, tmp_path: Path) -> None:
    foundation = load_foundation(models / "foundation/diffusion", models / "foundation/clip")
    save_generator(tmp_path / "made", "caption", {"captions": KEPT}, foundation.digest, emotions=("fear", "awe"))
    generator = load_generator(tmp_path / "made", foundation)
    assert isinstance(generator, CaptionGenerator)
    assert generator.emotions == ("awe", "fear")
    texts = {generator.text(request("awe", seed)) for seed in range(20)}
    assert texts == {"a mountain", "a lake ( with a boat )"}
    assert generator.text(request("awe", 7)) == generator.text(request("awe", 7))
    assert generator.text(request("awe", 7, "{S} bench")) == f"bench, {generator.text(request('awe', 7))}"
    long = request("fear", 1, "{S} street")
    assert generator.text(long).startswith("street, a skull")
    assert len(generator.condition([long])) == 1  # cut to CLIP's context
