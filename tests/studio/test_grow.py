"""The room Grow: with the emotion from the first step on it is Make's image, without it the neutral one."""

import numpy as np
import pytest

from evoke.pipeline import EmotionPipeline
from evoke.studio.grow import Growth, grow, run, shown_steps
from evoke.studio.models import Studio
from pipeline.generation.request import Request, request
from pipeline.generation.sampling import Sampling

STEPS = 4


@pytest.fixture(scope="module")
def pipeline(shared: Studio) -> EmotionPipeline:
    return shared.generator("coemogen_one")


def image(pipeline: EmotionPipeline, asked: Request) -> np.ndarray:
    (made,) = pipeline.pictures([asked], Sampling(STEPS, 5.0, batch_size=1))
    return made.astype(int)


@pytest.mark.parametrize("asked", [request("fear", 3, "{S} street"), request("awe", 3, strength=0.5)])
def test_on_from_the_beginning_it_is_the_image_and_never_on_the_neutral_one(
    pipeline: EmotionPipeline, asked: Request
) -> None:
    on, off = grow(pipeline, asked, 0, STEPS), grow(pipeline, asked, STEPS, STEPS)
    assert len(on.frames) == len(off.frames) == STEPS
    assert np.abs(on.frames[-1] - image(pipeline, asked)).max() <= 1
    neutral = request(asked.mixture, asked.seed, asked.prompt, 0.0)
    assert np.abs(off.frames[-1] - image(pipeline, neutral)).max() <= 1
    assert np.abs(on.frames[-1].astype(int) - off.frames[-1]).max() > 8


def test_before_the_step_nothing_is_felt_and_after_it_something(pipeline: EmotionPipeline) -> None:
    asked = request("fear", 3)
    late, off = grow(pipeline, asked, 2, STEPS), grow(pipeline, asked, STEPS, STEPS)
    same = [bool((one == other).all()) for one, other in zip(late.frames, off.frames, strict=True)]
    assert same == [True, True, False, False]


def test_a_row_for_each_beginning_with_what_a_reader_says(shared: Studio) -> None:
    pages = list(run(shared, "fear", "street", 1.0, 0, "coemogen_one", "uniemo_understanding", 2, STEPS))
    last = pages[-1]
    assert [title in last for title in ("from the first step on", "from step 3 of 4", "from step 4 of 4", "never")]
    assert last.count("<section") == 4
    assert last.count("<img") == 4 * STEPS
    assert last.count("ev-off") == 0 + 2 + 3 + 4
    assert last.count("%") >= 4 * STEPS
    (said,) = run(shared, "fear", "", 1.0, 0, "coemogen_one", "none", 9, STEPS)
    assert "allowed are 0 to 4" in said
    assert "knows no awe" in list(run(shared, "awe", "", 1.0, 0, "coemogen_two", "none", 2, STEPS))[-1]


def test_shown_steps_are_the_first_the_last_and_some_between() -> None:
    assert shown_steps(25) == [0, 3, 7, 10, 14, 17, 21, 24]
    assert shown_steps(2) == [0, 1]
    assert Growth(0, []).frames == []
