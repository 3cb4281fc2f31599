"""Compute L_SEM (CoEmoGen Eq. 5) with the distances of Table 2c; L_LDM is in pipeline/training/denoising.py."""

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.params import Distance


def semantic_loss(
    joint: Tensor, caption: Tensor, distance: Distance = "cosine", equalised: bool = False, temperature: float = 0.07
) -> Tensor:
    """Return L_SEM: condition BD, caption BD, unit vectors in CLIP's joint space -> scalar (Eq. 5, Table 2c).

    - `cosine`: 1 - cos.
    - `mae`, `mse`: the mean over entries.
    - `kl`: KL(caption || condition) of the softmaxes over entries at `temperature`.

    Unscaled, these differ by orders of magnitude (the mse of unit vectors is 2/D (1 - cos)), so Table 2c also compares
    loss weights. With `equalised`, each is scaled to about 1 for orthogonal vectors, as the cosine distance is.
    """
    width = joint.shape[-1]
    match distance:
        case "cosine":
            return (1 - (joint * caption).sum(-1)).mean()
        case "mae":
            return F.l1_loss(joint, caption) * ((torch.pi * width) ** 0.5 / 2 if equalised else 1)
        case "mse":
            return F.mse_loss(joint, caption) * (width / 2 if equalised else 1)
        case "kl":
            said, wanted = (F.log_softmax(vector / temperature, -1) for vector in (joint, caption))
            divergence = F.kl_div(said, wanted, log_target=True, reduction="batchmean")
            return divergence * (width * temperature**2 if equalised else 1)
