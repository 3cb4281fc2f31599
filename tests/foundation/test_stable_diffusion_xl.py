"""Stable Diffusion XL as a base, on the miniature in its format: two encoders, pooled text, the size of the image."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch.nn.functional import normalize

from pipeline.coemogen.training import caption_vectors
from pipeline.conditioning.prompts import GAP
from pipeline.features import feature_matrix
from pipeline.foundation.base import Base
from pipeline.foundation.bases import base_of
from pipeline.foundation.stable_diffusion_xl import StableDiffusionXL, original_name
from pipeline.generation.folder import load_foundation
from pipeline.generation.request import request
from pipeline.generation.sampling import generators
from tests.baselines import test_baselines as baselines
from tests.coemogen import test_training as coemogen

TEXTS = ["an image of fear", "a dark beach with a skull", "street"]


@pytest.fixture(scope="module")
def xl(xl_models: Path) -> Base:
    return load_foundation(xl_models / "foundation/diffusion", xl_models / "foundation/clip").base


@pytest.fixture(scope="module")
def narrow(models: Path) -> Base:
    return load_foundation(models / "foundation/diffusion", models / "foundation/clip").base


def test_the_folder_says_that_it_is_xl(xl_models: Path, xl: Base) -> None:
    folder = xl_models / "foundation/diffusion"
    assert base_of(folder) is StableDiffusionXL
    assert (xl.encoder.tokens.widths, xl.facts.image_px, base_of(folder).image_px(folder)) == ((128, 160), 64, 64)
    assert [path.parent.name for path in xl.weights(folder)] == ["unet", "text_encoder", "text_encoder_2"]


def test_an_image_is_that_of_the_plain_pipeline(xl: Base) -> None:
    condition, asked = xl.encoder.of(["a dark beach"]), request("awe", 3)
    ours = xl.images(condition, xl.encoder.empty(), generators([asked]), xl.solver("unipc"), 2, 3.0)
    theirs = xl.pipeline(
        "a dark beach", generator=generators([asked]), num_inference_steps=2, guidance_scale=3.0, output_type="np"
    ).images
    assert abs(ours - theirs).max() < 1e-4


def test_the_condition_is_that_of_the_plain_pipeline(xl: Base) -> None:
    condition = xl.encoder.of(TEXTS)
    with torch.no_grad():
        states, _, pooled, _ = xl.pipeline.encode_prompt(TEXTS, do_classifier_free_guidance=False)
    assert torch.allclose(condition.states, states, atol=1e-5)
    assert condition.pooled is not None
    assert torch.allclose(condition.pooled, pooled, atol=1e-4)


def test_a_prediction_takes_the_pooled_text_and_the_size_of_the_image(xl: Base) -> None:
    condition, latents, steps = xl.encoder.of(TEXTS), torch.randn(3, 16, 8, 8), torch.tensor([10, 500, 900])
    added = {"text_embeds": condition.pooled, "time_ids": torch.tensor([[64.0, 64, 0, 0, 64, 64]] * 3)}
    with torch.no_grad():
        wanted = xl.denoiser(latents, steps, condition.states, added_cond_kwargs=added).sample
        assert torch.allclose(xl.predict(latents, steps, condition), wanted, atol=1e-5)
        other = xl.predict(latents, steps, condition.where(torch.tensor([True, False, False]), xl.encoder.empty()))
    assert torch.allclose(other[1:], wanted[1:], atol=1e-4)
    assert not torch.allclose(other[0], wanted[0], atol=1e-2)


def test_no_text_is_a_condition_of_zeros_if_the_folder_says_so(xl: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    assert xl.encoder.empty().states.abs().sum() > 0
    monkeypatch.setattr(xl.encoder, "has_zeros", True)
    empty = xl.encoder.empty()
    assert empty.pooled is not None
    assert empty.states.abs().sum() == empty.pooled.abs().sum() == 0


def test_the_widened_miniature_says_and_predicts_nearly_what_the_narrow_one_does(xl: Base, narrow: Base) -> None:
    wide, plain = xl.encoder.of(TEXTS), narrow.encoder.of(TEXTS)
    assert torch.equal(wide.joint, plain.joint)
    assert wide.pooled is not None
    assert torch.allclose(normalize(wide.pooled, dim=-1), plain.joint, atol=1e-4)
    latents, steps = torch.randn(3, 16, 8, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([500] * 3)
    with torch.no_grad():
        ours, theirs = xl.predict(latents, steps, wide), narrow.predict(latents, steps, plain)
        another = narrow.predict(latents, steps, plain.take(torch.tensor([1, 2, 0])))
    assert (ours - theirs).norm() < 0.4 * (another - theirs).norm()
    assert (ours - theirs).norm() > 0


def test_a_word_that_differs_between_the_encoders_is_no_larger_than_words_that_do_not(xl: Base) -> None:
    """Or a learned word, which is another in each encoder, would be nothing that the U-Net has ever seen."""
    of_values = [weight for name, weight in xl.denoiser.named_parameters() if name.endswith("attn2.to_v.weight")]
    words = torch.stack([xl.encoder.embedding_of(word) for word in ("awe", "fear", "beach", "dog", "tree", "cake")])
    first, second = xl.encoder.tokens.split(words)
    mixed = torch.cat([first.roll(1, 0), second], -1)

    def sizes(embeddings: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            states = xl.encoder.of([f"an image of {GAP}"] * len(words), embeddings).states[:, 4:6]
            return torch.stack([(states @ weight.T).norm(dim=-1).mean() for weight in of_values])

    assert (sizes(mixed) < 1.2 * sizes(words)).all()


def test_an_embedding_enters_each_encoder_and_a_word_s_own_is_that_word(xl: Base) -> None:
    encoder = xl.encoder
    word, spoken = encoder.embedding_of("fear"), encoder.of(["an image of fear"])
    placed = encoder.of([f"an image of {GAP}"], word[None])
    assert torch.allclose(placed.states, spoken.states, atol=1e-4)
    assert placed.pooled is not None
    assert torch.allclose(placed.pooled, spoken.pooled, atol=1e-4)
    embedding = torch.randn(1, encoder.width, requires_grad=True)
    condition = encoder.of([GAP], embedding)
    (of_states,) = torch.autograd.grad(condition.states.sum(), embedding, retain_graph=True)
    (of_pooled,) = torch.autograd.grad(condition.pooled.sum(), embedding)
    assert [bool(part.any()) for part in encoder.tokens.split(of_states)] == [True, True]
    assert [bool(part.any()) for part in encoder.tokens.split(of_pooled)] == [False, True]


@pytest.mark.parametrize("kind", ["textual_inversion", "dreambooth", "emogen"])
def test_every_baseline_trains_and_samples_on_xl(xl_models: Path, tmp_path: Path, kind: str) -> None:
    foundation = baselines.fresh(xl_models)
    trained = baselines.train(kind, foundation, tmp_path)[1]
    start = dict(baselines.model_of(kind, baselines.fresh(xl_models)).named_parameters())
    moved = {name: not torch.equal(start[name], tensor) for name, tensor in trained.weights.items()}
    assert any(moved.values())
    if kind == "textual_inversion":
        apart = (trained.weights["words"] - start["words"]).detach()
        assert all(bool(part.any()) for part in foundation.base.encoder.tokens.split(apart))


def test_coemogen_trains_on_xl_and_both_encoders_get_an_output(xl_models: Path, tmp_path: Path) -> None:
    trained, _, model, _ = coemogen.train(xl_models, tmp_path)
    last = trained.weights["embedding.mapper.layers.2.weight"]
    assert last.shape[0] == 128 + 160
    assert trained.sheets
    adapters: Any = model.hilora.layers
    assert {layer.lora_A["awe"].in_features for name, layer in adapters.items() if "attn2.to_k" in name} == {288}


def test_l_sem_may_be_in_the_space_of_the_pooled_text(xl: Base, narrow: Base, xl_models: Path) -> None:
    table = pa.table({"image_id": ["a", "b"], "caption": ["a dark beach", " ".join(["a dark beach {S}"] * 20)]})
    vectors = feature_matrix(caption_vectors(table, xl.encoder, "pooled"))
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.allclose(vectors[0], xl.encoder.of(["a dark beach"]).text_vectors("pooled")[0], atol=1e-5)
    _, model, settings = coemogen.fresh(xl_models, sem_space="pooled", sem_distance="mse")
    batch = coemogen.drawer(coemogen.found(), model, settings)(torch.arange(4), torch.Generator().manual_seed(0))
    sem = model(batch)["sem"]
    said = xl.encoder.of([settings.prompt] * 4, model.embedding(batch["emotions"], batch["visual"]))
    assert torch.allclose(sem, (said.text_vectors("pooled") - batch["caption"]).square().mean(), atol=1e-5)
    with pytest.raises(ValueError, match="sem_space = 'pooled': the diffusion model has no pooled text"):
        narrow.encoder.of(["street"]).text_vectors("pooled")


def test_kohya_numbers_the_blocks_as_the_original_does() -> None:
    rest = "transformer_blocks.3.attn2.to_out.0"
    names = {
        "down_blocks.1.attentions.0": "input_blocks.4.1", "down_blocks.1.attentions.1": "input_blocks.5.1",
        "down_blocks.2.attentions.0": "input_blocks.7.1", "down_blocks.2.attentions.1": "input_blocks.8.1",
        "mid_block.attentions.0": "middle_block.1", "up_blocks.0.attentions.0": "output_blocks.0.1",
        "up_blocks.0.attentions.2": "output_blocks.2.1", "up_blocks.1.attentions.1": "output_blocks.4.1",
    }  # fmt: skip
    assert {name: original_name(f"{name}.{rest}", 2) for name in names} == {
        name: f"{original}.{rest}" for name, original in names.items()
    }
