"""Recipes: what is refused."""

import pytest

from pipeline.foundation import recipes
from pipeline.miniature import distributions as d


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


@pytest.mark.parametrize(
    ("recipe", "change", "message"),
    [
        (recipes.CLIP, {"vision_width": 130}, r"vision_width = 130: must be a multiple of heads \(4\)"),
        (recipes.CLIP, {"text_width": 130}, "text_width = 130"),
        (recipes.CLIP, {"patch_px": 7}, "must be a multiple of patch_px"),
        (recipes.VAE, {"norm_groups": 7}, "channels = 24: must be a multiple of norm_groups"),
        (recipes.UNET, {"heads": 5}, "channels = 96: must be a multiple of heads"),
        (recipes.UNET, {"norm_groups": 5}, "channels = 96: must be a multiple of norm_groups"),
        (recipes.CAPTIONER, {"width": 130}, "width = 130: must be a multiple of heads"),
    ],
)
def test_sizes_that_do_not_divide_are_refused_before_training(
    recipe: recipes.Recipe, change: dict[str, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        type(recipe).model_validate(recipe.model_dump() | change)


def test_the_weakened_words_are_those_of_the_stream() -> None:
    recipe = recipes.WEAKENED_UNET
    assert recipe.stray_word_frac == d.STRAY_WORD_FRAC
    assert recipe.right_word_frac == d.RIGHT_WORD_FRAC
