"""EmotionPipeline: pictures by the seed alone, transfer, fusion and strength, and what a user can get wrong."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from evoke import EmotionPipeline
from evoke.pipeline import planned
from pipeline.generation.defaults import SOLVERS, SOURCES
from pipeline.generation.folder import save_generator
from pipeline.generation.sampling import Sampling
from pipeline.params import Solver, Source
from pipeline.runtime import seed_of
from tests.generation.trained import random_coemogen


@pytest.fixture(scope="module")
def folder(models: Path) -> Path:
    return random_coemogen(models, "coemogen_five", emotions=("awe", "fear", "anger", "sadness", "amusement"))


@pytest.fixture(scope="module")
def pipe(folder: Path) -> EmotionPipeline:
    return EmotionPipeline.from_pretrained(str(folder), device="cpu")


def made(pipe: EmotionPipeline, *args: object, **more: object) -> np.ndarray:
    """Pictures NHW3 of two steps, as numbers."""
    return np.stack([np.asarray(picture) for picture in pipe(*args, **{"steps": 2, **more})]).astype(int)  # type: ignore[arg-type]


def test_the_first_of_four_is_the_first_of_one(pipe: EmotionPipeline) -> None:
    four, one = made(pipe, "awe", num_images=4, seed=1), made(pipe, "awe", num_images=1, seed=1)
    assert four.shape == (4, 64, 64, 3)
    assert np.abs(four[:1] - one).max() <= 1
    assert np.abs(four[1:] - one).max() > 20
    assert np.abs(four - made(pipe, "awe", num_images=4, seed=1, batch_size=3)).max() <= 1
    assert np.abs(one - made(pipe, "awe", seed=2)).max() > 20


def test_every_word_of_the_call_acts(pipe: EmotionPipeline) -> None:
    usual = made(pipe, "awe", steps=4)
    changes: list[dict[str, object]] = [
        {"prompt": "{S} street"}, {"strength": 0.5}, {"steps": 5}, {"guidance": 2.0}, {"solver": "ddim"}
    ]  # fmt: skip
    for change in changes:
        assert np.abs(made(pipe, "awe", **{"steps": 4, **change}) - usual).max() > 4, change
    assert np.abs(made(pipe, {"awe": 0.5, "fear": 0.5}, steps=4) - usual).max() > 4
    assert np.array_equal(made(pipe, {"awe": 3.0}, steps=4), usual)
    assert np.array_equal(made(pipe, "awe", steps=4), usual)  # another solver before leaves no trace


def test_a_seed_of_the_run_gives_each_picture_one_of_its_own_and_that_makes_it_again(pipe: EmotionPipeline) -> None:
    requests = planned("awe", 3, seed=1)
    assert [each.seed for each in requests] == [seed_of(1, "generate", index) for index in range(3)]
    (again,) = pipe.pictures(requests[2:], Sampling(2, 5.0))
    assert np.abs(again - made(pipe, "awe", num_images=3, seed=1)[2]).max() <= 1


def test_each_solver_of_the_ode_comes_to_the_same_picture(pipe: EmotionPipeline) -> None:
    """Without adapters, as these are drawn at random. DDIM once clipped the latents as if they were pixels."""
    wanted = made(pipe, "awe", steps=15, guidance=1.0, strength=0.0, solver="dpmsolver++")
    for solver in ("unipc", "euler", "ddim"):
        assert np.abs(made(pipe, "awe", steps=15, guidance=1.0, strength=0.0, solver=solver) - wanted).mean() < 5, (
            solver
        )


def test_a_model_of_prompts_is_a_pipeline_too(models: Path, pipe: EmotionPipeline) -> None:
    save_generator(models / "prompts", "prompt", {"prompt": "an image of {S}"}, pipe.foundation.digest)
    plain = EmotionPipeline.from_pretrained(models / "prompts", device="cpu")
    assert np.array_equal(made(plain, "awe"), made(plain, "awe", prompt="an image of {S}"))
    assert plain.source == ""
    assert pipe.source == "diagonal"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ({"emotion": "aw"}, r"unknown emotion 'aw'; did you mean 'awe'\?"),
        ({"emotion": "happiness"}, r"'happiness'; did you mean 'amusement', 'contentment' or 'excitement'\? Allowed"),
        ({"emotion": "surprise"}, "unknown emotion 'surprise'; allowed are amusement, awe"),
        ({"emotion": {}}, "no emotion is given"),
        ({"emotion": {"awe": 0.0}}, "the weight of awe is 0.0"),
        ({"emotion": "excitement"}, "the model knows no excitement"),
        ({"emotion": "awe", "num_images": 0}, "num_images = 0"),
        ({"emotion": "awe", "prompt": "street"}, r"the prompt 'street' has no \{S\}"),
        ({"emotion": "awe", "prompt": "{S} " + "street " * 40}, "CLIP allows at most 32"),
        ({"emotion": "awe", "strength": -1.0}, "strength = -1.0"),
        ({"emotion": "awe", "steps": 0}, "steps = 0"),
        ({"emotion": "awe", "guidance": float("nan")}, "guidance = nan"),
        ({"emotion": "awe", "solver": "pndm"}, "solver = 'pndm': allowed are sde-dpmsolver"),
    ],
)
def test_what_a_user_gets_wrong_is_told(pipe: EmotionPipeline, call: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        pipe(**call)  # type: ignore[arg-type]


def test_a_folder_that_lacks_something_is_told(folder: Path, models: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not the folder of a generator"):
        EmotionPipeline.from_pretrained(tmp_path)
    with pytest.raises(ValueError, match="allowed are diagonal, full, mean, real"):
        EmotionPipeline.from_pretrained(folder, source="median")  # type: ignore[arg-type]
    moved = shutil.copytree(folder, tmp_path / "elsewhere/model")
    with pytest.raises(ValueError, match=r"foundation/diffusion does not exist: .*dvc repro foundation_diffusion"):
        EmotionPipeline.from_pretrained(moved)
    foundation = models / "foundation"
    there = EmotionPipeline.from_pretrained(moved, foundation / "diffusion", foundation / "clip", "cpu", "mean")
    assert isinstance(there("awe", steps=1)[0], Image.Image)


def test_importing_evoke_imports_no_torch() -> None:
    code = (
        "import sys, evoke; assert 'torch' not in sys.modules; from evoke import cli; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_what_help_lists_is_what_there_is() -> None:
    """defaults.py repeats the names, as help must not import what defines them."""
    assert get_args(Solver) == SOLVERS
    assert get_args(Source) == SOURCES
