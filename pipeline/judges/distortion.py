"""Two ways to change a picture: so that it stays what it is (augmentation), and so that nothing is left in it.

Pictures without anything to recognise are what "none" means to the judges: a generator whose pictures fall apart must
score low clarity, though softmax heads are sure of themselves on anything (SCIENCE 2, Sem-C).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

MAX_SHIFT_FRAC = 6 / 64  # of the edge
GRID = 8  # patches along an edge
BLURRED_PX = 16  # edge to which a blurred picture is reduced


def augmented(squares: Tensor, generator: torch.Generator) -> Tensor:
    """Squares BHWC uint8 -> the same, half of them mirrored, shifted by whole pixels; what comes into view is a mirror
    image.

    On the CPU, where draws are the same for every device; nothing is blurred.
    """
    num, image_px = squares.shape[:2]
    margin = int(MAX_SHIFT_FRAC * image_px)
    shifts = torch.randint(-margin, margin + 1, (2, num, 1), generator=generator)
    rows, columns = image_px - 1 - (image_px - 1 - (torch.arange(image_px) + shifts).abs()).abs()
    mirrored = torch.rand(num, 1, generator=generator) < 0.5
    columns = torch.where(mirrored, image_px - 1 - columns, columns)
    return squares[torch.arange(num)[:, None, None], rows[:, :, None], columns[:, None, :]]


def destroyed(squares: Tensor, generator: torch.Generator) -> Tensor:
    """Squares BHWC uint8 -> their patches in random order, the same blurred, or noise as bright and as lively."""
    pictures = squares.permute(0, 3, 1, 2).float()
    shuffled = _shuffled(pictures, generator)
    noise = torch.randn(pictures.shape, generator=generator)
    noise = noise * pictures.std((2, 3), keepdim=True) + pictures.mean((2, 3), keepdim=True)
    kinds = torch.stack([shuffled, _resized(_resized(shuffled, BLURRED_PX, "area"), len(squares[0])), noise])
    chosen = kinds[torch.randint(len(kinds), (len(squares),), generator=generator), torch.arange(len(squares))]
    return chosen.round().clamp(0, 255).byte().permute(0, 2, 3, 1)


def _shuffled(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """BCHW with the patches of a GRID x GRID grid in another random order each."""
    num, channels, image_px = pictures.shape[:3]
    patch_px = -(-image_px // GRID)
    whole = _resized(pictures, GRID * patch_px)
    patches = whole.unfold(2, patch_px, patch_px).unfold(3, patch_px, patch_px)  # B C GRID GRID patch patch
    patches = patches.permute(0, 2, 3, 1, 4, 5).reshape(num, GRID * GRID, channels, patch_px, patch_px)
    order = torch.rand(num, GRID * GRID, generator=generator).argsort(1)
    patches = patches[torch.arange(num)[:, None], order].unflatten(1, (GRID, GRID))
    return _resized(patches.permute(0, 3, 1, 4, 2, 5).reshape(whole.shape), image_px)


def _resized(pictures: Tensor, image_px: int, mode: str = "bilinear") -> Tensor:
    """BCHW to an edge of image_px; as they are where they have it."""
    return pictures if pictures.shape[2] == image_px else F.interpolate(pictures, image_px, mode=mode)
