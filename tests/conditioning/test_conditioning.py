"""The frozen text encoder fed embeddings says what transformers and open_clip say, and pools at the true end."""

from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.conditioning.encoder import Condition, ConditionEncoder, TextTower, TokenSpace
from pipeline.conditioning.prompts import GAP, Prompts, tokenize
from pipeline.foundation.clip import load_clip
from pipeline.foundation.diffusion import load_pipeline
from pipeline.foundation.stable_diffusion import StableDiffusion, text_projection

TEXTS = ["an image of fear", "a dark beach with a skull", "", "street"]


@pytest.fixture(scope="module")
def pipeline(models: Path) -> Any:
    return load_pipeline(models / "foundation/diffusion")


@pytest.fixture(scope="module")
def encoder(pipeline: Any, models: Path) -> ConditionEncoder:
    return around(pipeline, models / "foundation/clip")


def around(pipeline: Any, clip: Path) -> ConditionEncoder:
    tower = TextTower(pipeline.text_encoder, pipeline.tokenizer)
    return StableDiffusion.around(pipeline, tower, text_projection(clip, tower)).encoder


def embedding_of(pipeline: Any, word: str) -> torch.Tensor:
    (token,) = pipeline.tokenizer(word, add_special_tokens=False).input_ids
    return pipeline.text_encoder.get_input_embeddings().weight[[token]]


def test_prompts_without_a_gap_have_ids_and_states_of_transformers(pipeline: Any, encoder: ConditionEncoder) -> None:
    prompts = tokenize(pipeline.tokenizer, TEXTS)
    length = pipeline.tokenizer.model_max_length
    ids = pipeline.tokenizer(TEXTS, padding="max_length", max_length=length, return_tensors="pt").input_ids
    assert torch.equal(prompts.ids, ids)
    assert torch.equal(encoder(Prompts((prompts,))).states, pipeline.text_encoder(ids).last_hidden_state)


def test_the_joint_vector_is_that_of_open_clip(pipeline: Any, encoder: ConditionEncoder, models: Path) -> None:
    features = load_clip(models / "foundation/clip").encode_texts(TEXTS)
    assert torch.allclose(encoder.of(TEXTS).joint, features, atol=1e-5)


def test_a_word_s_own_embedding_in_the_gap_is_that_word(pipeline: Any, encoder: ConditionEncoder) -> None:
    texts = [f"an image of {GAP}", f"{GAP} street"]
    fear = embedding_of(pipeline, "fear").expand(2, -1)
    spoken = encoder.of(["an image of fear", "fear street"])
    assert torch.allclose(encoder.of(texts, fear).states, spoken.states, atol=1e-6)
    assert torch.allclose(encoder.of(texts, fear).joint, spoken.joint, atol=1e-6)


def test_the_embedding_gets_a_gradient_and_nothing_else_does(pipeline: Any, encoder: ConditionEncoder) -> None:
    embedding = torch.randn(1, encoder.width, requires_grad=True)
    encoder.of([GAP], embedding).joint.sum().backward()
    assert embedding.grad is not None
    assert embedding.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in encoder.parameters())


def test_it_pools_at_the_true_end_where_transformers_pools_at_the_largest_id(pipeline: Any, models: Path) -> None:
    """With eos_token_id = 2, as Stable Diffusion 1.5's config has it, an added token would be taken for the end."""
    encoder = around(load_pipeline(models / "foundation/diffusion"), models / "foundation/clip")
    wanted = encoder.of(TEXTS).joint
    text_encoder = encoder.towers[0].text_encoder
    text_encoder.config.eos_token_id = text_encoder.eos_token_id = 2
    assert torch.equal(encoder.of(TEXTS).joint, wanted)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("{S} and {S}", "at most once"),
        ("a {noun}", "no other braces"),
        ("street " * 40, "tokens; CLIP allows at most 32"),
    ],
)
def test_a_prompt_that_cannot_be_used_says_why(pipeline: Any, prompt: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tokenize(pipeline.tokenizer, [prompt])


def test_a_clip_of_another_text_encoder_is_refused(pipeline: Any, models: Path, tmp_path: Path) -> None:
    from pipeline.foundation.clip import WEIGHTS
    from pipeline.weights import load_safetensors, save_safetensors

    state, _ = load_safetensors(models / "foundation/clip" / WEIGHTS)
    save_safetensors(tmp_path / WEIGHTS, state | {"token_embedding.weight": state["token_embedding.weight"] + 1})
    with pytest.raises(ValueError, match="does not match the text encoder"):
        around(pipeline, tmp_path)


def test_each_encoder_s_part_of_an_embedding_has_the_size_of_its_token_embeddings() -> None:
    tokens = TokenSpace((4, 6), (0.5, 2.0))
    scaled = tokens.scaled(torch.randn(3, tokens.width), torch.tensor(1.0))
    first, second = tokens.split(scaled)
    assert torch.allclose(first.square().mean(1).sqrt(), torch.full((3,), 0.5), atol=1e-4)
    assert torch.allclose(second.square().mean(1).sqrt(), torch.full((3,), 2.0), atol=1e-4)
    assert torch.allclose(tokens.unscaled(scaled).square().mean(1), torch.ones(3), atol=1e-3)


def test_a_condition_takes_rows_and_gives_way_where_a_mask_says_so() -> None:
    one = Condition(*(torch.arange(3.0).reshape(3, *[1] * ndim) for ndim in (2, 1, 1)))
    none = Condition(torch.full((1, 1, 1), 9.0), torch.full((1, 1), 9.0), torch.full((1, 1), 9.0))
    mixed = one.take(torch.tensor([2, 0, 1])).where(torch.tensor([False, True, False]), none)
    assert [part.flatten().tolist() for part in (mixed.states, mixed.joint, mixed.pooled)] == [[2, 9, 1]] * 3
