"""Use the multimodal model, through the captioner, as a reader of emotions.

`word` prompts it for the emotion that an image evokes and scores the eight names as answers. This suits a model that
answers questions, as at paper scale.

`caption` lets it caption the image without an emotion prior, and CLIP's text encoder finds the emotion nearest to the
caption. This suits a model that only captions, such as the miniature's: it never learned to name an emotion, and with
`word` it performs at chance.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from pipeline.captions.prompts import prompt
from pipeline.emotion_set import EMOTIONS
from pipeline.judges.calibration import softmax

if TYPE_CHECKING:
    from pipeline.foundation.captioner import Captioner
    from pipeline.foundation.clip import Clip

Floats = NDArray[np.float64]
WHICH = f"Which emotion does this image evoke: {', '.join(EMOTIONS[:-1])} or {EMOTIONS[-1]}? Answer with one word."


def by_word(captioner: "Captioner", images: Sequence[Image.Image]) -> Floats:
    """Return probabilities N8 of N images from the captioner's answers.

    They are the softmax over the mean log-probability of the tokens of each emotion's name.
    """
    scores = [log_likelihoods(captioner, images, WHICH, name) for name in EMOTIONS]
    return softmax(np.stack(scores, 1))


def by_caption(
    captioner: "Captioner", clip: "Clip", emotions_8D: Tensor, images: Sequence[Image.Image], max_new_tokens: int
) -> Floats:
    """Return probabilities N8 of N images by comparing their captions, made without an emotion prior, in CLIP.

    emotions_8D holds CLIP's text features of the emotions, of unit length.
    """
    captions = captioner.caption(images, [prompt("neutral", "")] * len(images), max_new_tokens)
    return likeness(clip, clip.encode_texts(captions), emotions_8D)


def likeness(clip: "Clip", features_ND: Tensor, emotions_8D: Tensor) -> Floats:
    """Return probabilities over the emotions at CLIP's own temperature.

    features_ND and emotions_8D of unit length -> probabilities N8
    """
    scale = float(clip.model.logit_scale.detach().exp())
    return softmax((scale * features_ND @ emotions_8D.T).numpy())


@torch.inference_mode()
def log_likelihoods(captioner: "Captioner", images: Sequence[Image.Image], question: str, answer: str) -> Floats:
    """Return the mean log-probability of an answer's tokens, given one question about each image.

    N images -> N float64; one forward pass
    """
    processor = captioner.processor
    content = [{"type": "text", "text": question}]
    inputs = processor.apply_chat_template(
        [[{"role": "user", "content": [{"type": "image", "image": image}, *content]}] for image in images],
        tokenize=True, add_generation_prompt=True, return_dict=True, return_tensors="pt",
        processor_kwargs={"padding": True},
    )  # fmt: skip
    answer_ids = processor.tokenizer(answer, add_special_tokens=False, return_tensors="pt")["input_ids"]
    ids_NT = answer_ids.expand(len(images), -1)
    behind = {"input_ids": ids_NT, "attention_mask": torch.ones_like(ids_NT)}
    for name, value in inputs.items():
        if name in behind or name.endswith("token_type_ids"):  # given by some processors; 0 means text
            inputs[name] = torch.cat([value, behind.get(name, torch.zeros_like(ids_NT))], 1)
    length = ids_NT.shape[1] + 1  # positions that predict the answer; logits of all would fill memory
    logits = captioner.model(**inputs.to(captioner.device), logits_to_keep=length).logits.float().cpu()
    predicted = logits[:, -length:-1].log_softmax(-1)
    return np.asarray(predicted.gather(-1, ids_NT[..., None])[..., 0].mean(1).double().numpy())
