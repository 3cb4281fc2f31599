"""Recipes: what is refused."""

import pytest

from pipeline.foundation import recipes


def test_recipes_refuse_what_is_not_theirs() -> None:
    values = recipes.CLIP.model_dump()
    for wrong in (
        {"steps": 0},
        {"steps": "10"},
        {"speed": 1},
        {"warmup_steps": 10**9},
        {"learning_rate": float("nan")},
    ):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            recipes.ClipRecipe.model_validate(values | wrong)
