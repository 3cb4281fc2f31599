"""The networks on pixels: shapes of heads and maps, and that they see what they are given and no batch around it."""

import pytest
import torch

from pipeline.judges.pixels import PixelJudge, normalized
from pipeline.params import Backbone
from pipeline.runtime import torch_generator


def squares(num: int, image_px: int) -> torch.Tensor:
    return torch.randint(0, 256, (num, image_px, image_px, 3), generator=torch_generator(0)).byte()


@pytest.mark.parametrize(("backbone", "levels"), [("small", [16, 8, 4]), ("resnet18", [16, 8, 4, 2])])
def test_heads_and_maps_have_their_shapes(backbone: Backbone, levels: list[int]) -> None:
    judge = PixelJudge(backbone, 5, 0).eval()
    logits = judge(squares(3, 64))
    assert logits.emotions.shape == (3, 8)
    assert logits.scenes is not None
    assert logits.scenes.shape == (3, 5)
    assert logits.objects is None
    assert logits.features.shape == (3, judge.emotions.in_features)
    assert [maps.shape[2] for maps in judge.feature_maps(squares(3, 64))] == levels


def test_a_picture_is_judged_alike_alone_in_company_and_in_training() -> None:
    """Group norms have no memory and see one picture at a time."""
    judge = PixelJudge("small", 2, 2)
    pictures = squares(6, 64)
    alone = judge.eval()(pictures[:1])
    together = judge.train()(pictures)
    torch.testing.assert_close(alone.features, together.features[:1], rtol=1e-3, atol=1e-4)


def test_pixels_are_normalised_as_published_weights_expect() -> None:
    from torchvision.transforms import functional

    picture = squares(1, 40)
    wanted = functional.to_tensor(picture[0].numpy())
    wanted = functional.normalize(wanted, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    torch.testing.assert_close(normalized(picture)[0], wanted)
