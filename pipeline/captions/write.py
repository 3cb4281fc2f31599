"""Captions for a shard of a corpus: the multimodal model is asked unless the user wrote the caption."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from pipeline.captions.prompts import prompt
from pipeline.captions.served import ServedCaptioner, UnansweredError
from pipeline.features import decoded

if TYPE_CHECKING:
    from pipeline.foundation.captioner import Captioner
    from pipeline.foundation.clip import ClipTokenizer
    from pipeline.params import Captions


def write_captions(
    captioner: "Captioner | ServedCaptioner",
    tokenizer: "ClipTokenizer",
    rows: pa.Table,
    settings: "Captions",
    own: Mapping[str, str],
) -> pa.Table:
    """Rows with image_id, image and emotion -> image_id, variant, caption, num_tokens (of CLIP), truncated.

    own: captions of the user by image_id, taken as they are; the model is asked for all others. Raises ValueError that
    names pictures which a server gives no caption.
    """
    asked = rows.filter(pa.array([image_id not in own for image_id in rows["image_id"].to_pylist()], pa.bool_()))
    written = dict(own)
    for batch, images in decoded(asked, settings.batch_size):
        prompts = [prompt(settings.variant, emotion) for emotion in batch["emotion"].to_pylist()]
        image_ids = batch["image_id"].to_pylist()
        try:
            texts = captioner.caption(images, prompts, settings.max_new_tokens)
        except UnansweredError as error:
            raise ValueError(_without_caption(image_ids, error)) from None
        written.update(zip(image_ids, texts, strict=True))
    captions = [written[image_id] for image_id in rows["image_id"].to_pylist()]
    num_tokens = [tokenizer.num_tokens(caption) for caption in captions]
    return pa.table({
        "image_id": rows["image_id"],
        "variant": pa.array([settings.variant] * len(rows), pa.string()),
        "caption": pa.array(captions, pa.string()),
        "num_tokens": pa.array(num_tokens, pa.int32()),
        "truncated": pa.array([count > tokenizer.context_length for count in num_tokens], pa.bool_()),
    })  # fmt: skip


def length_summary(parts: Sequence[pa.Table], num_own: int, context_length: int) -> dict[str, float]:
    """Lengths of all captions in CLIP's tokens, and how many it cuts."""
    num_tokens = np.concatenate([part["num_tokens"].to_numpy() for part in parts])
    return {
        "n": len(num_tokens),
        "num_own": num_own,
        "context_length": context_length,
        "mean_tokens": float(num_tokens.mean()),
        "max_tokens": int(num_tokens.max()),
        "num_truncated": int((num_tokens > context_length).sum()),
        "num_distinct": len({caption for part in parts for caption in part["caption"].to_pylist()}),
    }


def _without_caption(image_ids: Sequence[str], error: UnansweredError) -> str:
    """What to do about pictures that the server gives no caption; five of them are named."""
    named = [f"{image_ids[index]} ({reason})" for index, reason in list(error.reasons.items())[:5]]
    more = f" and {len(error.reasons) - len(named)} more" if len(error.reasons) > len(named) else ""
    return f"no caption for {', '.join(named)}{more}: write your own into captions.override, or change the model"
