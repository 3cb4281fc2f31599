"""Captioners: our LLaVA and a Qwen2.5-VL through the same wrapper."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from pipeline.captions.prompts import prompt
from pipeline.foundation.captioner import Captioner, load_captioner, reduced

PICTURES = [Image.new("RGB", (64, 64), "red"), Image.new("RGB", (100, 60), "blue")]
QUESTIONS = [prompt("neutral", "awe"), prompt("emotion", "awe")]


@pytest.fixture(scope="module")
def llava(captioner_folder: Path) -> Captioner:
    return load_captioner(captioner_folder)


def qwen_folder(folder: Path) -> Path:
    """A tiny Qwen2.5-VL with random weights, made of its real classes, without a network."""
    from tokenizers import pre_tokenizers
    from transformers import (
        Qwen2_5_VLConfig,
        Qwen2_5_VLForConditionalGeneration,
        Qwen2_5_VLProcessor,
        Qwen2Tokenizer,
        Qwen2VLImageProcessor,
        Qwen2VLVideoProcessor,
    )

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = ["<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
    tokenizer = Qwen2Tokenizer(
        vocab={letter: index for index, letter in enumerate(letters)}, merges=[], additional_special_tokens=special
    )
    _, end, vision_start, vision_end, image, video = tokenizer.convert_tokens_to_ids(special)
    text = {
        "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
        "num_key_value_heads": 2, "vocab_size": len(tokenizer), "bos_token_id": None, "eos_token_id": end,
        "rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10000.0},
    }  # fmt: skip
    vision = {
        "depth": 2, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "out_hidden_size": 32,
        "patch_size": 14, "spatial_merge_size": 2, "window_size": 56, "fullatt_block_indexes": [1],
    }  # fmt: skip
    config = Qwen2_5_VLConfig(
        text_config=text, vision_config=vision, image_token_id=image, video_token_id=video,
        vision_start_token_id=vision_start, vision_end_token_id=vision_end,
    )  # fmt: skip
    template = (
        "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{% for part in message['content'] %}"
        "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part['text'] }}"
        "{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    images = Qwen2VLImageProcessor(min_pixels=56 * 56, max_pixels=112 * 112)
    torch.manual_seed(0)
    Qwen2_5_VLForConditionalGeneration(config).save_pretrained(str(folder))
    Qwen2_5_VLProcessor(images, tokenizer, Qwen2VLVideoProcessor(), chat_template=template).save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Captioner:
    return load_captioner(qwen_folder(tmp_path_factory.mktemp("qwen")))


@pytest.mark.parametrize("name", ["llava", "qwen"])
def test_a_batch_padded_on_the_left_answers_as_each_picture_alone(name: str, request: pytest.FixtureRequest) -> None:
    captioner = request.getfixturevalue(name)
    together = captioner.caption(PICTURES, QUESTIONS, 6)
    alone = [captioner.caption([image], [asked], 6)[0] for image, asked in zip(PICTURES, QUESTIONS, strict=True)]
    assert together == alone
    assert all(asked not in answer for asked, answer in zip(QUESTIONS, together, strict=True))


def test_a_large_picture_is_reduced_before_the_model_sees_it(qwen: Captioner, monkeypatch: pytest.MonkeyPatch) -> None:
    large, small = Image.new("RGB", (3000, 2000), "red"), PICTURES[0]
    assert reduced(large, 1024).size == (1024, 683)
    assert large.size == (3000, 2000)
    assert reduced(small, 1024) is small
    seen = []
    apply = qwen.processor.apply_chat_template

    def noted(conversations: Any, **options: Any) -> Any:
        seen.extend(part["image"].size for each in conversations for part in each[0]["content"] if "image" in part)
        return apply(conversations, **options)

    monkeypatch.setattr(qwen.processor, "apply_chat_template", noted)
    replace(qwen, max_px=56).caption([large], ["What?"], 2)
    assert seen == [(56, 37)]


def test_damaged_weights_are_an_error_that_names_the_folder(captioner_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "captioner"
    shutil.copytree(captioner_folder, folder)
    (folder / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(ValueError, match=rf"{folder}: its weights are damaged"):
        load_captioner(folder)


def test_a_model_without_a_chat_template_is_refused(captioner_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(captioner_folder, tmp_path / "silent")
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(ValueError, match="has no chat template"):
        load_captioner(folder)


def test_a_folder_without_a_model_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"config\.json"):
        load_captioner(tmp_path)
