"""The Inception of FID against torch-fidelity's on the same random weights."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from pipeline.metrics.backbones import inception_features, squashed_in_floats
from pipeline.metrics.inception import WIDTH, Inception, load_inception


@pytest.fixture(scope="module")
def inception() -> Inception:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Inception()
        for values in network.parameters():
            if values.dim() == 4:
                torch.nn.init.kaiming_normal_(values)  # else maps die out after so many random layers
    return network.eval()


def pictures(size: tuple[int, int] = (299, 299)) -> list[Image.Image]:
    pixels = np.random.default_rng(0).integers(0, 256, (2, size[1], size[0], 3), np.uint8)
    return [Image.fromarray(part) for part in pixels]


def test_features_are_those_of_torch_fidelity(inception: Inception, tmp_path: Path) -> None:
    published = importlib.import_module("torch_fidelity.feature_extractor_inceptionv3")
    state = inception.net.state_dict() | {"fc.weight": torch.zeros(1008, WIDTH), "fc.bias": torch.zeros(1008)}
    torch.save(state, tmp_path / "weights.pth")
    theirs = published.FeatureExtractorInceptionV3("inception", ["2048"], str(tmp_path / "weights.pth"))
    pixels = torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures()])).permute(0, 3, 1, 2)
    (wanted,) = theirs(pixels)
    assert wanted.std() > 1e-3
    assert inception_features(inception, pictures()) == pytest.approx(wanted.numpy(), rel=1e-3, abs=1e-5)


def test_pools_differ_from_torchvisions(inception: Inception) -> None:
    maps = torch.rand(1, 2048, 8, 8)
    block = inception.net.Mixed_7c
    with torch.inference_mode():
        found, plain = block._forward(maps)[-1], super(type(block).__mro__[1], block)._forward(maps)[-1]
    assert found.shape == plain.shape
    assert not torch.allclose(found, plain)


def test_weights_come_from_a_local_file_with_its_last_layer(inception: Inception, tmp_path: Path) -> None:
    state = inception.net.state_dict() | {"fc.weight": torch.zeros(1008, WIDTH)}
    save_file(state, tmp_path / "inception.safetensors")
    again = load_inception(tmp_path / "inception.safetensors")
    assert torch.equal(again.net.Mixed_7c.branch1x1.conv.weight, inception.net.Mixed_7c.branch1x1.conv.weight)
    with pytest.raises(ValueError, match=r"alexnet.safetensors"):
        load_inception(tmp_path / "alexnet.safetensors")


def test_published_pictures_are_squashed_and_clean_ones_cropped(inception: Inception) -> None:
    wide = Image.new("RGB", (400, 200))
    wide.paste((255, 0, 0), (0, 0, 90, 200))  # at the left: cropped away
    plain = Image.new("RGB", (200, 200))
    clean, cropped = inception_features(inception, [wide, plain])
    squashed, black = inception_features(inception, [wide, plain], "emogen")
    assert clean == pytest.approx(cropped, rel=1e-4, abs=1e-5)
    assert abs(squashed - black).max() > 1e-3


def test_clean_fid_squashes_each_channel_in_floats(inception: Inception) -> None:
    (image, _), bicubic = pictures((400, 200)), Image.Resampling.BICUBIC
    found = squashed_in_floats(image, 299)
    for channel, values in enumerate(np.moveaxis(np.asarray(image, np.float32), 2, 0)):
        wanted = np.asarray(Image.fromarray(values).resize((299, 299), bicubic)).clip(0, 255)
        np.testing.assert_array_equal(found[..., channel], wanted)
    assert (found.shape, found.dtype, (found % 1 > 0).any()) == ((299, 299, 3), np.float32, True)
    with torch.inference_mode():
        wanted = inception(torch.from_numpy(found)[None]).numpy()
    assert inception_features(inception, [image], "clean-fid") == pytest.approx(wanted)
    assert np.abs(inception_features(inception, [image], "emogen") - wanted).max() > 1e-3
