"""Write the captions of a shard of a corpus: the user's own where there is one, else those of the multimodal model."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.artifacts import read_table
from pipeline.captions.answer import cleaned
from pipeline.captions.kept import Answers, answer_key, forget_empty
from pipeline.captions.prompts import PROMPTS, Wording, prompt
from pipeline.captions.served import ServedCaptioner
from pipeline.features import decoded

if TYPE_CHECKING:
    from pipeline.foundation.captioner import Captioner
    from pipeline.foundation.clip import ClipTokenizer
    from pipeline.params import Captions
    from pipeline.work import WorkFolder


def write_captions(
    load: "Callable[[], Captioner | ServedCaptioner]",
    tokenizer: "ClipTokenizer",
    rows: pa.Table,
    settings: "Captions",
    own: Mapping[str, str],
    wording: Wording = PROMPTS,
    answers: Answers | None = None,
) -> pa.Table:
    """Return a table with image_id, variant, caption, num_tokens (of CLIP) and truncated, for the given rows.

    load: returns the captioner; it is called only if an image has neither an own caption nor an earlier answer.
    rows: image_id, image and emotion.
    own: the user's captions by image_id, used unchanged; the model captions all other images, asked in `wording`. An
    image for which a server has no caption gets an empty one.
    answers: the model's earlier answers, to which each batch of new ones is added.
    """
    answers = answers or Answers()
    prompts = [prompt(settings.variant, emotion, wording) for emotion in rows["emotion"].to_pylist()]
    keys = [answer_key(image["bytes"].as_py(), text) for image, text in zip(rows["image"], prompts, strict=True)]
    image_ids = rows["image_id"].to_pylist()
    is_new = [image_id not in own and key not in answers.by_key for image_id, key in zip(image_ids, keys, strict=True)]
    prompted = rows.append_column("prompt", pa.array(prompts, pa.string())).append_column(
        "key", pa.array(keys, pa.string())
    )
    for batch, images in decoded(prompted.filter(pa.array(is_new, pa.bool_())), settings.batch_size):
        texts = load().caption(images, batch["prompt"].to_pylist(), settings.max_new_tokens)
        answers.add(dict(zip(batch["key"].to_pylist(), map(cleaned, texts), strict=True)))
    captions = [
        own[image_id] if image_id in own else answers.by_key[key] for image_id, key in zip(image_ids, keys, strict=True)
    ]
    num_tokens = [tokenizer.num_tokens(caption) for caption in captions]
    return pa.table({
        "image_id": rows["image_id"],
        "variant": pa.array([settings.variant] * len(rows), pa.string()),
        "caption": pa.array(captions, pa.string()),
        "num_tokens": pa.array(num_tokens, pa.int32()),
        "truncated": pa.array([count > tokenizer.context_length for count in num_tokens], pa.bool_()),
    })  # fmt: skip


def length_summary(parts: Sequence[pa.Table], num_own: int, context_length: int) -> dict[str, float]:
    """Return statistics on all captions: lengths in CLIP tokens, and how many are truncated, empty, own or distinct."""
    num_tokens = np.concatenate([part["num_tokens"].to_numpy() for part in parts])
    return {
        "n": len(num_tokens),
        "num_own": num_own,
        "num_empty": len(empty(parts)),
        "context_length": context_length,
        "mean_tokens": float(num_tokens.mean()),
        "max_tokens": int(num_tokens.max()),
        "num_truncated": int((num_tokens > context_length).sum()),
        "num_distinct": len({caption for part in parts for caption in part["caption"].to_pylist()}),
    }


def empty(parts: Sequence[pa.Table]) -> list[str]:
    """Return the image_ids that have an empty caption."""
    return [
        image_id for part in parts for image_id in part.filter(pc.equal(part["caption"], ""))["image_id"].to_pylist()
    ]


def check_empty(work: "WorkFolder", names: Sequence[str], max_empty_frac: float, answers: Path) -> None:
    """Check that at most max_empty_frac of the images have an empty caption.

    Raises ValueError, which names some of them, otherwise. Before that, the pieces with an empty caption and the empty
    ones of the kept answers are removed, so that a run with a repaired server asks for them, and only them, again.
    """
    parts = {name: read_table(work.part(name)) for name in names}
    uncaptioned, total = empty(list(parts.values())), sum(map(len, parts.values()))
    if len(uncaptioned) > max_empty_frac * total:
        for name, part in parts.items():
            if empty([part]):
                work.discard(name)
        forget_empty(answers)
        named = ", ".join(uncaptioned[:5]) + (" and others" if len(uncaptioned) > 5 else "")
        raise ValueError(
            f"{len(uncaptioned)} of {total} images have no caption, more than captions.max_empty_frac = "
            f"{max_empty_frac} allows: {named}; the log gives the reasons. Remove their causes, add captions to "
            "captions.override or raise max_empty_frac, and run again: only images without a caption are "
            "asked for again"
        )
