"""UniEmo Eq. 4: pooled queries find the text of their picture's attribute among those of the batch.

L = -1/K sum_i log( exp(sim(Qhat_i, z_i) / tau) / sum_j exp(sim(Qhat_i, z_j) / tau) ), sim the cosine. Two readings:

- `equal` (default): the candidates z_j are the distinct attributes of the batch, so pictures that share an attribute do
  not repel each other's; of several attributes P_i of a picture each is a positive, -1/|P_i| sum over them of log p.
- `literal`: one attribute a picture and row j of the batch as candidate j, so a duplicate stands in the denominator.

In both, a picture without an attribute is no anchor and brings no candidate.
"""

import torch
from torch import Tensor


def contrastive_loss(
    joint_BD: Tensor, attributes_KD: Tensor, targets_BK: Tensor, temperature: float, literal: bool = False
) -> Tensor:
    """Unit vectors of pictures and of attributes, targets bool (which picture has what) -> the loss; 0 without anchor.

    literal: one target a row at most.
    """
    positives, candidates = contrast_weights(targets_BK, literal)
    return weighted_contrast(joint_BD, attributes_KD, positives, candidates, temperature)


def contrast_weights(targets_BK: Tensor, literal: bool) -> tuple[Tensor, Tensor]:
    """Which picture has what, bool -> how much each pair is a positive, and how often each attribute is a candidate.

    Both BK float32. All rows of candidates are equal: a part of the batch then knows the whole. Positives are such that
    the mean over all rows is the mean over anchors.
    """
    number = targets_BK.sum(1, keepdim=True)
    assert not literal or number.max() <= 1, "as written, a picture has one attribute at most"
    anchors = max(1, int((number > 0).sum()))
    positives = targets_BK / number.clamp(min=1) * (len(targets_BK) / anchors)
    counts = targets_BK.sum(0).float()
    return positives, (counts if literal else counts.clamp(max=1)).expand(len(targets_BK), -1)


def weighted_contrast(
    joint_BD: Tensor, attributes_KD: Tensor, positives_BK: Tensor, candidates_BK: Tensor, temperature: float
) -> Tensor:
    """Mean over rows of sum_k positives_k (log sum_j candidates_j exp(sim_j / tau) - sim_k / tau), in float32."""
    with torch.autocast(joint_BD.device.type, enabled=False):
        similarity = joint_BD.float() @ attributes_KD.float().T / temperature
        lowest = torch.finfo(similarity.dtype).min  # finite, as a batch may have no candidate at all
        weighted = (similarity + candidates_BK.clamp(min=1).log()).masked_fill(candidates_BK == 0, lowest)
        return (positives_BK * (weighted.logsumexp(1, keepdim=True) - similarity)).sum(1).mean()
