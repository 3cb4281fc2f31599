"""Make an emotion classifier from CLIP's text tower alone, without any training: the nearest of eight ensembles of
prompts (Radford et al. 2021, section 3.1.4).

It is an `EmotionHead` of one layer, so that all that takes a trained classifier takes it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from pipeline.emotion_set import EMOTIONS
from pipeline.judges.head import EmotionHead

if TYPE_CHECKING:
    from pipeline.foundation.clip import Clip


PROMPTS = (
    "{S}", "an image of {S}", "a photo of {S}", "an image that evokes {S}", "a photo that evokes {S}",
    "a photo that makes people feel {S}", "a scene full of {S}", "a painting that evokes {S}",
)  # fmt: skip


@torch.no_grad()
def zero_shot_head(clip: "Clip", prompts: Sequence[str] = PROMPTS) -> EmotionHead:
    """Return the head whose logits are CLIP's own: its scale times the cosine of image and emotion.

    The feature of an emotion is the mean over `prompts`, in which the emotion replaces {S}, at unit length.
    """
    means = [clip.encode_texts([prompt.replace("{S}", emotion) for prompt in prompts]).mean(0) for emotion in EMOTIONS]
    scale = float(clip.model.logit_scale.detach().exp())
    head = EmotionHead(clip.width, None)
    layer = head.layers[0]
    layer.weight.copy_(F.normalize(torch.stack(means), dim=1) * scale / clip.width**0.5)  # the head scales features
    layer.bias.zero_()
    return head.to(clip.device).eval()
