"""Training of the captioner: its loss against transformers' own, its vision tower against CLIP's."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from pipeline.captions.prompts import prompt
from pipeline.foundation.captioner import load_captioner
from pipeline.foundation.conversion import clip_model
from pipeline.foundation.training import texts
from pipeline.foundation.training.clip import normalized
from pipeline.foundation.training.llava import answer_loss, build_llava
from pipeline.foundation.training.tokenizer import IMAGE, USER
from tests.foundation.conftest import CAPTIONER, World


def test_the_processor_makes_the_pixels_and_the_tokens_that_training_saw(
    captioner_folder: Path, chat: Any, world: World
) -> None:
    llava, question = load_captioner(captioner_folder), prompt("neutral", "awe")
    picture = Image.fromarray(world.drawn.images[0])
    content = [{"type": "image", "image": picture}, {"type": "text", "text": question}]
    inputs = llava.processor.apply_chat_template(
        [{"role": "user", "content": content}],
        tokenize=True,
        add_generation_prompt=True,
        return_dict=True,
        return_tensors="pt",
    )
    assert torch.allclose(inputs["pixel_values"], normalized(torch.from_numpy(world.images[:1])), atol=1e-5)
    expected = chat(USER + IMAGE * 64 + question + "<|assistant|>")["input_ids"]
    assert inputs["input_ids"][0].tolist() == expected


def test_the_loss_equals_that_of_transformers(chat: Any, clip_folder: Path, world: World) -> None:
    model = build_llava(CAPTIONER, clip_folder, chat).eval()
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
        ours = answer_loss(user, pad, model, pictures, ids, starts)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-4)


def test_the_vision_tower_starts_as_that_of_clip(chat: Any, clip_folder: Path, world: World) -> None:
    model, clip = build_llava(CAPTIONER, clip_folder, chat).eval(), clip_model(clip_folder)
    pixels = normalized(torch.from_numpy(world.images[:2]))
    with torch.no_grad():
        theirs = clip.vision_model(pixels, output_hidden_states=True).hidden_states[-2]
        ours = model.model.vision_tower(pixels, output_hidden_states=True).hidden_states[-1]
    assert torch.allclose(ours, theirs, atol=1e-5)
