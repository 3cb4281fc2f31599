"""Distances of feature maps against their formula and the lpips package on the same weights."""

import importlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from pipeline.judges.examples import Names
from pipeline.judges.panel import Judges
from pipeline.judges.pixels import PixelJudge
from pipeline.judges.pretrained import PublishedJudge
from pipeline.metrics.backbones import alexnet_perceptual, clarity_name, judge_perceptual, perceptual_networks
from pipeline.metrics.lpips import Perceptual, as_pixels, distances, lpips, pair_distances, unit
from pipeline.metrics.pairs import Pairs
from pipeline.metrics.result import Measure
from tests.metrics.bench import settings

PX = 64


def picture(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (PX, PX, 3), np.uint8))


def pictures(rows: Sequence[int]) -> list[Image.Image]:
    return [picture(row) for row in rows]


def pairs(first: list[int], second: list[int]) -> Pairs:
    return Pairs(np.array(first), np.array(second), np.zeros(len(first), np.int64))


@pytest.fixture(scope="module")
def judges() -> Judges:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = PixelJudge("small", 3, 3).eval()
    return Judges(network, "small", PX, Names(("none", "a", "b"), ("none", "c", "d")))


@pytest.fixture(scope="module")
def alexnet(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """AlexNet at random and heads: those of lpips where it is installed, else at random."""
    from torchvision import models

    folder = tmp_path_factory.mktemp("pretrained")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        save_file(models.alexnet(weights=None).state_dict(), folder / "alexnet.safetensors")
        heads = {f"lin{k}.model.1.weight": torch.rand(1, c, 1, 1) for k, c in enumerate((64, 192, 384, 256, 256))}
    try:
        import lpips as package

        published = Path(package.__file__).parent / "weights/v0.1/alex.pth"
        heads = torch.load(published, weights_only=True, map_location="cpu")
    except ImportError:
        pass
    save_file(heads, folder / "heads.safetensors")
    return folder / "alexnet.safetensors", folder / "heads.safetensors"


def test_distances_follow_the_formula() -> None:
    rng = np.random.default_rng(0)
    layers = [rng.standard_normal((2, 2, channels, 3, 4)).astype(np.float32) for channels in (5, 7)]
    heads = [rng.random(channels).astype(np.float32) for channels in (5, 7)]
    wanted = np.zeros(2)
    for (first, second), weights in zip(layers, heads, strict=True):
        for b, h, w in np.ndindex(2, 3, 4):
            x, y = (part[b, :, h, w] / np.linalg.norm(part[b, :, h, w]) for part in (first, second))
            wanted[b] += (weights * (x - y) ** 2).sum() / 12
    x, y = ([unit(torch.from_numpy(layer[side])) for layer in layers] for side in (0, 1))
    assert distances(x, y, [torch.from_numpy(part) for part in heads]).numpy() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("protocol", ["clean", "emogen"])
@pytest.mark.parametrize("with_heads", [True, False])
def test_distances_are_those_of_the_lpips_package(alexnet: tuple[Path, Path], protocol: str, with_heads: bool) -> None:
    package = importlib.import_module("lpips")
    theirs = package.LPIPS(net="alex", pnet_rand=True, lpips=with_heads, verbose=False)
    ours = alexnet_perceptual(*alexnet, PX)
    state = load_file(alexnet[0])
    for name, parameter in theirs.net.named_parameters():
        parameter.data = state["features." + name.split(".", 1)[1]]
    network = ours if with_heads else Perceptual("alexnet", PX, ours.maps)
    found = pair_distances(pairs([0, 2], [1, 0]), pictures, network, 8, protocol)
    zero_to_one = [
        torch.from_numpy(np.asarray(picture(seed)).transpose(2, 0, 1) / np.float32(255)) for seed in (0, 1, 2)
    ]
    first, second = torch.stack([zero_to_one[0], zero_to_one[2]]), torch.stack([zero_to_one[1], zero_to_one[0]])
    with torch.no_grad():
        wanted = theirs(first, second, normalize=protocol == "clean").flatten().numpy()
    assert found == pytest.approx(wanted, rel=1e-4)


def test_black_is_grey_to_the_published_protocol() -> None:
    black, white = (Image.new("RGB", (8, 4), (value,) * 3) for value in (0, 255))
    assert [as_pixels(one, 4, "clean").unique().tolist() for one in (black, white)] == [[-1], [1]]
    assert [as_pixels(one, 4, "emogen").unique().tolist() for one in (black, white)] == [[0], [1]]


def test_the_judge_sees_what_it_sees_elsewhere(judges: Judges) -> None:
    pixels = as_pixels(picture(0), PX, "clean")[None]
    with torch.inference_mode():
        found = judge_perceptual(judges).maps(pixels)
    for level, wanted in zip(found, judges.feature_maps([picture(0)]), strict=True):
        assert torch.allclose(level, wanted, atol=1e-4)


def test_batches_and_order_change_nothing(judges: Judges) -> None:
    network = judge_perceptual(judges)
    together = pair_distances(pairs([0, 1, 2], [1, 2, 0]), pictures, network, 8, "clean")
    apart = pair_distances(pairs([1, 2, 0], [0, 1, 2]), pictures, network, 2, "clean")
    assert together == pytest.approx(apart, rel=1e-4)
    assert (together > 0.01).all()


def test_a_picture_is_at_distance_0_from_itself(judges: Judges) -> None:
    assert pair_distances(pairs([4], [4]), pictures, judge_perceptual(judges), 8, "clean") == pytest.approx(0, abs=1e-6)


def test_without_calibrated_heads_it_is_not_called_lpips(judges: Judges, alexnet: tuple[Path, Path]) -> None:
    some = pairs([0, 1], [1, 2])
    assert lpips(some, pictures, judge_perceptual(judges), 8)[0].measure.key == "feature_distance/judge_small/clean"
    found = lpips(some, pictures, alexnet_perceptual(*alexnet, PX), 8, "emogen")
    assert found[0].measure.key == f"lpips/alexnet_{PX}px/emogen"
    assert [result.n for result in found] == [2, 2]


def test_alexnet_is_there_beside_the_judge_where_its_files_are_named(
    judges: Judges, alexnet: tuple[Path, Path]
) -> None:
    chosen = settings(alexnet_weights=alexnet[0].name, lpips_heads=alexnet[1].name, perceptual_px=PX)
    assert [each.measure("clean").key for each in perceptual_networks(judges, chosen, alexnet[0].parent)] == [
        "feature_distance/judge_small/clean", f"lpips/alexnet_{PX}px/clean",
    ]  # fmt: skip
    assert len(perceptual_networks(judges, settings(), alexnet[0].parent)) == 1


def test_lpips_is_of_the_papers_only_where_alexnet_sees_pictures_as_large_as_theirs(
    alexnet: tuple[Path, Path],
) -> None:
    theirs, ours = (alexnet_perceptual(*alexnet, image_px).measure("emogen") for image_px in (512, 256))
    assert (theirs.key, theirs.as_published) == ("lpips/alexnet/emogen", True)
    assert (ours.key, ours.as_published) == ("lpips/alexnet_256px/emogen", False)


def test_sem_c_is_by_the_papers_networks_only_where_both_are_published(judges: Judges) -> None:
    places, imagenet = (PublishedJudge(None, tuple(map(str, range(number)))) for number in (365, 1000))
    assert clarity_name(replace(judges, scene_judge=places, object_judge=imagenet)) == "resnet50"
    assert clarity_name(replace(judges, scene_judge=imagenet, object_judge=places)) == "resnet50_1000_365"
    assert clarity_name(replace(judges, backbone="resnet50", scene_judge=places)) == "judge_resnet50"
    assert not Measure("sem_c", "judge_resnet50", "emogen").as_published
    assert not Measure("sem_c", "resnet50_1000_365", "emogen").as_published


def test_heads_of_another_network_are_refused(alexnet: tuple[Path, Path], tmp_path: Path) -> None:
    save_file({"lin0.model.1.weight": torch.ones(1, 63, 1, 1)}, tmp_path / "vgg.safetensors")
    with pytest.raises(ValueError, match=r"vgg.safetensors: heads have shapes \[\(1, 63, 1, 1\), None"):
        alexnet_perceptual(alexnet[0], tmp_path / "vgg.safetensors", PX)
    with pytest.raises(ValueError, match=r"heads.safetensors"):
        alexnet_perceptual(alexnet[1], alexnet[1], PX)
