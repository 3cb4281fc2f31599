"""Published networks from local files: names, transform, and one clear error for each thing that can be wrong."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import models, transforms

from pipeline.judges.pixels import TorchvisionResNet
from pipeline.judges.pretrained import load_backbone, load_published, save_published, transform, weights_file
from pipeline.weights import save_safetensors

CLASSES = 7


def picture(width: int = 90, height: int = 64) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ResNet-50 drawn at random and written as Places365's is: with "module." and without counts of batches."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = models.resnet50(weights=None, num_classes=CLASSES).state_dict()
    file = tmp_path_factory.mktemp("pretrained") / "resnet50_places365.safetensors"
    tensors = {f"module.{name}": tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    save_safetensors(file, tensors)
    return file


def test_a_published_network_says_what_torchvision_says(places: Path) -> None:
    judge = load_published(places, "places")
    assert judge.names == tuple(f"places_{index}" for index in range(CLASSES))
    with torch.inference_mode():
        wanted = judge.net(transform(picture())[None]).softmax(1)
    assert torch.equal(judge.probabilities([picture()]), wanted)


def test_pictures_are_resized_cropped_and_normalised_as_in_the_published_evaluation() -> None:
    published = transforms.Compose([
        transforms.Resize(256),
        transforms.CenterCrop(224),
        transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ])  # fmt: skip
    assert torch.equal(transform(picture()), published(picture()))


def test_names_beside_the_file_are_taken_and_travel_with_a_copy(places: Path, tmp_path: Path) -> None:
    file = tmp_path / "net.safetensors"
    file.symlink_to(places)
    names = [f"forest path {index}" for index in range(CLASSES)]
    file.with_suffix(".txt").write_text("\n".join(names) + "\n")
    judge = load_published(file, "places")
    assert list(judge.names) == names
    save_published(judge, tmp_path / "copy" / "scene.safetensors")
    copy = load_published(tmp_path / "copy" / "scene.safetensors", "places")
    assert copy.names == judge.names
    state = judge.net.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in copy.net.state_dict().items())
    file.with_suffix(".txt").write_text("one\n")
    with pytest.raises(ValueError, match=r"net\.txt: 1 lines for 7 classes"):
        load_published(file, "places")


def test_a_backbone_takes_all_but_the_last_layer(places: Path) -> None:
    backbone = TorchvisionResNet("resnet50")
    load_backbone(backbone.net, places)
    published = load_published(places, "places").net
    assert torch.equal(backbone.net.layer4[2].conv3.weight, published.layer4[2].conv3.weight)
    assert isinstance(backbone.net.fc, torch.nn.Identity)


def test_a_network_of_another_kind_is_an_error_that_names_the_file(places: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"resnet50_places365\.safetensors.*torchvision state dict"):
        load_backbone(TorchvisionResNet("resnet18").net, places)
    save_safetensors(tmp_path / "other.safetensors", {"weight": torch.ones(3)})
    with pytest.raises(ValueError, match=r"other\.safetensors: fc\.weight is missing"):
        load_published(tmp_path / "other.safetensors", "places")


@pytest.mark.parametrize("name", ["missing.safetensors", "../pretrained/missing.safetensors"])
def test_a_missing_file_is_an_error_that_names_it_and_its_key(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"judges\.scene_weights = .*missing.safetensors.*put it there.*null"):
        weights_file(tmp_path, "scene_weights", name)


def test_a_path_out_of_the_folder_is_refused_though_there_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "outside.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match="outside"):
        weights_file(tmp_path / "inside", "scene_weights", "../outside.safetensors")
