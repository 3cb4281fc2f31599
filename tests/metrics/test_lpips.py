"""Distances of feature maps, and LPIPS by the lpips package, against the formula on the same weights."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from pipeline.judges.examples import Names
from pipeline.judges.panel import Judges
from pipeline.judges.pixels import PixelJudge
from pipeline.judges.pretrained import PublishedJudge
from pipeline.metrics.backbones import (
    alexnet_perceptual,
    clarity_name,
    judge_maps,
    judge_perceptual,
    load_lpips,
    perceptual_networks,
)
from pipeline.metrics.lpips import as_pixels, distances, feature_distance, lpips, pair_distances, unit
from pipeline.metrics.pairs import Pairs
from pipeline.metrics.result import Measure, Protocol
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
    """AlexNet at random and heads at random, some of which are 0 as among the published ones."""
    from torchvision import models

    folder = tmp_path_factory.mktemp("pretrained")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        save_file(models.alexnet(weights=None).state_dict(), folder / "alexnet.safetensors")
        widths = enumerate((64, 192, 384, 256, 256))
        heads = {f"lin{k}.model.1.weight": (torch.rand(1, c, 1, 1) - 0.5).relu() for k, c in widths}
    save_file(heads, folder / "heads.safetensors")
    return folder / "alexnet.safetensors", folder / "heads.safetensors"


def published_heads() -> dict[str, Tensor]:
    import lpips as package

    file = Path(package.__file__).parent / "weights/v0.1/alex.pth"
    return dict(torch.load(file, weights_only=True, map_location="cpu"))


def by_formula(weights: Path, heads: dict[str, Tensor], pixels: Tensor) -> float:
    """LPIPS of two images 2 x 3HW in [-1, 1], in float64, with torchvision's AlexNet up to each of its ReLUs."""
    from torchvision import models

    net = models.alexnet(weights=None)
    net.load_state_dict(load_file(weights))
    shift, scale = (torch.tensor(values)[:, None, None] for values in ((-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)))
    level, found = ((pixels - shift) / scale).double(), 0.0
    for k, (begin, end) in enumerate([(0, 2), (2, 5), (5, 8), (8, 10), (10, 12)]):
        with torch.inference_mode():
            level = net.features[begin:end].double()(level)
        x, y = (one / (one.norm(dim=0) + 1e-10) for one in level)
        weight = heads[f"lin{k}.model.1.weight"].double().flatten()
        found += float((weight[:, None, None] * (x - y) ** 2).sum(0).mean())
    return found


def test_distances_follow_the_formula() -> None:
    rng = np.random.default_rng(0)
    layers = [rng.standard_normal((2, 2, channels, 3, 4)).astype(np.float32) for channels in (5, 7)]
    wanted = np.zeros(2)
    for first, second in layers:
        for b, h, w in np.ndindex(2, 3, 4):
            x, y = (part[b, :, h, w] / np.linalg.norm(part[b, :, h, w]) for part in (first, second))
            wanted[b] += ((x - y) ** 2).sum() / 12
    x, y = ([unit(torch.from_numpy(layer[side])) for layer in layers] for side in (0, 1))
    assert distances(x, y).numpy() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("protocol", ["clean", "emogen"])
@pytest.mark.parametrize("own_heads", [True, False])
def test_lpips_follows_the_formula(alexnet: tuple[Path, Path], protocol: Protocol, own_heads: bool) -> None:
    network = alexnet_perceptual(alexnet[0], alexnet[1] if own_heads else None, PX)
    heads = load_file(alexnet[1]) if own_heads else published_heads()
    found = pair_distances(pairs([0, 2, 1], [1, 0, 2]), pictures, network, 2, protocol)
    pixels = [as_pixels(picture(seed), PX, protocol) for seed in (0, 1, 2)]
    wanted = [by_formula(alexnet[0], heads, torch.stack([pixels[i], pixels[j]])) for i, j in ((0, 1), (2, 0), (1, 2))]
    assert np.abs(found - wanted).max() < 1e-6
    assert found == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("protocol", ["clean", "emogen"])
@pytest.mark.parametrize("calibrated", [True, False])
def test_distances_are_those_of_the_lpips_package(
    alexnet: tuple[Path, Path], protocol: Protocol, calibrated: bool
) -> None:
    from lpips import LPIPS

    theirs = LPIPS(net="alex", pnet_rand=True, lpips=calibrated, verbose=False)
    state = load_file(alexnet[0])
    for name, parameter in theirs.net.named_parameters():
        parameter.data = state["features." + name.split(".", 1)[1]]
    trunk = load_lpips(alexnet[0], None)
    uncalibrated = feature_distance("alexnet", PX, lambda pixels: list(trunk.net(trunk.scaling_layer(pixels))))
    network = alexnet_perceptual(alexnet[0], None, PX) if calibrated else uncalibrated
    found = pair_distances(pairs([0, 2], [1, 0]), pictures, network, 8, protocol)
    zero_to_one = [
        torch.from_numpy(np.asarray(picture(seed)).transpose(2, 0, 1) / np.float32(255)) for seed in (0, 1, 2)
    ]
    first, second = torch.stack([zero_to_one[0], zero_to_one[2]]), torch.stack([zero_to_one[1], zero_to_one[0]])
    with torch.no_grad():
        wanted = theirs(first, second, normalize=protocol == "clean").flatten().numpy()
    assert found == pytest.approx(wanted, rel=1e-4)


def test_neither_a_download_nor_code_in_a_weights_file(
    alexnet: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    def refused(*arguments: object, **more: object) -> None:
        raise AssertionError(f"a download: {arguments}")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))  # nothing is there from before
    monkeypatch.setattr("torch.hub.download_url_to_file", refused)
    options: list[object] = []
    load = torch.load
    monkeypatch.setattr(
        "torch.load", lambda *names, **more: options.append(more["weights_only"]) or load(*names, **more)
    )
    load_lpips(alexnet[0], None)
    assert options == [True]
    assert not list(tmp_path.iterdir())
    assert not [warning for warning in recwarn if issubclass(warning.category, UserWarning)]


def test_black_is_grey_to_the_published_protocol() -> None:
    black, white = (Image.new("RGB", (8, 4), (value,) * 3) for value in (0, 255))
    assert [as_pixels(one, 4, "clean").unique().tolist() for one in (black, white)] == [[-1], [1]]
    assert [as_pixels(one, 4, "emogen").unique().tolist() for one in (black, white)] == [[0], [1]]


def test_the_judge_sees_what_it_sees_elsewhere(judges: Judges) -> None:
    pixels = as_pixels(picture(0), PX, "clean")[None]
    with torch.inference_mode():
        found = judge_maps(judges, pixels)
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


def test_alexnet_alone_has_the_heads_of_the_package(judges: Judges, alexnet: tuple[Path, Path], tmp_path: Path) -> None:
    shutil.copy(alexnet[0], tmp_path / "alexnet.safetensors")
    save_file(published_heads(), tmp_path / "heads.safetensors")
    found = []
    for heads in (None, "heads.safetensors"):
        chosen = settings(alexnet_weights="alexnet.safetensors", lpips_heads=heads, perceptual_px=PX)
        _, network = perceptual_networks(judges, chosen, tmp_path)
        assert network.measure("clean").key == f"lpips/alexnet_{PX}px/clean"
        found.append(pair_distances(pairs([0, 1], [1, 2]), pictures, network, 8, "clean"))
    assert (found[0] == found[1]).all()
    assert (found[0] > 0).all()


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
