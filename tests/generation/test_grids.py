"""Grids hold every combination once, and only what the method knows."""

from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.generation.grids import draw_grid, grids
from pipeline.params import Grids

SETTINGS = Grids()


def test_every_emotion_meets_every_noun_and_strength_and_pairs_are_fused_by_weight() -> None:
    made = grids(["awe", "fear", "anger"], SETTINGS)
    assert made["transfer"].rows == ("awe", "anger", "fear")
    assert made["transfer"].columns == SETTINGS.nouns
    prompts = {each.prompt for cell in made["transfer"].cells.values() for each in cell}
    assert prompts == {f"{{S}} {noun}" for noun in SETTINGS.nouns}
    assert {each.strength for cell in made["strength"].cells.values() for each in cell} == set(SETTINGS.strengths)
    assert made["fusion"].rows == ("awe / fear",)
    half = made["fusion"].cells["awe / fear", "50%"][0].weights
    assert (half[1], half[6], sum(half)) == (0.5, 0.5, 1.0)
    pure = made["fusion"].cells["awe / fear", "0%"][0].weights
    assert pure[6] == 1.0


def test_a_method_without_fused_emotions_has_no_fusion_grid() -> None:
    assert "fusion" not in grids(["anger", "disgust"], SETTINGS)


def test_a_grid_is_sampled_in_one_go_and_drawn(tmp_path: Path) -> None:
    asked = []

    def sampler(requests: list) -> list[np.ndarray]:
        asked.append(len(requests))
        return [np.full((8, 8, 3), 30 * index % 255, np.uint8) for index in range(len(requests))]

    grid = grids(["awe", "fear"], SETTINGS)["transfer"]
    draw_grid(grid, sampler, tmp_path / "transfer.png")
    assert asked == [2 * len(SETTINGS.nouns) * SETTINGS.images_per_cell]
    with Image.open(tmp_path / "transfer.png") as picture:
        assert picture.width > picture.height > 100
