"""The captioner asked for an emotion: likelihoods equal those of one picture and one token after the other."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.emotions import EMOTIONS
from pipeline.foundation import bundle
from pipeline.foundation.captioner import Captioner, load_captioner
from pipeline.foundation.clip import load_clip
from pipeline.miniature.stream import pictures
from pipeline.understanding.asking import WHICH, by_caption, by_word, log_likelihoods
from pipeline.understanding.readers import emotion_texts
from tests.foundation.test_captioner import qwen_folder

ROOT = Path(__file__).parents[2]
IMAGES = [Image.new("RGB", (64, 64), "red"), Image.new("RGB", (100, 60), "blue")]


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Captioner:
    folder = tmp_path_factory.mktemp("captioner")
    bundle.unpack(ROOT / "models/miniature/captioner" / bundle.CAPTIONER, folder)
    return load_captioner(folder)


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Captioner:
    return load_captioner(qwen_folder(tmp_path_factory.mktemp("qwen")))


@torch.inference_mode()
def slowly(captioner: Captioner, image: Image.Image, asked: str, answer: str) -> float:
    """The mean log-probability of the answer's tokens, each by a forward of its own."""
    inputs = captioner.processor.apply_chat_template(
        [{"role": "user", "content": [{"type": "image", "image": image}, {"type": "text", "text": asked}]}],
        tokenize=True, add_generation_prompt=True, return_dict=True, return_tensors="pt",
    )  # fmt: skip
    found = []
    for token in captioner.processor.tokenizer(answer, add_special_tokens=False)["input_ids"]:
        logits = captioner.model(**inputs).logits[0, -1].float()
        found.append(float(logits.log_softmax(-1)[token]))
        for name, value in inputs.items():
            if name in ("input_ids", "attention_mask") or name.endswith("token_type_ids"):
                more = {"input_ids": token, "attention_mask": 1}.get(name, 0)
                inputs[name] = torch.cat([value, torch.tensor([[more]])], 1)
    return float(np.mean(found))


@pytest.mark.parametrize("name", ["ours", "qwen"])
def test_the_likelihood_of_a_batch_is_that_of_each_token_of_each_picture(
    name: str, request: pytest.FixtureRequest
) -> None:
    captioner = request.getfixturevalue(name)
    found = log_likelihoods(captioner, IMAGES, "What is it?", "contentment")
    np.testing.assert_allclose(
        found, [slowly(captioner, image, "What is it?", "contentment") for image in IMAGES], atol=1e-4
    )


def test_by_word_the_most_likely_name_is_the_most_probable(qwen: Captioner) -> None:
    found = by_word(qwen, IMAGES)
    scores = np.stack([log_likelihoods(qwen, IMAGES, WHICH, name) for name in EMOTIONS], 1)
    np.testing.assert_allclose(found.sum(1), 1)
    assert (found.argmax(1) == scores.argmax(1)).all()
    np.testing.assert_allclose(np.log(found[:, 0] / found[:, 1]), scores[:, 0] - scores[:, 1], atol=1e-6)


def test_by_caption_the_miniature_is_far_better_than_chance(ours: Captioner, models: Path) -> None:
    clip = load_clip(models / "foundation/clip")
    drawn = pictures(5, 0, 60, stream="oracle")
    told = by_caption(ours, clip, emotion_texts(clip, ["{S}"]), [Image.fromarray(one) for one in drawn.images], 77)
    assert told.shape == (60, 8)
    said = [EMOTIONS[index] for index in told.argmax(1)]
    assert np.mean([one == truth.label for one, truth in zip(said, drawn.truths, strict=True)]) > 0.4
