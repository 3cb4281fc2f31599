"""The command that continues the U-Net on weak emotion words, and the figure that its f is fitted to."""

import argparse
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file

from benchmarks import weaken_words, word_strength
from pipeline.emotions import EMOTIONS
from pipeline.foundation import recipes
from pipeline.miniature.identity import world_hash
from pipeline.params import load_params

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def args(clip_folder: Path, diffusion_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> argparse.Namespace:
    folder = tmp_path_factory.mktemp("weakened")
    (folder / "models").mkdir()
    (folder / "models" / "clip").symlink_to(clip_folder)
    (folder / "models" / "diffusion").symlink_to(diffusion_folder)
    args = argparse.Namespace(
        models=folder / "models", data=folder / "data", work=folder / "work", out=folder / "out",
        bundle=ROOT / "models" / "miniature", f=0.4, q=None, rate=0.5, learning_rate=None, steps=2, scale=0.001,
    )  # fmt: skip
    weaken_words.draw(args)
    weaken_words.unet(args)
    weaken_words.clip(args)
    return args


def test_the_unet_alone_is_continued(args: argparse.Namespace) -> None:
    changed = {
        file.relative_to(args.out).as_posix()
        for file in args.out.rglob("*.safetensors")
        if file.is_relative_to(args.out / "diffusion")
        and file.read_bytes() != (args.models / file.relative_to(args.out)).read_bytes()
    }
    assert changed == {"diffusion/unet/diffusion_pytorch_model.safetensors"}


def test_its_facts_hold_f_and_the_world(args: argparse.Namespace) -> None:
    facts = json.loads((args.out / "unet.json").read_text())
    step = json.loads(facts["continued"])[-1]
    assert facts["world"] == step["world"] == world_hash()
    assert (step["recipe"]["stray_word_frac"], step["recipe"]["emotion_word_rate"]) == (0.4, 0.5)


def test_every_f_and_every_start_has_a_folder_of_checkpoints_of_its_own(args: argparse.Namespace) -> None:
    other = argparse.Namespace(**{**vars(args), "f": 0.5})
    further = argparse.Namespace(**{**vars(args), "models": args.out})
    own, *others = (
        weaken_words.training_hash(
            weaken_words.recipe_of(recipes.WEAKENED_UNET, a),
            a.models / "diffusion/unet/diffusion_pytorch_model.safetensors",
        )
        for a in (args, other, further)
    )
    assert own not in others
    assert own in {path.name for path in args.work.iterdir()}


def test_of_clip_the_vision_tower_alone_is_continued(args: argparse.Namespace) -> None:
    before, after = (load_file(folder / "clip" / "open_clip_model.safetensors") for folder in (args.models, args.out))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith("visual.") for name in changed)
    assert (
        json.loads(json.loads((args.out / "clip.json").read_text())["continued"])[-1]["recipe"]["stray_word_frac"]
        == 0.4
    )


def test_words_of_the_requested_f_are_the_same_again(args: argparse.Namespace) -> None:
    recipe = weaken_words.recipe_of(recipes.WEAKENED_UNET, args)
    ids = weaken_words.word_ids(args, recipe)
    assert ids.shape == (64, recipe.texts_per_picture, 32)
    assert np.array_equal(ids, weaken_words.word_ids(args, recipe))
    other = recipe.model_copy(update={"stray_word_frac": 0.5})
    assert not np.array_equal(ids, weaken_words.word_ids(args, other))


def test_as_many_images_of_each_emotion_are_judged() -> None:
    planned = word_strength.planned_images(load_params(ROOT / "params.yaml"), 32)
    assert [one.emotion for one in planned] == [name for name in sorted(EMOTIONS) for _ in range(4)]
    assert len({one.request.seed for one in planned}) == 32


def scores_of(right: dict[str, float], num: int) -> pa.Table:
    """Return scores of `num` images of each emotion; the given share of them is judged to be what was requested."""
    asked = np.repeat(np.arange(8), num)
    hits = np.concatenate([np.arange(num) < round(right.get(name, 1.0) * num) for name in EMOTIONS])
    said = np.eye(8, dtype=np.float32)[np.where(hits, asked, (asked + 1) % 8)]
    return pa.table(
        {"emotion": [EMOTIONS[index] for index in asked], "judge": said.tolist(), "classifier": said.tolist()}
    )


def test_the_ratio_is_that_of_the_means_over_emotions() -> None:
    told = word_strength.compared(scores_of({"awe": 0.5}, 10), scores_of({"fear": 0.2}, 20))
    assert told["generated/judge/awe"] == 0.5
    assert told["generated/judge"] == pytest.approx(7.5 / 8)
    assert told["real/judge"] == pytest.approx(7.2 / 8)
    assert told["ratio/judge"] == pytest.approx(7.5 / 7.2)
