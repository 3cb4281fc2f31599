"""The joint module on a small ViT and the bundled Stable Diffusion: what flows where (Eq. 6-8, 10)."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.generation.folder import Foundation, load_foundation
from pipeline.params import UniemoJoint
from pipeline.uniemo.fusion import CLASS, PATCH, Fusion
from pipeline.uniemo.joint import UniEmo, cosine_between_emotions, parts_of
from pipeline.uniemo.understanding import drawer
from tests.uniemo.chains import bases_of, coloured, learner_of, settings_of

SETTINGS = UniemoJoint(
    steps=2, batch_size=6, learning_rate=0.001, weight_decay=0.0, warmup_steps=0, schedule="cosine", max_grad_norm=None,
    ema_decay=None, precision="fp32", sampler="plain", sheet_steps=0, mirror=True, text_dropout=0.0, snr_cap=None,
    prompt="{S}", parts="all", coefficients="correlated", norms=True,
    condition_loss="triplet", margin=0.1, understanding_weight=0.3, condition_weight=0.3,
    diffusion_weight=0.4, implicit_feedback=True, balance="fixed", condition_input="condition", backbone_rate=0.00001,
    query_rate=0.0001, head_rate=0.0001,
)  # fmt: skip


@pytest.fixture(scope="module")
def foundation(models: Path) -> Foundation:
    return load_foundation(models / "foundation/diffusion", models / "foundation/clip")


def module_of(foundation: Foundation, **changes: Any) -> UniEmo:
    settings, learner = SETTINGS.model_copy(update=changes), learner_of()
    base = foundation.base
    tables = {kind: torch.rand(len(named.names), 8) for kind, named in bases_of().items()}
    torch.manual_seed(0)
    parts = parts_of(settings, learner.chain.kinds)
    fusion = Fusion(32, base.encoder.tokens, tables, parts, settings.norms)
    return UniEmo(learner, fusion, base, settings.model_copy(update={"prompt": "{S}"}))


def batch_of(module: UniEmo, num: int = 6) -> dict[str, Tensor]:
    generator, found = torch.Generator().manual_seed(0), coloured()
    draw = drawer(found, found.rows("train"), module.learner.chain.kinds, settings_of())
    batch = draw(torch.arange(num), generator)
    shape = (num, 16, 8, 8)
    return {
        **batch,
        "one_hot": torch.eye(8)[batch["emotions"]],
        "latents": torch.randn(shape, generator=generator),
        "noise": torch.randn(shape, generator=generator),
        "steps": module.base.schedule.draw_steps(num, generator),
        "dropped": torch.zeros(num, dtype=torch.bool),
    }


def touched(module: UniEmo, loss: Tensor) -> set[str]:
    """First parts of the names of parameters that a loss has a gradient for."""
    module.zero_grad(set_to_none=True)
    loss.backward()
    return {".".join(n.split(".")[:2]) for n, p in module.named_parameters() if p.grad is not None and p.grad.any()}


def test_the_joint_loss_is_equation_10_and_reaches_all_that_is_trained(foundation: Foundation) -> None:
    module = module_of(foundation)
    losses = module(batch_of(module))
    understanding = 0.25 * losses["scene"] + 0.25 * losses["object"] + 0.5 * losses["emotion"]
    assert torch.allclose(losses["total"], 0.3 * understanding + 0.3 * losses["cond"] + 0.4 * losses["ldm"])
    assert 0 <= losses["observed_cond_active"] <= 1
    reached = touched(module, losses["total"])
    assert {"learner.backbone", "learner.queries", "learner.head", "fusion.phis", "condition.first"} <= reached
    assert not any(name.startswith(("unet", "encoder")) for name in reached)
    assert not any(p.requires_grad for p in module.unet.parameters())


def test_the_cross_entropy_takes_the_place_of_the_triplet_loss(foundation: Foundation) -> None:
    module = module_of(foundation, condition_loss="cross_entropy")
    batch = batch_of(module)
    losses = module(batch)
    understood, _ = module.learner.understand(batch)
    seen = module.fuse(understood, batch["one_hot"]) / module.encoder.tokens.sizes[0]
    wanted = torch.nn.functional.cross_entropy(module.condition(seen), batch["emotions"])
    assert torch.allclose(losses["cond"], wanted)
    understanding = 0.25 * losses["scene"] + 0.25 * losses["object"] + 0.5 * losses["emotion"]
    assert torch.allclose(losses["total"], 0.3 * understanding + 0.3 * wanted + 0.4 * losses["ldm"])
    assert not torch.allclose(losses["cond"], module_of(foundation)(batch)["cond"])


@pytest.mark.parametrize("parts", ["class_patch", "class_scene_object_patch"])
def test_patch_tokens_are_a_part_that_is_trained(foundation: Foundation, parts: str) -> None:
    module = module_of(foundation, parts=parts)
    losses = module(batch_of(module))
    losses["ldm"].backward()
    for part in module.fusion.parts:
        grads = [parameter.grad for parameter in module.fusion.phis[part].parameters()]
        assert all(grad is not None and grad.any() for grad in grads), part
    assert module.fusion.parts[-2:] == (CLASS, PATCH)


@pytest.mark.parametrize("implicit", [True, False])
def test_the_diffusion_loss_comes_back_to_the_queries_or_not(foundation: Foundation, implicit: bool) -> None:
    module = module_of(foundation, implicit_feedback=implicit)
    reached = touched(module, module(batch_of(module))["ldm"])
    assert ("learner.queries" in reached) == implicit
    assert "fusion.phis" in reached
    assert "learner.queries" in touched(module, module(batch_of(module))["cond"])  # L_cond is not what is cut


def test_gradients_are_observed_by_loss_where_the_losses_meet(foundation: Foundation) -> None:
    """The norms are those of autograd through the whole graph, at c and at Qhat."""
    module = module_of(foundation)
    batch = batch_of(module)
    losses = module(batch)
    understood, _ = module.learner.understand(batch)
    embeddings = module.fuse(understood, batch["one_hot"])
    diffusion = module._diffusion(embeddings, batch)
    queries = [seen.queries for seen in understood.seen.values()]
    at_c, *at_queries = torch.autograd.grad(diffusion, [embeddings, *queries])
    assert losses["observed_gradient_ldm_at_c"].item() == pytest.approx(at_c.norm().item(), rel=1e-4)
    norm = torch.stack([each.norm() for each in at_queries]).norm().item()
    assert losses["observed_gradient_ldm_at_queries"].item() == pytest.approx(0.4 * norm, rel=1e-4)
    assert losses["observed_gradient_understanding_at_queries"] > 0
    assert not any(value.requires_grad for name, value in losses.items() if name.startswith("observed_"))
    assert losses["ldm"].item() == pytest.approx(diffusion.item(), rel=1e-5)


def test_the_gradient_of_the_diffusion_loss_is_that_of_the_whole_graph(foundation: Foundation) -> None:
    """It is taken at c once, and from there by a linear function; U-Net and text encoder are not gone through twice."""
    module = module_of(foundation, understanding_weight=0.0, condition_weight=0.0, diffusion_weight=1.0)
    batch = batch_of(module)
    module(batch)["total"].backward()
    ours = {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}
    module.zero_grad(set_to_none=True)
    understood, _ = module.learner.understand(batch)
    module._diffusion(module.fuse(understood, batch["one_hot"]), batch).backward()
    for name, p in module.named_parameters():
        if p.grad is not None:
            assert torch.allclose(ours[name], p.grad, atol=1e-6, rtol=1e-3), name


def test_by_gradient_l_cond_pulls_at_c_as_strongly_as_l_theta(foundation: Foundation) -> None:
    module = module_of(foundation, balance="gradient", condition_weight=1.0)
    losses = module(batch_of(module))
    weight = (losses["total"] - 0.3 * (0.25 * losses["scene"] + 0.25 * losses["object"] + 0.5 * losses["emotion"])
              - 0.4 * losses["ldm"]) / losses["cond"]  # fmt: skip
    ratio = losses["observed_gradient_ldm_at_c"] / losses["observed_gradient_cond_at_c"]
    assert weight.item() == pytest.approx(0.4 * ratio.item(), rel=1e-3)


def test_the_conditions_head_may_see_the_text_encoders_output(foundation: Foundation) -> None:
    module = module_of(foundation, condition_input="text")
    assert "fusion.phis" in touched(module, module(batch_of(module))["cond"])
    assert module.condition.first.in_features == foundation.base.encoder.joint_width


def test_the_cosine_is_between_conditions_of_different_emotions() -> None:
    conditions = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]])
    assert cosine_between_emotions(conditions, torch.tensor([0, 0, 1])) == 0
    assert cosine_between_emotions(conditions, torch.tensor([0, 1, 2])).item() == pytest.approx(1 / 3)
    assert cosine_between_emotions(conditions, torch.tensor([0, 0, 0])) == 0


def test_the_nearest_attribute_is_that_of_the_projection_also_for_drawn_queries(foundation: Foundation) -> None:
    module = module_of(foundation)
    batch = batch_of(module)
    understood, _ = module.learner.understand(batch)
    for kind, seen in understood.seen.items():
        from_queries = module.nearest_of_pooled(kind, seen.queries.mean(1))
        assert torch.equal(from_queries, module.nearest(kind, seen.joint))
        base = getattr(module.learner, f"{kind}_base")
        assert torch.equal(from_queries, (seen.joint @ base.T).argmax(1))


def test_dropped_samples_leave_the_diffusion_loss_without_a_condition(foundation: Foundation) -> None:
    module = module_of(foundation)
    batch = batch_of(module)
    batch["dropped"] = torch.ones(6, dtype=torch.bool)
    loss = module(batch)["ldm"]
    assert not loss.requires_grad or not touched(module, loss)


def test_parts_that_the_understanding_has_no_queries_for_are_refused() -> None:
    assert parts_of(SETTINGS, ("scene", "object")) == ("scene", "object", CLASS)
    assert parts_of(SETTINGS.model_copy(update={"parts": "class"}), ()) == (CLASS,)
    assert parts_of(SETTINGS.model_copy(update={"parts": "class_patch"}), ()) == (CLASS, PATCH)
    for parts in ("all", "class_scene_object_patch"):
        with pytest.raises(ValueError, match="needs object queries"):
            parts_of(SETTINGS.model_copy(update={"parts": parts}), ("scene",))


def test_the_nearest_attribute_is_the_same_in_bf16_as_in_sampling(foundation: Foundation) -> None:
    module = module_of(foundation)
    module.learner.scene_base = torch.nn.functional.normalize(torch.randn(500, 24), dim=1)
    joint = torch.nn.functional.normalize(torch.randn(400, 24), dim=1)
    wanted = module.nearest("scene", joint)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(module.nearest("scene", joint), wanted)
        assert not torch.equal((joint @ module.learner.scene_base.T).argmax(1), wanted)
