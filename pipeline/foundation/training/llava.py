"""Train our captioner, a LLaVA: our CLIP's vision tower, a projector and a three-layer Llama.

The loss covers the answers alone. The captioner is meant to be imperfect: the `steps` of its recipe decide how often it
errs.
"""

import copy
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.foundation.conversion import clip_model
from pipeline.foundation.recipes import IMAGE_PX, CaptionerRecipe
from pipeline.foundation.training.clip import MEAN, STD, normalized
from pipeline.foundation.training.objective import Objective, train
from pipeline.foundation.training.texts import Dialogues
from pipeline.foundation.training.tokenizer import CHAT_TEMPLATE, CLOSE, IMAGE, USER
from pipeline.training.loop import Batch
from pipeline.training.rows import Shuffled

if TYPE_CHECKING:
    from transformers import LlavaForConditionalGeneration, LlavaProcessor, PreTrainedTokenizerFast

VISION_LAYER = -1  # of a tower without CLIP's last layer: LLaVA reads the layer before it, whose patches keep positions


def train_captioner(
    images: np.ndarray,
    dialogues: Dialogues,
    tokenizer: "PreTrainedTokenizerFast",
    recipe: CaptionerRecipe,
    clip: Path,
    out: Path,
    work: Path,
    device: torch.device,
) -> float:
    """Train a captioner, write the transformers folder `out` and return the last mean loss.

    `images` are N3HW uint8, each with one of `dialogues`; `clip` is the CLIP folder that provides the vision tower.
    """
    model = build_llava(recipe, clip, tokenizer).to(device)
    pictures = torch.from_numpy(images).to(device)
    ids, starts = torch.from_numpy(dialogues.ids).to(device), torch.from_numpy(dialogues.starts).to(device)
    user, pad = tokenizer.convert_tokens_to_ids(USER), tokenizer.pad_token_id
    objective, draw = Objective(model, partial(answer_loss, user, pad)), partial(draw_dialogues, pictures, ids, starts)
    loss = train(objective, Shuffled(len(images)), draw, recipe, work, device)
    model.cpu().save_pretrained(str(out))
    llava_processor(model, tokenizer).save_pretrained(str(out))
    return loss


def build_llava(
    recipe: CaptionerRecipe, clip: Path, tokenizer: "PreTrainedTokenizerFast"
) -> "LlavaForConditionalGeneration":
    """Return a LLaVA with our CLIP's vision tower, a new projector and a new Llama with tied embeddings."""
    from transformers import LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

    tower = clip_model(clip).vision_model
    seen = copy.deepcopy(tower.config)
    seen.num_hidden_layers -= 1
    text = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=recipe.width, intermediate_size=3 * recipe.width,
        num_hidden_layers=recipe.layers, num_attention_heads=recipe.heads,
        max_position_embeddings=8 * recipe.max_tokens, tie_word_embeddings=True, bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    config = LlavaConfig(
        vision_config=seen, text_config=text, vision_feature_layer=VISION_LAYER,
        vision_feature_select_strategy="default", image_token_id=tokenizer.convert_tokens_to_ids(IMAGE),
        image_seq_length=num_patches(seen), tie_word_embeddings=True,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        model = LlavaForConditionalGeneration(config)
    copy_tower(tower, model.model.vision_tower)
    model.generation_config.eos_token_id = tokenizer.convert_tokens_to_ids(CLOSE)
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model


def copy_tower(source: torch.nn.Module, target: torch.nn.Module) -> None:
    """Copy from `source` the layers that `target` has.

    The norm after the last layer is never read, so it is not trained. Some releases of transformers prefix the tower's
    parameter names.
    """
    prefix = "vision_model." if any(name.startswith("vision_model.") for name in target.state_dict()) else ""
    state = {f"{prefix}{name}": tensor for name, tensor in source.state_dict().items()}
    target.load_state_dict({name: state[name] for name in target.state_dict()})
    for name, parameter in target.named_parameters():
        parameter.requires_grad_("post_layernorm" not in name)


def llava_processor(model: "LlavaForConditionalGeneration", tokenizer: "PreTrainedTokenizerFast") -> "LlavaProcessor":
    """Return the processor that AutoProcessor finds in the folder: our CLIP's transform, the chat template."""
    from transformers import CLIPImageProcessor, LlavaProcessor

    size = {"height": IMAGE_PX, "width": IMAGE_PX}
    transform = CLIPImageProcessor(
        size={"shortest_edge": IMAGE_PX}, crop_size=size, image_mean=list(MEAN), image_std=list(STD)
    )
    return LlavaProcessor(
        image_processor=transform, tokenizer=tokenizer, patch_size=model.config.vision_config.patch_size,
        vision_feature_select_strategy="default", chat_template=CHAT_TEMPLATE, image_token=IMAGE,
        num_additional_image_tokens=1,
    )  # fmt: skip


def draw_dialogues(pictures: Tensor, ids: Tensor, starts: Tensor, rows: Tensor, generator: torch.Generator) -> Batch:
    """Return the images B3HW uint8 of rows B, the token ids BL int64 after each image, and the answers' starts B int64.

    Nothing is drawn at random.
    """
    return {"pictures": pictures[rows], "ids": ids[rows].long(), "starts": starts[rows].long()}


def answer_loss(
    user: int, pad: int, model: "LlavaForConditionalGeneration", pictures: Tensor, ids: Tensor, starts: Tensor
) -> Tensor:
    """Return the cross-entropy of the answer's tokens, given <|user|>, the image's patches and the prompt.

    pictures B3HW uint8, ids BL, starts B -> scalar. The embeddings are concatenated here, because the position of the
    image is known and nothing then waits for the device.
    """
    embed, batch = model.get_input_embeddings(), len(ids)
    patches = model.model.get_image_features(
        pixel_values=normalized(pictures), vision_feature_layer=VISION_LAYER, vision_feature_select_strategy="default"
    )
    image_BPD = torch.stack(list(patches.pooler_output))
    first_B1D = embed(ids.new_full((batch, 1), user))
    inputs_BSD = torch.cat([first_B1D, image_BPD.to(first_B1D.dtype), embed(ids)], dim=1)
    length = inputs_BSD.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=ids.device).tril()[None, None]
    hidden_BSD = model.model.language_model(
        inputs_embeds=inputs_BSD, attention_mask=causal.expand(batch, 1, -1, -1), use_cache=False
    ).last_hidden_state
    logits_BLV = model.lm_head(hidden_BSD[:, length - ids.shape[1] - 1 : -1]).float()
    positions = torch.arange(ids.shape[1], device=ids.device)
    targets = ids.masked_fill((positions < starts[:, None]) | (ids == pad), -100)
    return F.cross_entropy(logits_BLV.flatten(0, 1), targets.flatten(), ignore_index=-100)


def num_patches(vision_config: Any) -> int:
    """Return the number of patches of an image, which is also the number of its tokens in a dialogue."""
    return int((vision_config.image_size // vision_config.patch_size) ** 2)
