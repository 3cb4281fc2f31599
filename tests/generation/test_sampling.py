"""Sampling: an image depends on its own request alone, and the batch around it changes nothing but low bits."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.emotions import EMOTIONS
from pipeline.generation.folder import Foundation, load_foundation, save_generator
from pipeline.generation.images import image_rows, plan
from pipeline.generation.load import load_generator
from pipeline.generation.request import Request, request
from pipeline.generation.sampling import EmotionGenerator, Sampling, sample
from pipeline.generation.space import fit_space, load_space
from pipeline.params import Images
from pipeline.runtime import multiplies_bf16
from pipeline.schemas import IMAGES_SCHEMA, check_table, encode_words

QUICK = Sampling(3, 3.0, "sde-dpmsolver++", 8)


@pytest.fixture(scope="module")
def foundation(models: Path) -> Foundation:
    return load_foundation(models / "foundation/diffusion", models / "foundation/clip")


@pytest.fixture(scope="module")
def generator(foundation: Foundation, tmp_path_factory: pytest.TempPathFactory) -> EmotionGenerator:
    folder = tmp_path_factory.mktemp("stable_diffusion")
    save_generator(folder, "prompt", {"prompt": "an image of {S}"}, foundation.digest)
    return load_generator(folder, foundation)


def made(
    foundation: Foundation, generator: EmotionGenerator, requests: list[Request], sampling: Sampling = QUICK
) -> np.ndarray:
    return np.stack(list(sample(foundation.base, generator, requests, sampling)))


def test_an_image_is_the_same_in_any_batch(foundation: Foundation, generator: EmotionGenerator) -> None:
    requests = [request(emotion, seed) for seed, emotion in enumerate(EMOTIONS[:5])]
    together = made(foundation, generator, requests).astype(int)
    alone = made(foundation, generator, requests[3:4]).astype(int)
    split = made(foundation, generator, requests, Sampling(3, 3.0, "sde-dpmsolver++", 2)).astype(int)
    assert abs(together[3] - alone[0]).max() <= 1
    assert abs(together - split).max() <= 1


def test_it_is_what_plain_diffusers_makes_of_the_same_words_and_noise(
    foundation: Foundation, generator: EmotionGenerator
) -> None:
    from pipeline.generation.sampling import generators

    asked = request("fear", 4)
    (ours,) = made(foundation, generator, [asked])
    pipeline = foundation.base.pipeline
    pipeline.scheduler = foundation.base.solver(QUICK.solver)
    theirs = pipeline(
        "an image of fear", generator=generators([asked])[0], num_inference_steps=3, guidance_scale=3.0,
        output_type="np",
    ).images[0]  # fmt: skip
    assert abs(ours.astype(int) - (theirs * 255).round()).max() <= 1


def test_another_seed_is_another_image_and_every_solver_works(
    foundation: Foundation, generator: EmotionGenerator
) -> None:
    one, other = made(foundation, generator, [request("awe", 0), request("awe", 1)])
    assert abs(one.astype(int) - other).mean() > 5
    for name in ("dpmsolver++", "unipc", "ddim", "euler"):
        assert made(foundation, generator, [request("awe", 0)], Sampling(3, 3.0, name, 8)).std() > 5


def test_a_request_for_a_noun_and_for_two_emotions_is_worded(
    foundation: Foundation, generator: EmotionGenerator
) -> None:
    fused = request({"awe": 1, "fear": 1}, 0)
    assert fused.name == "awe and fear"
    assert sum(fused.weights) == 1
    street = request("awe", 0, "{S} street")
    states = generator.condition([request("awe", 0), street]).states
    assert not torch.equal(states[0], states[1])


@pytest.mark.parametrize(
    ("emotions", "message"), [("joy", "unknown emotion 'joy'"), ({"awe": 0.0}, "allowed is a number > 0")]
)
def test_a_wrong_request_says_why(emotions: str | dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        request(emotions, 0)


def test_a_plan_has_every_image_in_order_from_seeds_that_methods_share() -> None:
    settings = Images(num_per_emotion=200, prompt="{S}", source="full", strength=1.0, solver="ddim", steps=2,
                      guidance=3.0, precision="fp32", batch_size=64)  # fmt: skip
    shards = plan("coemogen_emoset", EMOTIONS, settings, 0)
    planned = [each for shard in shards for each in shard]
    assert [len(shard) for shard in shards] == [256] * 6 + [64]
    assert [each.image_id for each in planned] == sorted(each.image_id for each in planned)
    others = [each for shard in plan("stable_diffusion", EMOTIONS, settings, 0) for each in shard]
    assert [each.request for each in planned] == [each.request for each in others]
    assert len({each.request.seed for each in planned}) == 1600
    known = plan("coemogen_emoart", ["awe", "fear"], settings, 0)
    assert {each.emotion for shard in known for each in shard} == {"awe", "fear"}
    rows = image_rows(planned[:3], [np.full((8, 8, 3), index, np.uint8) for index in range(3)], "m", "0" * 16)
    check_table(encode_words(rows, IMAGES_SCHEMA), IMAGES_SCHEMA)


def test_a_generator_of_another_diffusion_model_is_refused(foundation: Foundation, tmp_path: Path) -> None:
    save_generator(tmp_path, "prompt", {"prompt": "{S}"}, "0" * 16)
    with pytest.raises(ValueError, match="was trained on the diffusion model '0000"):
        load_generator(tmp_path, foundation)
    (tmp_path / "meta.json").write_text("{")
    with pytest.raises(ValueError, match="damaged"):
        load_generator(tmp_path, foundation)
    with pytest.raises(ValueError, match="is not the folder of a generator"):
        load_generator(tmp_path / "nowhere", foundation)


def test_the_sources_of_v_have_the_moments_that_they_say(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((6, 6)).astype(np.float32)
    train = rng.standard_normal((3000, 6)).astype(np.float32) @ mixing + 2
    emotions = np.repeat([1, 6], 1500)
    fit_space({"visual": (train, emotions, train[:7], np.full(7, 1))}).save(tmp_path)
    space = load_space(tmp_path)
    assert space.emotions == ["awe", "fear"]
    awe = train[emotions == 1]
    draws = {
        source: np.stack([space.draw("visual", 1, source, seed).numpy() for seed in range(3000)])
        for source in ("diagonal", "full", "mean", "real")
    }
    assert np.allclose(draws["full"].mean(0), awe.mean(0), atol=0.3)
    assert np.allclose(np.cov(draws["full"].T), np.cov(awe.T), atol=0.8)
    assert np.allclose(np.cov(draws["diagonal"].T), np.diag(awe.var(0)), atol=0.8)
    assert np.ptp(draws["mean"], axis=0).max() == 0
    assert {tuple(row) for row in draws["real"]} == {tuple(row) for row in train[:7]}
    assert torch.equal(space.draw("visual", 1, "full", 5), space.draw("visual", 1, "full", 5))
    for emotion, source, message in (
        (0, "mean", "was not trained on amusement"),
        (6, "real", "the val split has no images of fear"),
    ):
        with pytest.raises(ValueError, match=message):
            space.draw("visual", emotion, source, 0)


def test_bf16_draws_nearly_the_same_image_and_the_same_where_it_is_computed_in_fp32(
    foundation: Foundation, generator: EmotionGenerator
) -> None:
    exact, coarse = (
        made(foundation, generator, [request("awe", 0)], Sampling(4, 3.0, "dpmsolver++", 8, precision)).astype(int)
        for precision in ("fp32", "bf16")
    )
    apart = np.abs(exact - coarse).mean()
    assert apart < 5
    assert (apart > 0) == multiplies_bf16("cpu")


def test_guidance_leads_away_from_a_negative_prompt(foundation: Foundation, generator: EmotionGenerator) -> None:
    requests, plain = [request("fear", 4)], made(foundation, generator, [request("fear", 4)])
    others = {
        negative: made(
            foundation, generator, requests, Sampling(3, 3.0, "sde-dpmsolver++", 8, negative_prompt=negative)
        )
        for negative in ("", "an image of awe", "an image of fear")
    }
    unguided = made(foundation, generator, requests, Sampling(3, 1.0, "sde-dpmsolver++", 8))
    assert (others[""] == plain).all()
    assert np.abs(others["an image of awe"].astype(int) - plain).max() > 8
    assert np.abs(others["an image of fear"].astype(int) - unguided).max() <= 1
