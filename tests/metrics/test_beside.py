"""Real values beside a method's are of the same emotions, or are left out."""

from typing import Any

import pytest

from pipeline.metrics.summary import beside

KEY = "sem_d_mse/clip/emogen"


def flat(key: str = KEY, **values: float | None) -> dict[str, Any]:
    return {f"{prefix}/{emotion}": value for emotion, value in values.items() for prefix in (key, "emo_a/classifier")}


def test_the_mean_is_over_the_emotions_that_have_a_value_of_the_method() -> None:
    found = flat("sem_c", awe=0.1, anger=0.2, fear=None)
    real = flat("sem_c", amusement=0.0, awe=0.5, anger=0.75, fear=0.1) | {"sem_c": 0.3}
    assert beside(found, real, ["sem_c"]) == {
        "real/sem_c/awe": 0.5, "real/sem_c/anger": 0.75, "real/sem_c": pytest.approx(0.625),
    }  # fmt: skip


def test_a_mean_that_would_lack_an_emotion_is_left_out() -> None:
    found = flat("sem_c", awe=0.1, anger=0.2)
    assert beside(found, flat("sem_c", awe=0.5, anger=None) | {"sem_c": 0.3}, ["sem_c"]) == {"real/sem_c/awe": 0.5}
    assert beside(found, {"sem_c": 0.3}, ["sem_c"]) == {}


def test_pairs_of_published_code_are_held_against_real_ones_only_where_both_have_the_same_emotions_before() -> None:
    found, real = flat(amusement=0.1, contentment=0.3), flat(amusement=0.2, awe=0.4, contentment=0.6)
    assert beside(found, real, [KEY]) == {f"real/{KEY}/amusement": 0.2}
    assert f"real/{KEY}" in beside(real, real, [KEY])


@pytest.mark.parametrize("key", ["sem_c/judge/emogen", "emo_a/judge/emogen"])
def test_what_emogen_pools_is_weighted_by_the_images_that_the_method_has(key: str) -> None:
    found = flat(key, awe=0.1, anger=0.2) | {f"{key}/awe/n": 1, f"{key}/anger/n": 3}
    real = flat(key, awe=0.5, anger=0.75) | {f"{key}/awe/n": 10, f"{key}/anger/n": 10}
    assert beside(found, real, [key])[f"real/{key}"] == pytest.approx((0.5 + 3 * 0.75) / 4)
