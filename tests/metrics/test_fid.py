"""FID against its definition, torchmetrics and torch-fidelity on the same features; references by content."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.metrics.fid import T, fid, fid_of_real, frechet_distance, gaussian, jackknife_groups
from pipeline.metrics.reference import Reference, content_key, load_reference, reference_of, save_reference
from pipeline.metrics.result import Protocol
from pipeline.metrics.statistics import pooled_as, statistics_of

WIDTH = 24


def images(n: int, seed: int, shift: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mix = np.random.default_rng(7).standard_normal((WIDTH, WIDTH)) / 3 + np.eye(WIDTH)
    return (rng.standard_normal((n, WIDTH)) @ mix + 2 + shift).astype(np.float32)


def distance(first: np.ndarray, second: np.ndarray) -> float:
    return frechet_distance(statistics_of(first), gaussian(statistics_of(second)))


def reference(features: np.ndarray, emotions: list[int] | np.ndarray, protocol: Protocol = "clean") -> Reference:
    return reference_of(features, np.asarray(emotions), "", "small", protocol)


def generator() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("n", [12, 300])  # fewer and more than the features are wide
def test_the_distance_is_that_of_the_definition(n: int) -> None:
    from scipy.linalg import sqrtm

    first, second = images(n, 0, 0.5), images(400, 1)
    covariances = np.cov(first.T, dtype=np.float64), np.cov(second.T, dtype=np.float64)
    means = first.mean(0, np.float64) - second.mean(0, np.float64)
    wanted = means @ means + np.trace(sum(covariances) - 2 * np.real(sqrtm(covariances[0] @ covariances[1])))
    assert distance(first, second) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("n", [12, 300])
def test_the_distance_is_that_of_torchmetrics(n: int) -> None:
    fid_module = importlib.import_module("torchmetrics.image.fid")

    class Features(torch.nn.Module):
        num_features = WIDTH

        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            return pictures[:, :, 0, 0]

    first, second = images(n, 0, 0.5), images(400, 1)
    theirs = fid_module.FrechetInceptionDistance(Features(), normalize=True)
    theirs.update(torch.from_numpy(second)[..., None, None], real=True)
    theirs.update(torch.from_numpy(first)[..., None, None], real=False)
    assert distance(first, second) == pytest.approx(float(theirs.compute()), rel=1e-3)


def test_the_distance_is_that_of_torch_fidelity() -> None:
    metric = importlib.import_module("torch_fidelity.metric_fid")
    first, second = (images(300, 0, 0.5).astype(np.float64), images(400, 1).astype(np.float64))
    theirs = metric.fid_statistics_to_metric(
        *({"mu": part.mean(0), "sigma": np.cov(part.T)} for part in (first, second)), verbose=False
    )
    assert distance(first, second) == pytest.approx(next(iter(theirs.values())), rel=1e-3)


def test_a_set_is_at_distance_0_from_itself_even_where_its_covariance_is_singular() -> None:
    few = images(5, 0)
    assert abs(distance(few, few)) < 1e-5
    assert distance(few, few + 3) == pytest.approx(9 * WIDTH, rel=1e-6)


def test_sums_add_up_and_scale() -> None:
    all_of_it, parts = images(50, 0), np.split(images(50, 0), [10, 13])
    added = statistics_of(parts[0]) + statistics_of(parts[1]) + statistics_of(parts[2])
    assert np.allclose(added.covariance, np.cov(all_of_it.T, dtype=np.float64))
    assert np.allclose((added - statistics_of(parts[0])).mean, all_of_it[10:].mean(0))
    assert np.allclose(added.scaled(2).outer, statistics_of(np.concatenate([all_of_it, all_of_it])).outer)


def test_emogen_adds_up_sums_where_clean_weighs_emotions_as_the_images_have_them() -> None:
    # amusement: images 0, 2 (mean 1, variance 2), real 10, 14 (12, 8): 121 + (2^.5 - 8^.5)^2 = 123
    # awe: images 4, 6 (5, 2), real 5, 5, 5, 5 (5, 0): 0 + 2 = 2
    features, emotions = np.array([[0.0], [2], [4], [6]]), np.array([0, 0, 1, 1])
    real, of = np.array([[10.0], [14], [5], [5], [5], [5]]), [0, 0, 1, 1, 1, 1]
    deviation = np.std([0, 2, 4, 6], ddof=1)
    for protocol, mean, spread in (
        ("emogen", 44 / 6, np.std([10, 14, 5, 5, 5, 5], ddof=1)),
        ("clean-fid", 44 / 6, np.std([10, 14, 5, 5, 5, 5], ddof=1)),
        # three pictures' worth of each: squares 3 (100 + 196) / 2 + 3 * 25 = 519, mean 8.5, so 519 - 6 * 72.25 = 85.5
        ("clean", 8.5, (85.5 / 5) ** 0.5),
    ):
        overall, amusement, awe = fid(features, emotions, reference(real, of, protocol), generator())
        assert [amusement.value, awe.value] == pytest.approx([123, 2])
        assert overall.value == pytest.approx((3 - mean) ** 2 + (deviation - spread) ** 2)
        assert (overall.n, overall.measure.protocol) == (4, protocol)


def test_a_perfect_generator_of_equally_many_images_is_nearer_to_0_when_emotions_are_weighed() -> None:
    real = np.concatenate([images(800, 0), images(200, 1, 1.0)])
    perfect, emotions = np.concatenate([images(500, 2), images(500, 3, 1.0)]), np.repeat([0, 1], 500)
    found = [
        fid(perfect, emotions, reference(real, np.repeat([0, 1], [800, 200]), protocol), generator())[0].value
        for protocol in ("clean", "emogen")
    ]
    assert found[0] < found[1] / 2


def test_reweighing_to_the_shares_that_are_there_changes_nothing() -> None:
    parts = {0: statistics_of(images(30, 0)), 1: statistics_of(images(10, 1))}
    assert np.allclose(pooled_as(parts, {0: 0.75, 1: 0.25}).outer, (parts[0] + parts[1]).outer)


def test_an_emotion_without_real_pictures_is_named() -> None:
    with pytest.raises(ValueError, match="no real images of fear, only of amusement"):
        fid(images(4, 0), np.array([0, 0, 6, 6]), reference(images(4, 1), [0] * 4), generator())


def test_one_image_has_no_distance_and_few_have_no_interval() -> None:
    emotions = np.array([0, *[1] * 12])
    overall, alone, few = fid(images(13, 0), emotions, reference(images(40, 1), [0] * 20 + [1] * 20), generator())
    assert np.isnan(alone.value)
    assert alone.n == 1
    assert np.isfinite([overall.value, few.value]).all()
    assert np.isnan(few.low)


@pytest.mark.parametrize(("shift", "least", "most"), [(1.0, 0.8, 1.25), (0.0, 0.9, 1.6)])
def test_the_interval_is_as_wide_as_the_number_varies_or_wider_near_0(shift: float, least: float, most: float) -> None:
    emotions, real = np.zeros(120, int), reference(images(3000, 1), np.zeros(3000, int))
    found = [fid(images(120, seed, shift), emotions, real, generator())[0] for seed in range(2, 82)]
    values, halves = np.array([result.value for result in found]), np.array([(r.high - r.low) / 2 for r in found])
    assert least < np.sqrt(np.mean(halves**2)) / T / values.std() < most


def test_groups_have_the_emotions_of_all() -> None:
    emotions = np.repeat([0, 2, 7], [45, 20, 5])
    groups = jackknife_groups(emotions, generator())
    assert (np.bincount(groups) == 7).all()
    assert set(np.bincount(groups[emotions == 0])) == {4, 5}
    assert (np.bincount(groups[emotions == 2]) == 2).all()


def test_real_pictures_are_held_against_others_of_their_kind() -> None:
    features, emotions = images(900, 0), np.repeat([0, 1], [600, 300])
    overall, amusement, awe = fid_of_real(features, emotions, {0: 250, 1: 250}, generator(), "small")
    assert (overall.n, amusement.n, awe.n) == (400, 250, 150)
    shifted = fid(features[:400] + 0.5, emotions[:400], reference(features, emotions), generator())[0].value
    assert 0 < overall.value < shifted / 3


def test_a_reference_comes_back_from_its_file(tmp_path: Path) -> None:
    kept = reference_of(images(20, 0), np.repeat([2, 6], 10), "0123", "inception", "emogen")
    save_reference(kept, tmp_path / "fid.safetensors")
    again = load_reference(tmp_path / "fid.safetensors")
    assert (again.key, again.measure, sorted(again.parts)) == (kept.key, kept.measure, [2, 6])
    assert (again.parts[6].outer == kept.parts[6].outer).all()
    with pytest.raises(ValueError, match=r"nothing\.safetensors"):
        load_reference(tmp_path / "nothing.safetensors")


def test_the_key_follows_content_backbone_and_protocol_but_not_order() -> None:
    key = content_key(["aa", "bb"], "small", "clean")
    assert content_key(["bb", "aa"], "small", "clean") == key
    assert len({key, content_key(["aa", "bc"], "small", "clean"), content_key(["aa", "bb"], "small", "emogen")}) == 3
