"""Write the dataset card of a curated corpus for the Hugging Face Hub: contents, method and limits."""

import io
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ruamel.yaml import YAML

from pipeline.corpora.records import RARE, SPLITS
from pipeline.corpora.selection import Selection, summary
from pipeline.emotions import EMOTIONS
from pipeline.schemas import CURATION_SCHEMA, EMOART_SCHEMA

if TYPE_CHECKING:
    from pipeline.params import Emoart

SIZES = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K", 1_000_000: "100K<n<1M"}
LARGEST = "1M<n<10M"
LIMITS = """\
- **No person has labelled these pictures.** The emotion is what a classifier takes for the most probable of eight.
- The confidence is calibrated on the validation split of the corpus that the classifier learnt from. On other pictures,
  art above all, 0.75 need not mean that three of four are right.
- What is kept is what the classifier finds clear: do not measure classifiers by it, nor count emotions in the world.
- Pictures with equal bytes are here once; copies that were scaled or saved anew may be in several splits.
- The pictures keep their own licences and rights; this card grants none."""


def card(name: str, found: Selection, settings: "Emoart", known: str) -> str:
    """Return the text of README.md, which lies beside data/<split>-*.parquet.

    known: what is known about the classifier.
    """
    return f"""---
{_front_matter(name, found)}---

# {name}

{len(found.splits):,} pictures, each with the emotion that a classifier is sure of; made by `evoke curate`, the curation
of CoEmoGen (section 3.1).

```python
from datasets import load_dataset
dataset = load_dataset("path/of/this/folder")
```

## Emotions

{_lines(_emotions(found))}

## How it was made

{_lines(_steps(found, settings))}

CLIP features go through a classifier of eight emotions; {known}.

`curation.parquet` has the guess of every readable picture, `rejects.parquet` what could not be read and why, `sheets/`
the surest pictures of each emotion.

## Columns

{_lines(_columns(name))}

## Limits

{LIMITS}
"""


def _front_matter(name: str, found: Selection) -> str:
    """Return the card's YAML metadata: what the Hub displays, and which files belong to which split."""
    occurring = set(found.splits.values())
    files = [{"split": split, "path": f"data/{split}-*.parquet"} for split in SPLITS if split in occurring]
    metadata = {
        "pretty_name": name,
        "task_categories": ["image-classification"],
        "tags": ["emotion", "image-emotion"],
        "size_categories": [next((size for limit, size in SIZES.items() if len(found.splits) < limit), LARGEST)],
        "configs": [{"config_name": "default", "data_files": files}],
    }
    text = io.StringIO()
    YAML(typ="safe", pure=True).dump(metadata, text)
    return text.getvalue()


def _emotions(found: Selection) -> Iterator[str]:
    emotion_of = dict(zip(found.judged["image_id"].to_pylist(), found.judged["emotion"].to_pylist(), strict=True))
    counts = Counter((emotion_of[image_id], split) for image_id, split in found.splits.items())
    yield from ("| emotion | train | val | test | all |", "|---|---:|---:|---:|---:|")
    for emotion in EMOTIONS:
        numbers = [counts[emotion, split] for split in SPLITS]
        yield f"| {emotion} | {' | '.join(f'{number:,}' for number in (*numbers, sum(numbers)))} |"


def _steps(found: Selection, settings: "Emoart") -> Iterator[str]:
    numbers = summary(found, settings)
    rare = Counter(found.judged["reason"].to_pylist())[RARE]
    yield from ("| step | pictures |", "|---|---:|")
    yield f"| collected | {numbers['num_collected']:,} |"
    yield f"| readable, and no copy of another | {numbers['num_readable']:,} |"
    yield f"| confident: the highest probability is at least {settings.min_confidence} | {numbers['num_confident']:,} |"
    yield (
        f"| kept: of an emotion with at least {settings.min_emotion_frac:.1%} of these | {numbers['num_frequent']:,} |"
    )
    if rare:
        yield ""
        yield f"Dropped as too rare: {numbers['dropped_emotions']} ({rare:,} pictures)."


def _columns(name: str) -> Iterator[str]:
    """Yield a table of the columns and their meanings in the schemas.

    The emotion has its meaning in the curation's schema, because no person has labelled it.
    """
    docs = {column.name: column.doc for column in (*EMOART_SCHEMA.columns, *CURATION_SCHEMA.columns)}
    docs[EMOART_SCHEMA.key] = f"{name}/ and the path of the file without its suffix, or the number of the row"
    yield from ("| column | meaning |", "|---|---|")
    yield from (f"| {column} | {docs[column]} |" for column in EMOART_SCHEMA.names)


def _lines(lines: Iterator[str]) -> str:
    return "\n".join(lines)
