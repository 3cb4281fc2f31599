"""Generate captions with any transformers image-text-to-text model that has a chat template (CoEmoGen 3.1).

Nothing here is specific to LLaVA, the architecture of our captioner (pipeline/foundation/training/llava.py): a Qwen-VL
folder runs through the same code.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image

from pipeline.weights import damage_named

if TYPE_CHECKING:
    from transformers import PreTrainedModel, ProcessorMixin

MAX_PX = 1024  # a photograph of 12 megapixels would be ten thousand tokens for a Qwen-VL


@dataclass(frozen=True)
class Captioner:
    """A captioning model with its processor and device.

    max_px: the long side to which larger images are reduced.
    """

    model: "PreTrainedModel"
    processor: "ProcessorMixin"
    device: torch.device
    max_px: int = MAX_PX

    @torch.inference_mode()
    def caption(self, images: Sequence[Image.Image], prompts: Sequence[str], max_new_tokens: int) -> list[str]:
        """Return one greedy caption of at most `max_new_tokens` tokens per image, computed as one batch.

        The batch is padded on the left, so that each caption directly follows its prompt.
        """
        conversations = [
            _question(reduced(image, self.max_px), prompt) for image, prompt in zip(images, prompts, strict=True)
        ]
        inputs = self.processor.apply_chat_template(
            conversations, tokenize=True, add_generation_prompt=True, return_dict=True, return_tensors="pt",
            processor_kwargs={"padding": True},
        ).to(self.device)  # fmt: skip
        tokens = self.model.generate(**inputs, max_new_tokens=max_new_tokens, do_sample=False)
        answers = tokens[:, inputs["input_ids"].shape[1] :]
        return [text.strip() for text in self.processor.batch_decode(answers, skip_special_tokens=True)]


def load_captioner(folder: Path, device: torch.device | str = "cpu", max_px: int = MAX_PX) -> Captioner:
    """Load any transformers image-text-to-text folder, in evaluation mode.

    Raises FileNotFoundError if the folder has no config.json, and ValueError if it has no chat template or its weights
    are damaged.
    """
    from transformers import AutoModelForImageTextToText, AutoProcessor

    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"{folder} is not a transformers folder: config.json is missing")
    safe = {"trust_remote_code": False, "local_files_only": True}
    processor = AutoProcessor.from_pretrained(str(folder), **safe)
    if not (processor.chat_template or processor.tokenizer.chat_template):
        raise ValueError(f"{folder} has no chat template. Choose a captioner that supports chat.")
    processor.tokenizer.padding_side = "left"
    if processor.tokenizer.pad_token is None:
        processor.tokenizer.pad_token = processor.tokenizer.eos_token
    with damage_named(folder):
        model = AutoModelForImageTextToText.from_pretrained(str(folder), use_safetensors=True, **safe)
    return Captioner(model.eval().to(device), processor, torch.device(device), max_px)


def reduced(image: Image.Image, max_px: int) -> Image.Image:
    """Return an image whose long side is at most `max_px`: the image itself if it is that small."""
    if max(image.size) <= max_px:
        return image
    small = image.copy()
    small.thumbnail((max_px, max_px), Image.Resampling.LANCZOS)
    return small


def _question(image: Image.Image, prompt: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "image", "image": image}, {"type": "text", "text": prompt}]}]
