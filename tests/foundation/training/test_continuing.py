"""Models that go on learning: what is drawn oftener, what weighs more, what stays."""

from pathlib import Path

import pytest
import torch

from pipeline.foundation import recipes
from pipeline.foundation.clip import load_clip
from pipeline.foundation.conversion import scheduler, text_encoder
from pipeline.foundation.diffusion import load_module
from pipeline.foundation.noise import noise_schedule
from pipeline.foundation.training import continuing, texts
from pipeline.foundation.training.continuing import PAINTED
from pipeline.foundation.training.unet import empty_text, text_states, timestep_density, under, v_loss
from pipeline.foundation.training.vae import encode
from pipeline.miniature.vocabulary import OBJECTS
from pipeline.training.denoising import squared_errors
from tests.foundation.conftest import CPU, SHORT, World

CLIP = recipes.CONTINUED_CLIP.model_copy(update=SHORT)
UNET = recipes.CONTINUED_UNET.model_copy(update=SHORT)


def test_pictures_of_many_and_hard_things_are_drawn_more_often(world: World) -> None:
    often = {PAINTED: 3.0, "dog": 2.0}
    weights = continuing.draw_weights(world.drawn.truths, often)
    for truth, weight in zip(world.drawn.truths, weights, strict=True):
        names = [thing.name for thing in truth.objects]
        assert weight == (len(names) + ("dog" in names)) * (3 if truth.style else 1)
    assert {1.0, 2.0, 3.0} < set(weights)


def test_the_focus_gets_its_share_of_the_timesteps() -> None:
    density = continuing.timesteps_of(UNET)
    first, stop = UNET.focus
    before = timestep_density(UNET.snr_cap)[first:stop].sum().item()
    assert density.sum().item() == pytest.approx(1, abs=1e-5)
    assert density[first:stop].sum().item() == pytest.approx(before + UNET.focus_share * (1 - before), abs=1e-5)
    assert density.min() > 0


def test_swapped_captions_differ_in_one_thing(world: World) -> None:
    truth = next(truth for truth in world.drawn.truths if len(truth.objects) == 2)
    own, *others = continuing.swapped_captions(truth, 5, seed=7)
    assert [own, *others] == continuing.swapped_captions(truth, 5, seed=7)
    nouns = [OBJECTS[thing.name] for thing in truth.objects]
    assert all(noun in own for noun in nouns)
    for other in others:
        kept = [noun for noun in nouns if f" {noun}" in other]
        assert len(kept) == len(nouns) - 1
        assert other.startswith(own.split(" with ")[0])


def test_boxes_weigh_more(clip_folder: Path, diffusion_folder: Path) -> None:
    from diffusers import UNet2DConditionModel

    unet, encoder = load_module(UNet2DConditionModel, diffusion_folder / "unet"), text_encoder(clip_folder)
    schedule, ids = noise_schedule(scheduler()), empty_text(clip_folder).expand(2, -1)
    latents, noise = torch.randn(2, 2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    batch = {"latents": latents, "noise": noise, "steps": torch.tensor([100, 700])}
    nowhere, everywhere = torch.zeros(2, 1, 4), torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(2, 1, 4)
    plain = v_loss(encoder, schedule, unet, ids, **batch).item()

    def weighted(boxes: torch.Tensor) -> float:
        return continuing.weighted_v_loss(encoder, schedule, 5.0, unet, ids, boxes, **batch).item()

    for boxes in (nowhere, everywhere):
        assert weighted(boxes) == pytest.approx(plain)
    errors = squared_errors(under(unet, text_states(encoder, ids)), schedule, batch)
    left, right = errors[..., :4].mean().item(), errors[..., 4:].mean().item()
    half = torch.tensor([0.0, 0.0, 0.5, 1.0]).expand(2, 1, 4)
    assert weighted(half) == pytest.approx((5 * left + right) / 6)


def test_a_unet_goes_on_from_where_it_stands(
    world: World, clip_folder: Path, diffusion_folder: Path, tmp_path: Path
) -> None:
    from diffusers import AutoencoderKL, UNet2DConditionModel

    vae = load_module(AutoencoderKL, diffusion_folder / "vae")
    latents = encode(vae, torch.from_numpy(world.images), CPU)
    boxes, weights = texts.thing_boxes(world.drawn.truths), continuing.draw_weights(world.drawn.truths, UNET.often)
    unet, before = (load_module(UNet2DConditionModel, diffusion_folder / "unet") for _ in range(2))
    gentle = UNET.model_copy(update={"learning_rate": 1e-6, "ema_decay": 0.0})
    continuing.continue_unet(
        unet, clip_folder, latents, world.text_ids, boxes, weights, gentle, tmp_path / "work", CPU
    )  # fmt: skip
    moved = [(a - b).abs().max().item() for a, b in zip(unet.parameters(), before.parameters(), strict=True)]
    assert 0 < max(moved) < 1e-4


def test_only_the_vision_tower_of_clip_learns(world: World, clip_folder: Path, tmp_path: Path) -> None:
    clip = load_clip(clip_folder)
    before = {name: tensor.clone() for name, tensor in clip.model.state_dict().items()}
    captions = continuing.caption_ids(continuing.swapped_captions, world.drawn.truths, 2, world.tokenizer)
    continuing.continue_clip(clip.model, world.images, world.text_ids, captions, CLIP, tmp_path, CPU)
    changed = {name for name, tensor in clip.model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert {name.split(".")[0] for name in changed} == {"visual"}


def test_the_bundled_recipes_name_things_of_the_world() -> None:
    assert set(recipes.CONTINUED_UNET.often) <= {*OBJECTS, PAINTED}
