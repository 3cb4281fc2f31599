"""CoEmoGen on a handful of pictures: what is trained, what is frozen, what a folder gives back."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.coemogen.model import CoEmoGen, build, ranks
from pipeline.coemogen.training import Inputs, drawer, summary, task
from pipeline.generation.folder import Foundation, load_foundation, save_generator
from pipeline.generation.load import load_generator
from pipeline.generation.request import request
from pipeline.generation.space import Space, fit_space
from pipeline.params import Coemogen, Images, Params
from pipeline.runtime import numpy_generator, torch_generator
from pipeline.training.loop import Trained, fit

ROOT = Path(__file__).parents[2]
DEFAULTS = Params()
SETTINGS = DEFAULTS.coemogen.model_copy(update={"steps": 3, "batch_size": 4, "sheet_steps": 3, "precision": "fp32"})
IMAGES = DEFAULTS.images.model_copy(update={"steps": 2})


class Latents:
    """Stands for the cache: random latents by row."""

    def draw(self, rows: torch.Tensor, mirror: bool, generator: torch.Generator) -> torch.Tensor:
        return torch.randn(len(rows), 16, 8, 8, generator=generator)


def found() -> Inputs:
    rng = np.random.default_rng(0)
    visual, captions = (torch.nn.functional.normalize(torch.from_numpy(rng.standard_normal((12, 128)).astype("f4")))
                        for _ in range(2))  # fmt: skip
    return Inputs(np.arange(12) % 8, visual, captions, torch.arange(12), Latents())


def space(inputs: Inputs) -> Space:
    visual = inputs.visual.numpy()
    return fit_space({"visual": (visual, inputs.emotions, visual[:0], inputs.emotions[:0])})


def fresh(models: Path, **changes: Any) -> tuple[Foundation, CoEmoGen, Coemogen]:
    foundation = load_foundation(models / "foundation/diffusion", models / "foundation/clip")
    settings = SETTINGS.model_copy(update=changes)
    model = build(settings, foundation.base, 128, torch_generator(0, "model"))
    return foundation, model, settings


def train(
    models: Path, work: Path, images: Images = IMAGES, **changes: Any
) -> tuple[Trained, Foundation, CoEmoGen, Inputs]:
    foundation, model, settings = fresh(models, **changes)
    inputs = found()
    given = task(model, inputs, space(inputs), settings, images, numpy_generator(0))
    return fit(given, 0, work, "test"), foundation, model, inputs


def test_only_mapper_perception_and_adapters_are_trained_and_all_else_keeps_its_bytes(
    models: Path, tmp_path: Path
) -> None:
    _, model, _ = fresh(models)
    frozen = {name: p.detach().clone() for name, p in model.named_parameters() if not p.requires_grad}
    assert {name.split(".")[0] for name in frozen} == {"unet", "encoder"}
    trained, _, after, _ = train(models, tmp_path)
    now = dict(after.named_parameters())
    assert all(torch.equal(now[name], p) for name, p in frozen.items())
    assert {name.split(".")[0] for name in trained.weights} == {"unet", "embedding"}
    assert all("lora_" in name for name in trained.weights if name.startswith("unet."))
    assert any(not torch.equal(trained.weights[name], p) for name, p in model.named_parameters() if "lora_B" in name)


def test_two_trainings_are_equal_and_leave_sheets_and_a_curve(models: Path, tmp_path: Path) -> None:
    one, _, model, inputs = train(models, tmp_path / "one")
    other = train(models, tmp_path / "other")[0]
    assert all(torch.equal(one.weights[name], other.weights[name]) for name in one.weights)
    assert [path.name for path in one.sheets] == ["step-000003.png"]
    assert summary(one, model, inputs)["num_parameters_adapters"] == 10 * 59_136


def test_a_saved_folder_samples_as_the_trained_model_does(models: Path, tmp_path: Path) -> None:
    trained, foundation, model, inputs = train(models, tmp_path / "work")
    folder = tmp_path / "coemogen_emoset"
    save_generator(
        folder, "coemogen", SETTINGS.model_dump(mode="json"), foundation.digest, trained.weights, space(inputs)
    )
    again = load_foundation(models / "foundation/diffusion", models / "foundation/clip")
    loaded = load_generator(folder, again)
    requests = [request("awe", 1), request({"fear": 0.5, "awe": 0.5}, 2, "{S} street")]
    inputs_BCHW, steps = torch.randn(2, 16, 8, 8), torch.tensor([10, 500])
    from pipeline.coemogen.generator import CoEmoGenGenerator

    ours = CoEmoGenGenerator(model, space(inputs), "diagonal")
    with torch.no_grad():
        made = []
        for generator, unet in ((ours, foundation.base.pipeline.unet), (loaded, again.base.pipeline.unet)):
            states = generator.condition(requests).states
            with generator.applied(requests):
                made.append(unet(inputs_BCHW, steps, states).sample)
    assert torch.equal(*made)


def test_weights_that_do_not_fit_their_meta_are_refused(models: Path, tmp_path: Path) -> None:
    foundation, model, settings = fresh(models)
    weights = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
    params = settings.model_copy(update={"rank": 2}).model_dump(mode="json")
    save_generator(tmp_path, "coemogen", params, foundation.digest, weights, space(found()))
    again = load_foundation(models / "foundation/diffusion", models / "foundation/clip")
    with pytest.raises(ValueError, match="does not match the weights"):
        load_generator(tmp_path, again)


def test_dropped_samples_learn_under_the_empty_text(models: Path) -> None:
    """Their denoising loss does not reach the embedding, and L_SEM is left out of it by weight 0."""
    _, model, settings = fresh(models, sem_weight=0.0, text_dropout=1.0)
    batch = drawer(found(), model, settings)(torch.arange(4), torch.Generator().manual_seed(0))
    assert batch["dropped"].all()
    model(batch)["total"].backward()
    assert all(p.grad is None or not p.grad.any() for p in model.embedding.parameters())
    assert any(p.grad is not None and p.grad.any() for p in model.hilora.parameters().values())


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, (8, 2, 4)),
        ({"emotion_adapters": False}, (0, 2, 4)),
        ({"polarity_adapters": False}, (8, 0, 4)),
        ({"polarity_adapters": False, "matched_rank": True}, (8, 0, 8)),
        ({"emotion_adapters": False, "polarity_adapters": False}, (0, 0, None)),
    ],
)
def test_ablations_leave_a_kind_of_adapters_out(changes: dict[str, bool], wanted: tuple[int, int, int | None]) -> None:
    found = ranks(SETTINGS.model_copy(update=changes))
    kinds = [sum(name in found for name in names) for names in (("awe", "fear", "anger"), ("positive", "negative"))]
    assert (bool(wanted[0]), bool(wanted[1])) == (bool(kinds[0]), bool(kinds[1]))
    assert set(found.values()) == ({wanted[2]} if wanted[2] else set())


def test_without_any_adapter_a_step_trains_the_embedding_alone(models: Path, tmp_path: Path) -> None:
    trained = train(models, tmp_path, emotion_adapters=False, polarity_adapters=False)[0]
    assert {name.split(".")[0] for name in trained.weights} == {"embedding"}
