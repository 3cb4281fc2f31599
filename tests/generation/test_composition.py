"""Compositions: strength 0 is neutral, 1 the emotion, a mixture lies between, whatever kind of model it is."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.emotions import EMOTIONS
from pipeline.generation.composition import NO_EMOTION, composition, num_terms
from pipeline.generation.folder import Foundation, load_foundation, save_generator
from pipeline.generation.load import load_generator
from pipeline.generation.request import request
from pipeline.generation.sampling import EmotionGenerator, Sampling, denoised, generators
from tests.generation.trained import random_coemogen

SAMPLING = Sampling(4, 3.0, "sde-dpmsolver++", 8)


@pytest.fixture(scope="module", params=["coemogen", "prompt"])
def taught(
    models: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Foundation, EmotionGenerator]:
    foundation = load_foundation(models / "foundation/diffusion", models / "foundation/clip")
    if request.param == "coemogen":
        return foundation, load_generator(random_coemogen(models, "composed"), foundation)
    folder = tmp_path_factory.mktemp("stable_diffusion")
    save_generator(folder, "prompt", {"prompt": "an image of {S}"}, foundation.digest)
    return foundation, load_generator(folder, foundation)


def made(taught: tuple[Foundation, EmotionGenerator], *requests: object) -> np.ndarray:
    foundation, generator = taught
    return np.stack(list(denoised(foundation.base, generator, requests, SAMPLING)))  # type: ignore[arg-type]


def test_strength_0_is_what_the_foundation_model_draws_of_the_rest_of_the_prompt(
    taught: tuple[Foundation, EmotionGenerator],
) -> None:
    asked = request("fear", 4, "a {S} street", strength=0.0)
    (ours,) = made(taught, asked)
    base, pipeline = taught[0].base, taught[0].base.pipeline
    pipeline.scheduler = base.solver(SAMPLING.solver)
    theirs = pipeline(
        "a street", generator=generators([asked])[0], num_inference_steps=4, guidance_scale=3.0, output_type="np"
    ).images[0]
    assert abs(ours - theirs).max() < 2e-3


def test_the_image_moves_from_neutral_through_the_trained_emotion_and_on(
    taught: tuple[Foundation, EmotionGenerator],
) -> None:
    neutral, half, whole, more = made(taught, *(request("awe", 1, strength=s) for s in (0.0, 0.5, 1.0, 1.5)))
    away = [np.abs(image - neutral).mean() for image in (half, whole, more)]
    assert 0.01 < away[0] < away[1]
    assert np.abs(half - whole).mean() < away[1]
    assert np.abs(more - whole).mean() > 0.01


def test_a_mixture_of_nearly_one_emotion_is_that_emotion_and_the_order_does_not_matter(
    taught: tuple[Foundation, EmotionGenerator],
) -> None:
    awe, nearly, mixed, turned = made(
        taught,
        request("awe", 3),
        request({"awe": 1.0, "fear": 1e-4}, 3),
        request({"awe": 0.6, "fear": 0.4}, 3),
        request({"fear": 0.4, "awe": 0.6}, 3),
    )
    assert abs(nearly - awe).max() < 0.02
    assert np.abs(mixed - awe).mean() > 0.005
    assert abs(mixed - turned).max() < 2e-3


def test_composed_images_do_not_depend_on_what_else_is_in_the_batch(
    taught: tuple[Foundation, EmotionGenerator],
) -> None:
    requests = [request("awe", 0), request({"awe": 0.5, "anger": 0.5}, 1, strength=0.7), request("fear", 2, strength=0)]
    together = made(taught, *requests)
    for index, one in enumerate(requests):
        assert abs(made(taught, one)[0] - together[index]).max() < 5e-3


def test_terms_and_their_weights_sum_to_one() -> None:
    requests = [request("awe", 0), request({"awe": 0.6, "fear": 0.4}, 1, "{S} street", strength=0.5)]
    composed = composition(requests)
    assert [num_terms(each) for each in requests] == [1, 3]
    assert composed.firsts == [0, 1]
    assert composed.matrix().sum(1).tolist() == pytest.approx([1.0] * 4)
    assert composed.weights.tolist() == pytest.approx([1.0, 0.5, 0.3, 0.2])
    assert [term.prompt for term in composed.terms[1:]] == ["street", "{S} street", "{S} street"]
    assert composed.terms[1].weights == NO_EMOTION
    assert torch.equal(composed.emotional, torch.tensor([True, False, True, True]))
    assert [list(term.mixture) for term in composed.terms] == [["awe"], [], ["awe"], ["fear"]]
    assert not composed.is_plain
    assert composition([request(emotion, 0) for emotion in EMOTIONS]).is_plain
