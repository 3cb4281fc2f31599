"""Two ways to change a picture: so that it stays what it is (augmentation), and so that nothing is left in it.

Pictures without anything to recognise are what "none" means to the judges: a generator whose pictures fall apart must
score low clarity, though softmax heads are sure of themselves on anything (SCIENCE 2, Sem-C).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

MAX_SHIFT_FRAC = 6 / 64  # of the edge
SOFTENED_FRAC = 0.25
KINDS = ("shuffled", "scattered", "blurred", "mixed", "noise")
GRIDS = (4, 8, 16)  # patches along an edge
SCATTERED_PX, BLURRED_PX = 16, 6  # edges to which such pictures are reduced
NUM_MIXED = 4  # at most the mirror images of one picture, itself included


def augmented(squares: Tensor, generator: torch.Generator) -> Tensor:
    """Squares BHWC uint8 -> the same, half of them mirrored, shifted by whole pixels, some of them softened.

    What comes into view is a mirror image. A softened picture has lost half of its resolution, as one from a decoder
    may have, and is still what it is. On the CPU, where draws are the same for every device.
    """
    num, image_px = squares.shape[:2]
    margin = int(MAX_SHIFT_FRAC * image_px)
    shifts = torch.randint(-margin, margin + 1, (2, num, 1), generator=generator)
    rows, columns = image_px - 1 - (image_px - 1 - (torch.arange(image_px) + shifts).abs()).abs()
    mirrored = torch.rand(num, 1, generator=generator) < 0.5
    columns = torch.where(mirrored, image_px - 1 - columns, columns)
    moved = squares[torch.arange(num)[:, None, None], rows[:, :, None], columns[:, None, :]]
    soft = torch.rand(num, generator=generator) < SOFTENED_FRAC
    pictures = moved[soft].permute(0, 3, 1, 2).float()
    moved[soft] = _to_squares(_resized(_resized(pictures, image_px // 2, "area"), image_px))
    return moved


def draw_kinds(num: int, generator: torch.Generator) -> Tensor:
    """A kind of destruction for each of `num` pictures, indices of KINDS."""
    return torch.randint(len(KINDS), (num,), generator=generator)


def destroyed(squares: Tensor, kinds: Tensor, generator: torch.Generator) -> Tensor:
    """Squares BHWC uint8, kinds B -> each destroyed in its way, of the same shape and type.

    shuffled: patches of one of three sizes in random order. scattered: the same, blurred. blurred: nothing smaller than
    a tenth of the edge is left. mixed: the mean of four of the batch or their mirror images. noise: as bright and as
    lively as the picture.
    """
    pictures = squares.permute(0, 3, 1, 2).float()
    image_px = pictures.shape[2]
    shuffled = torch.empty_like(pictures)
    grids = torch.randint(len(GRIDS), (len(pictures),), generator=generator)
    for index, grid in enumerate(GRIDS):
        shuffled[grids == index] = _shuffled(pictures[grids == index], grid, generator)
    noise = torch.randn(pictures.shape, generator=generator)
    ways = {
        "shuffled": shuffled,
        "scattered": _resized(_resized(shuffled, SCATTERED_PX, "area"), image_px),
        "blurred": _resized(_resized(pictures, BLURRED_PX, "area"), image_px),
        "mixed": _mixed(pictures, generator),
        "noise": noise * pictures.std((2, 3), keepdim=True) + pictures.mean((2, 3), keepdim=True),
    }
    chosen = torch.stack([ways[kind] for kind in KINDS])[kinds, torch.arange(len(pictures))]
    return _to_squares(chosen)


def _mixed(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """BCHW -> for each the mean of NUM_MIXED others, no two alike, even if there is only one picture."""
    everything = torch.cat([pictures.flip(axes) for axes in ((), (2,), (3,), (2, 3))])
    chosen = torch.rand(len(pictures), len(everything), generator=generator).argsort(1)[:, :NUM_MIXED]
    return everything[chosen].mean(1)


def _to_squares(pictures: Tensor) -> Tensor:
    """BCHW of any values -> BHWC uint8."""
    return pictures.round().clamp(0, 255).byte().permute(0, 2, 3, 1)


def _shuffled(pictures: Tensor, grid: int, generator: torch.Generator) -> Tensor:
    """BCHW with the patches of a grid x grid in another random order each."""
    num, channels, image_px = pictures.shape[:3]
    patch_px = -(-image_px // grid)
    whole = _resized(pictures, grid * patch_px)
    patches = whole.unfold(2, patch_px, patch_px).unfold(3, patch_px, patch_px)  # B C grid grid patch patch
    patches = patches.permute(0, 2, 3, 1, 4, 5).reshape(num, grid**2, channels, patch_px, patch_px)
    order = torch.rand(num, grid**2, generator=generator).argsort(1)
    patches = patches[torch.arange(num)[:, None], order].unflatten(1, (grid, grid))
    return _resized(patches.permute(0, 3, 1, 4, 2, 5).reshape(whole.shape), image_px)


def _resized(pictures: Tensor, image_px: int, mode: str = "bilinear") -> Tensor:
    """BCHW to an edge of image_px; as they are where they have it."""
    return pictures if pictures.shape[2] == image_px else F.interpolate(pictures, image_px, mode=mode)
