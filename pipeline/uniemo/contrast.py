"""Contrastive loss of UniEmo Eq. 4: pooled queries find the encoded attribute name of their image in the batch.

    L = -1/K sum_i log( exp(sim(Qhat_i, z_i) / tau) / sum_j exp(sim(Qhat_i, z_j) / tau) ), sim the cosine

There are two readings:

- `equal` (default): the candidates z_j are the distinct attributes of the batch, so images that share an attribute do
  not repel each other's. If an image has several attributes P_i, each is a positive: -1/|P_i| times the sum of log p
  over them.
- `literal`: each image has one attribute and row j of the batch is candidate j, so a duplicate appears twice in the
  denominator.

In both, an image without an attribute is not an anchor and adds no candidate.
"""

import torch
from torch import Tensor


def contrast_weights(targets_BK: Tensor, literal: bool) -> tuple[Tensor, Tensor]:
    """Return the weight of each pair as a positive and the count of each attribute as a candidate.

    Targets BK bool (which image has which attribute) -> two tensors BK float32. All rows of the candidates are equal,
    so a part of the batch knows the candidates of the whole. Positives are scaled so that their mean over all rows is
    the mean over the anchors.
    """
    number = targets_BK.sum(1, keepdim=True)
    assert not literal or number.max() <= 1, "positives = literal allows at most one attribute per image"
    anchors = max(1, int((number > 0).sum()))
    positives = targets_BK / number.clamp(min=1) * (len(targets_BK) / anchors)
    counts = targets_BK.sum(0).float()
    return positives, (counts if literal else counts.clamp(max=1)).expand(len(targets_BK), -1)


def weighted_contrast(
    joint_BD: Tensor, attributes_KD: Tensor, positives_BK: Tensor, candidates_BK: Tensor, temperature: float
) -> Tensor:
    """Return the contrastive loss in float32: unit vectors BD and KD, weights BK -> scalar.

    It is the mean over rows of sum_k positives_k (log sum_j candidates_j exp(sim_j / tau) - sim_k / tau).
    """
    with torch.autocast(joint_BD.device.type, enabled=False):
        similarity = joint_BD.float() @ attributes_KD.float().T / temperature
        lowest = torch.finfo(similarity.dtype).min  # finite, because a batch may have no candidate
        weighted = (similarity + candidates_BK.clamp(min=1).log()).masked_fill(candidates_BK == 0, lowest)
        return (positives_BK * (weighted.logsumexp(1, keepdim=True) - similarity)).sum(1).mean()
