"""The multimodal model as a reader of emotions, asked through the captioner.

`word`: it is asked which emotion a picture evokes, and the eight names are scored as its answer. For a model that
answers questions, as at paper scale.

`caption`: it captions the picture without a prior, and CLIP's text encoder says which emotion the caption is nearest
to. For a model that only captions, such as the miniature's: it never learnt to name an emotion, and by `word` it is as
good as chance.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from pipeline.captions.prompts import prompt
from pipeline.emotions import EMOTIONS
from pipeline.judges.calibration import softmax

if TYPE_CHECKING:
    from pipeline.foundation.captioner import Captioner
    from pipeline.foundation.clip import Clip

Question = Literal["word", "caption"]
Floats = NDArray[np.float64]
WHICH = f"Which emotion does this image evoke: {', '.join(EMOTIONS[:-1])} or {EMOTIONS[-1]}? Answer with one word."


def by_word(captioner: "Captioner", images: Sequence[Image.Image]) -> Floats:
    """Pictures -> probabilities N8: softmax over the mean log-probability of the tokens of each name."""
    scores = [log_likelihoods(captioner, images, WHICH, name) for name in EMOTIONS]
    return softmax(np.stack(scores, 1))


def by_caption(
    captioner: "Captioner", clip: "Clip", emotions_8D: Tensor, images: Sequence[Image.Image], max_new_tokens: int
) -> Floats:
    """Pictures -> probabilities N8 by CLIP of their captions without a prior; emotions_8D: its unit features."""
    captions = captioner.caption(images, [prompt("neutral", "")] * len(images), max_new_tokens)
    return likeness(clip, clip.encode_texts(captions), emotions_8D)


def likeness(clip: "Clip", features_ND: Tensor, emotions_8D: Tensor) -> Floats:
    """Unit features of pictures or texts -> probabilities N8 at CLIP's own temperature."""
    scale = float(clip.model.logit_scale.detach().exp())
    return softmax((scale * features_ND @ emotions_8D.T).numpy())


@torch.inference_mode()
def log_likelihoods(captioner: "Captioner", images: Sequence[Image.Image], asked: str, answer: str) -> Floats:
    """Mean log-probability N of the tokens of one answer to one question about each picture; one forward."""
    processor = captioner.processor
    content = [{"type": "text", "text": asked}]
    inputs = processor.apply_chat_template(
        [[{"role": "user", "content": [{"type": "image", "image": image}, *content]}] for image in images],
        tokenize=True, add_generation_prompt=True, return_dict=True, return_tensors="pt",
        processor_kwargs={"padding": True},
    )  # fmt: skip
    told = processor.tokenizer(answer, add_special_tokens=False, return_tensors="pt")["input_ids"]
    ids_NT = told.expand(len(images), -1)
    behind = {"input_ids": ids_NT, "attention_mask": torch.ones_like(ids_NT)}
    for name, value in inputs.items():
        if name in behind or name.endswith("token_type_ids"):  # which some processors give: 0 is text
            inputs[name] = torch.cat([value, behind.get(name, torch.zeros_like(ids_NT))], 1)
    length = ids_NT.shape[1] + 1  # places that tell of the answer; of all places logits would fill the memory
    logits = captioner.model(**inputs.to(captioner.device), logits_to_keep=length).logits.float().cpu()
    predicted = logits[:, -length:-1].log_softmax(-1)
    return np.asarray(predicted.gather(-1, ids_NT[..., None])[..., 0].mean(1).double().numpy())
