"""The chain: with no queries it is open_clip's ViT, with them it is Eq. 1-3, and each switch does what it says."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pipeline.foundation.clip import load_clip
from pipeline.uniemo.chain import UnderstandingChain, query_layers
from pipeline.uniemo.queries import BETA_START, NUM_LAYERS, CrossAttention, ExpertQueries
from tests.uniemo.chains import chain_of, settings_of, visual_of


def pixels_of(visual: Any, number: int = 2) -> Tensor:
    edge = visual.image_size[0]
    return torch.randn(number, 3, edge, edge, generator=torch.Generator().manual_seed(0))


def quick_gelu() -> Any:
    from open_clip.transformer import QuickGELU

    return visual_of(act_layer=QuickGELU)


def sequence_first() -> Any:
    from open_clip.transformer import Transformer

    visual = visual_of()
    visual.transformer = Transformer(32, 3, 2, batch_first=False).eval()
    return visual


SHAPES = {
    "small": visual_of,
    "ViT-B/32": lambda: visual_of(224, 32, 768, 3, 12),
    "ViT-B/16": lambda: visual_of(224, 16, 768, 3, 12),
    "ViT-L/14": lambda: visual_of(224, 14, 1024, 3, 16),
    "QuickGELU": quick_gelu,
    "sequence first": sequence_first,
    "no ln_pre, scaled layers": lambda: visual_of(no_ln_pre=True, ls_init_value=0.5),
    "norm behind pooling": lambda: visual_of(final_ln_after_pool=True),
    "custom blocks": lambda: visual_of(block_type="custom", qk_norm=True),
}


def assert_open_clips(chain: UnderstandingChain, visual: Any) -> None:
    """The class token, projected as open_clip does, is open_clip's image feature."""
    with torch.inference_mode():
        pixels = pixels_of(visual)
        assert torch.allclose(chain(pixels).class_token @ visual.proj, visual(pixels), atol=1e-5, rtol=1e-4)


def test_the_patch_part_is_the_mean_of_open_clips_patch_tokens_after_its_last_norm() -> None:
    visual = visual_of()
    pixels = pixels_of(visual)
    with torch.inference_mode():
        found = chain_of(visual, queries="none")(pixels).patches
        visual.output_tokens = True
        _, tokens = visual(pixels)
    assert torch.allclose(found, tokens.mean(1), atol=1e-5)
    with torch.inference_mode():
        assert chain_of(visual, queries="both")(pixels).patches.shape == found.shape


@pytest.mark.parametrize("shape", SHAPES)
def test_without_queries_the_class_token_is_open_clips_own(shape: str) -> None:
    visual = SHAPES[shape]()
    assert_open_clips(chain_of(visual, queries="none"), visual)


def test_without_queries_the_class_token_of_the_miniature_is_open_clips_own(models: Path) -> None:
    visual = load_clip(models / "foundation/clip").model.visual
    assert_open_clips(chain_of(visual, queries="none"), visual)


@pytest.mark.parametrize("shape", ["ViT-B/32", "ViT-L/14", "QuickGELU", "sequence first", "custom blocks"])
def test_queries_of_both_kinds_go_through_any_vit(shape: str) -> None:
    visual = SHAPES[shape]()
    with torch.inference_mode():
        found = chain_of(visual)(pixels_of(visual), attention=True)
    width, patches = visual.transformer.width, visual.grid_size[0] * visual.grid_size[1]
    assert found.logits.shape == (2, 8)
    for kind in ("scene", "object"):
        seen = found.seen[kind]
        assert (seen.queries.shape, seen.joint.shape) == ((2, 3, width), (2, visual.output_dim))
        assert seen.attention.shape == (2, patches)
        assert torch.allclose(seen.attention.sum(1), torch.ones(2), atol=1e-5)
        assert torch.allclose(seen.joint.norm(dim=1), torch.ones(2), atol=1e-5)


def test_sequence_first_blocks_see_what_batch_first_ones_see() -> None:
    plain, turned = visual_of(), sequence_first()
    turned.load_state_dict(plain.state_dict())
    pixels = pixels_of(plain)
    one, other = (chain_of(visual)(pixels) for visual in (plain, turned))
    assert torch.allclose(one.logits, other.logits, atol=1e-5)
    assert torch.allclose(one.seen["object"].queries, other.seen["object"].queries, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "extra"),
    [
        ({}, [3, 6, 6]),
        ({"entry": "single_step"}, [6, 6, 6]),
        ({"queries": "scene"}, [3, 3, 3]),
        ({"queries": "object"}, [0, 3, 3]),
        ({"queries": "object", "entry": "single_step"}, [3, 3, 3]),
        ({"queries": "none"}, [0, 0, 0]),
        ({"scene_layer": 2, "object_layer": 3, "query_length": 5}, [5, 5, 10]),
    ],
)
def test_queries_enter_where_the_params_say_and_run_on_to_the_end(changes: dict[str, Any], extra: list[int]) -> None:
    visual, lengths = visual_of(), []
    chain = chain_of(visual, **changes)
    for block in visual.transformer.resblocks:
        block.register_forward_pre_hook(lambda _, inputs: lengths.append(inputs[0].shape[1]))
    found = chain(pixels_of(visual))
    assert lengths == [17 + more for more in extra]
    assert set(found.seen) == set(chain.kinds) == set({"both": ("scene", "object"), "none": ()}.get(
        changes.get("queries", "both"), (changes.get("queries"),)))  # fmt: skip


def test_an_interactive_block_is_equations_two_and_three() -> None:
    torch.manual_seed(0)
    experts = ExpertQueries(3, 32, 2, 24)
    queries, patches = torch.randn(2, 3, 32), torch.randn(2, 16, 32)
    refined = queries
    for layer in experts.interactive:
        normed = layer.patch_norm(patches)
        refined = refined + layer.attention(layer.query_norm(refined), normed)
        refined = refined + layer.feedforward(layer.norm(refined))
    assert len(experts.interactive) == NUM_LAYERS == 2
    assert experts.beta == BETA_START
    assert torch.allclose(experts(queries, patches).queries, queries + BETA_START * refined, atol=1e-5)
    with torch.no_grad():
        experts.beta.fill_(0.0)
        assert torch.equal(experts(queries, patches).queries, queries)


def test_cross_attention_is_torchs_and_its_weights_are_those_that_act() -> None:
    torch.manual_seed(0)
    ours, theirs = CrossAttention(32, 4), nn.MultiheadAttention(32, 4, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key_value.weight]))
        theirs.in_proj_bias.copy_(torch.cat([ours.query.bias, ours.key_value.bias]))
        theirs.out_proj.load_state_dict(ours.out.state_dict())
        queries, patches = torch.randn(2, 3, 32), torch.randn(2, 9, 32)
        wanted, weights = theirs(queries, patches, patches)
        assert torch.allclose(ours(queries, patches), wanted, atol=1e-5)
        assert torch.allclose(ours.weights(queries, patches), weights.mean(1), atol=1e-6)


def test_the_refined_query_goes_on_so_that_the_emotion_trains_the_interactive_blocks() -> None:
    """UniEmo III-A; the projections of Eq. 4 lie beside the chain. L2 is the last layer of this small ViT but one."""
    visual = visual_of(layers=4)
    chain = chain_of(visual, scene_layer=1, object_layer=2)
    chain(pixels_of(visual)).logits.square().sum().backward()
    reached = {name for name, p in chain.queries.named_parameters() if p.grad is not None and p.grad.any()}
    assert reached == {name for name, _ in chain.queries.named_parameters() if not name.endswith("projection.weight")}


def test_plain_queries_go_on_as_the_vit_computed_them() -> None:
    """So the emotion alone trains the tokens and the ViT, and leaves interactive blocks and projections as they are."""
    visual = visual_of()
    chain = chain_of(visual, passed_on="plain")
    chain(pixels_of(visual)).logits.sum().backward()
    reached = {name for name, p in chain.queries.named_parameters() if p.grad is not None}
    assert reached == {"scene.tokens", "object.tokens"}


@pytest.mark.parametrize("passed_on", ["refined", "plain"])
def test_the_layer_behind_l1_gets_what_was_read_there_or_q(passed_on: str) -> None:
    visual, inputs = visual_of(), []
    chain = chain_of(visual, passed_on=passed_on, queries="scene")
    outputs = []
    first, second, _ = visual.transformer.resblocks
    first.register_forward_hook(lambda _, __, output: outputs.append(output[:, 17:]))
    second.register_forward_pre_hook(lambda _, given: inputs.append(given[0][:, 17:]))
    seen = chain(pixels_of(visual)).seen["scene"]
    assert not torch.allclose(seen.queries, outputs[0], atol=1e-3)
    assert torch.equal(inputs[0], seen.queries if passed_on == "refined" else outputs[0])


def test_a_kind_is_read_behind_its_layer_and_trains_everything_before_it() -> None:
    visual = visual_of()
    chain = chain_of(visual)
    chain(pixels_of(visual)).seen["scene"].joint.sum().backward()
    blocks = [any(p.grad is not None for p in block.parameters()) for block in visual.transformer.resblocks]
    assert blocks == [True, False, False]
    for name, p in chain.queries["scene"].named_parameters():
        assert p.grad is not None, f"{name} is not trained"
        assert p.grad.any(), f"{name} is not trained"
    assert all(p.grad is None for p in chain.queries["object"].parameters())


def test_a_frozen_vit_asks_for_no_gradient_and_its_projection_never_does() -> None:
    frozen, trained = chain_of(backbone_rate=0.0), chain_of()
    assert not any(p.requires_grad for p in frozen.backbone.parameters())
    assert [name for name, p in trained.backbone.named_parameters() if not p.requires_grad] == ["proj"]
    assert all(p.requires_grad for chain in (frozen, trained) for p in chain.queries.parameters())


def test_equal_generators_make_equal_chains() -> None:
    one, same, other = (chain_of(seed=seed).queries["scene"].tokens for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize(("layers", "thirds"), [(3, (1, 2)), (6, (2, 4)), (12, (4, 8)), (24, (8, 16))])
def test_layers_are_thirds_unless_told(layers: int, thirds: tuple[int, int]) -> None:
    found = query_layers(settings_of(), layers)
    assert (found.read, found.enter) == (
        dict(zip(("scene", "object"), thirds, strict=True)), {"scene": 0, "object": thirds[0]}
    )  # fmt: skip


@pytest.mark.parametrize(("first", "second"), [(2, 2), (3, 2), (1, 4), (None, 1)])
def test_impossible_layers_are_refused(first: int | None, second: int) -> None:
    with pytest.raises(ValueError, match=r"object_layer = \d: must satisfy 1 <= scene_layer < object_layer <= 3"):
        chain_of(scene_layer=first, object_layer=second)
    with pytest.raises(ValueError, match="needs at least three"):
        chain_of(visual_of(layers=2))


@pytest.mark.parametrize("more", [{"pool_type": "avg"}, {"attentional_pool": True, "attn_pooler_heads": 2}])
def test_a_tower_without_a_class_token_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="ViT of open_clip that does"):
        chain_of(visual_of(**more))
    with pytest.raises(ValueError, match="is a SimpleNamespace that does not pool"):
        chain_of(SimpleNamespace())
