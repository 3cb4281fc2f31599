"""Change images in two ways: augmentation keeps the content recognizable, destruction leaves nothing to recognize.

Destroyed images define "none" for the judges. A generator whose images fall apart must get a low clarity score,
although softmax heads are confident on any input (SCIENCE 2, Sem-C).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

MAX_SHIFT_FRAC = 6 / 64  # as a fraction of the edge
SOFTENED_FRAC = 0.25
KINDS = ("shuffled", "scattered", "blurred", "mixed", "noise")
GRIDS = (4, 8, 16)  # patches along an edge
SCATTERED_PX, BLURRED_PX = 16, 6  # edge to which such images are downsampled
NUM_MIXED = 4  # at most the number of mirror images of one image, itself included


def augmented(squares: Tensor, generator: torch.Generator) -> Tensor:
    """Return the squares after random mirroring (half of them), shifts by whole pixels, and softening (a quarter).

    squares BHWC uint8 -> BHWC uint8

    A shift fills the border by reflection. Softening halves the resolution, as a decoder may do, and does not change
    what an image shows. Runs on the CPU, so that the random draws are the same for every device.
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
    """Return a random kind of destruction for each of `num` images, as int64 indices of KINDS."""
    return torch.randint(len(KINDS), (num,), generator=generator)


def destroyed(squares: Tensor, kinds: Tensor, generator: torch.Generator) -> Tensor:
    """Return each square destroyed according to its kind.

    squares BHWC uint8, kinds B -> BHWC uint8

    - shuffled: patches of one of three sizes in random order.
    - scattered: shuffled and then blurred.
    - blurred: details smaller than a tenth of the edge are removed.
    - mixed: the mean of four images of the batch or their mirror images.
    - noise: Gaussian noise with the mean and the standard deviation of the image in each channel.
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
    """Return, for each image BCHW, the mean of NUM_MIXED distinct images or mirror images; one image is enough."""
    everything = torch.cat([pictures.flip(axes) for axes in ((), (2,), (3,), (2, 3))])
    chosen = torch.rand(len(pictures), len(everything), generator=generator).argsort(1)[:, :NUM_MIXED]
    return everything[chosen].mean(1)


def _to_squares(pictures: Tensor) -> Tensor:
    """Return images BCHW with values of any range rounded and clipped to BHWC uint8."""
    return pictures.round().clamp(0, 255).byte().permute(0, 2, 3, 1)


def _shuffled(pictures: Tensor, grid: int, generator: torch.Generator) -> Tensor:
    """Return images BCHW with the patches of a grid x grid in a random order, drawn anew for each image."""
    num, channels, image_px = pictures.shape[:3]
    patch_px = -(-image_px // grid)
    whole = _resized(pictures, grid * patch_px)
    patches = whole.unfold(2, patch_px, patch_px).unfold(3, patch_px, patch_px)  # B C grid grid patch patch
    patches = patches.permute(0, 2, 3, 1, 4, 5).reshape(num, grid**2, channels, patch_px, patch_px)
    order = torch.rand(num, grid**2, generator=generator).argsort(1)
    patches = patches[torch.arange(num)[:, None], order].unflatten(1, (grid, grid))
    return _resized(patches.permute(0, 3, 1, 4, 2, 5).reshape(whole.shape), image_px)


def _resized(pictures: Tensor, image_px: int, mode: str = "bilinear") -> Tensor:
    """Return images BCHW resized to an edge of image_px; unchanged if they already have it."""
    return pictures if pictures.shape[2] == image_px else F.interpolate(pictures, image_px, mode=mode)
