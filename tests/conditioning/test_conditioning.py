"""The frozen text encoder fed embeddings says what transformers and open_clip say, and pools at the true end."""

from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.conditioning.encoder import ConditionEncoder, condition_encoder
from pipeline.conditioning.prompts import GAP, tokenize
from pipeline.foundation.clip import load_clip
from pipeline.foundation.diffusion import load_pipeline

TEXTS = ["an image of fear", "a dark beach with a skull", "", "street"]


@pytest.fixture(scope="module")
def pipeline(models: Path) -> Any:
    return load_pipeline(models / "foundation/diffusion")


@pytest.fixture(scope="module")
def encoder(pipeline: Any, models: Path) -> ConditionEncoder:
    return condition_encoder(pipeline, models / "foundation/clip")


def embedding_of(pipeline: Any, word: str) -> torch.Tensor:
    (token,) = pipeline.tokenizer(word, add_special_tokens=False).input_ids
    return pipeline.text_encoder.get_input_embeddings().weight[[token]]


def test_prompts_without_a_gap_have_ids_and_states_of_transformers(pipeline: Any, encoder: ConditionEncoder) -> None:
    prompts = tokenize(pipeline.tokenizer, TEXTS)
    length = pipeline.tokenizer.model_max_length
    ids = pipeline.tokenizer(TEXTS, padding="max_length", max_length=length, return_tensors="pt").input_ids
    assert torch.equal(prompts.ids, ids)
    assert torch.equal(encoder(prompts).states, pipeline.text_encoder(ids).last_hidden_state)


def test_the_joint_vector_is_that_of_open_clip(pipeline: Any, encoder: ConditionEncoder, models: Path) -> None:
    features = load_clip(models / "foundation/clip").encode_texts(TEXTS)
    assert torch.allclose(encoder(tokenize(pipeline.tokenizer, TEXTS)).joint, features, atol=1e-5)


def test_a_word_s_own_embedding_in_the_gap_is_that_word(pipeline: Any, encoder: ConditionEncoder) -> None:
    prompts = tokenize(pipeline.tokenizer, [f"an image of {GAP}", f"{GAP} street"])
    fear = embedding_of(pipeline, "fear").expand(2, -1)
    spoken = encoder(tokenize(pipeline.tokenizer, ["an image of fear", "fear street"]))
    assert torch.allclose(encoder(prompts, fear).states, spoken.states, atol=1e-6)
    assert torch.allclose(encoder(prompts, fear).joint, spoken.joint, atol=1e-6)


def test_the_embedding_gets_a_gradient_and_nothing_else_does(pipeline: Any, encoder: ConditionEncoder) -> None:
    embedding = torch.randn(1, encoder.width, requires_grad=True)
    encoder(tokenize(pipeline.tokenizer, [GAP]), embedding).joint.sum().backward()
    assert embedding.grad is not None
    assert embedding.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in encoder.parameters())


def test_it_pools_at_the_true_end_where_transformers_pools_at_the_largest_id(pipeline: Any, models: Path) -> None:
    """With eos_token_id = 2, as Stable Diffusion 1.5's config has it, an added token would be taken for the end."""
    encoder = condition_encoder(load_pipeline(models / "foundation/diffusion"), models / "foundation/clip")
    wanted = encoder(tokenize(pipeline.tokenizer, TEXTS)).joint
    encoder.text_encoder.config.eos_token_id = encoder.text_encoder.eos_token_id = 2
    assert torch.equal(encoder(tokenize(pipeline.tokenizer, TEXTS)).joint, wanted)


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
        condition_encoder(pipeline, tmp_path)
