"""Captioners: our LLaVA against transformers' own loss, and a Qwen2.5-VL through the same wrapper."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from pipeline.captions.prompts import prompt
from pipeline.foundation import recipes, texts
from pipeline.foundation.captioner import Captioner, answer_loss, build_llava, load_captioner, train_captioner
from pipeline.foundation.clip import normalized
from pipeline.foundation.conversion import clip_model
from pipeline.foundation.tokenizer import IMAGE, USER, chat_tokenizer
from tests.foundation.conftest import CPU, SHORT, World

RECIPE = recipes.CAPTIONER.model_copy(update=SHORT | {"width": 32, "layers": 1, "heads": 2})
PICTURES = [Image.new("RGB", (64, 64), "red"), Image.new("RGB", (100, 60), "blue")]
QUESTIONS = [prompt("neutral", "awe"), prompt("emotion", "awe")]


@pytest.fixture(scope="module")
def chat(world: World) -> Any:
    return chat_tokenizer(texts.chat_texts(world.drawn.truths, 0))


@pytest.fixture(scope="module")
def llava(world: World, chat: Any, clip_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Captioner:
    folder = tmp_path_factory.mktemp("captioner")
    said = texts.dialogues(world.drawn.truths, chat, 192, 0, 1)
    train_captioner(world.images, said, chat, RECIPE, clip_folder, folder / "model", folder / "work", CPU)
    return load_captioner(folder / "model")


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


def test_the_processor_makes_the_pixels_and_the_tokens_that_training_saw(
    llava: Captioner, chat: Any, world: World
) -> None:
    picture = Image.fromarray(world.drawn.images[0])
    content = [{"type": "image", "image": picture}, {"type": "text", "text": QUESTIONS[0]}]
    inputs = llava.processor.apply_chat_template(
        [{"role": "user", "content": content}],
        tokenize=True,
        add_generation_prompt=True,
        return_dict=True,
        return_tensors="pt",
    )
    assert torch.allclose(inputs["pixel_values"], normalized(torch.from_numpy(world.images[:1])), atol=1e-5)
    expected = chat(USER + IMAGE * 64 + QUESTIONS[0] + "<|assistant|>")["input_ids"]
    assert inputs["input_ids"][0].tolist() == expected


def test_the_loss_equals_that_of_transformers(chat: Any, clip_folder: Path, world: World) -> None:
    model = build_llava(RECIPE, clip_folder, chat).eval()
    said = texts.dialogues(world.drawn.truths[:5], chat, 192, 0, 1)
    ids, starts = torch.from_numpy(said.ids).long(), torch.from_numpy(said.starts).long()
    user, image, pad = chat.convert_tokens_to_ids(USER), chat.convert_tokens_to_ids(IMAGE), chat.pad_token_id
    pictures = torch.from_numpy(world.images[:5])
    whole = torch.cat([torch.full((5, 1), user), torch.full((5, 64), image), ids], 1)
    places = torch.arange(ids.shape[1])
    labels = ids.masked_fill((places < starts[:, None]) | (ids == pad), -100)
    labels = torch.cat([torch.full((5, 65), -100), labels], 1)
    with torch.no_grad():
        theirs = model(
            input_ids=whole, attention_mask=(whole != pad).long(), pixel_values=normalized(pictures), labels=labels
        ).loss
        ours = answer_loss(model, user, pad, pictures, ids, starts)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-4)


def test_the_vision_tower_starts_as_that_of_clip(chat: Any, clip_folder: Path, world: World) -> None:
    model, clip = build_llava(RECIPE, clip_folder, chat).eval(), clip_model(clip_folder)
    pixels = normalized(torch.from_numpy(world.images[:2]))
    with torch.no_grad():
        theirs = clip.vision_model(pixels, output_hidden_states=True).hidden_states[-2]
        ours = model.model.vision_tower(pixels, output_hidden_states=True).hidden_states[-1]
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_a_folder_without_a_model_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"config\.json"):
        load_captioner(tmp_path)
