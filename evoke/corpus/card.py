"""Write the dataset cards of corpora for the Hugging Face Hub: contents, method and limits."""

import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from pipeline.corpora.records import RARE, SPLITS
from pipeline.corpora.selection import Selection, summary
from pipeline.emotion_set import EMOTIONS
from pipeline.schemas import CURATION_SCHEMA, EMOART_SCHEMA, Schema

if TYPE_CHECKING:
    from pipeline.params import Emoart


SIZES = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K", 1_000_000: "100K<n<1M"}
LARGEST = "1M<n<10M"
LIMITS = """\
- **No person has annotated these images.** The emotion is the most probable of eight according to a classifier.
- The confidence is calibrated on other images, or not at all if zero-shot. On these, especially on art, a confidence of
  0.75 need not mean that 75 % of the emotions are right.
- Only images that are clear to the classifier are kept: do not evaluate classifiers on them or estimate how frequent
  emotions are.
- Files with equal bytes are kept once; rescaled or re-encoded copies may be in several splits.
- The images keep their own licences and rights; this card grants none."""


def card(name: str, selection: Selection, settings: "Emoart", classifier_note: str) -> str:
    """Return the text of README.md, which lies beside data/<split>-*.parquet.

    classifier_note: what is known about the classifier, as a clause.
    """
    return f"""---
{_front_matter(name, selection.splits.values())}---

# {name}

{len(selection.splits):,} images, each with an emotion that a classifier predicts with high confidence. Created by
`evoke curate`, the curation of CoEmoGen (section 3.1).

```python
from datasets import load_dataset
dataset = load_dataset("path/of/this/folder")
```

## Emotions

{_lines(_emotions(selection))}

## How it was made

{_lines(_steps(selection, settings))}

The classifier predicts one of eight emotions from CLIP features; {classifier_note}.

`curation.parquet` has the predicted emotion of every readable image, `rejects.parquet` the files that could not be read
with the reason, and `sheets/` the most confident images of each emotion.

## Columns

{_lines(_columns(name))}

## Limits

{LIMITS}
"""


def corpus_card(
    name: str, counts: Mapping[tuple[str, str], int], num_copies: int, schema: Schema, licence: str | None
) -> str:
    """Return the text of README.md for a corpus of the pipeline.

    counts: the number of images by emotion and split. num_copies: the images left out as copies of others.
    """
    splits = [split for (_, split), number in counts.items() for _ in range(number)]
    rights = f"The images are under `{licence}`." if licence else "The images keep their own licences and rights."
    columns = [f"| {column.name} | {column.doc} |" for column in schema.columns]
    return f"""---
{_front_matter(name, splits, licence)}---

# {name}

{len(splits):,} images, each with one of {len(EMOTIONS)} emotions, checked and packed by the pipeline `evoke`.
Written by `evoke corpus export`.

```python
from datasets import load_dataset
dataset = load_dataset("path/of/this/folder")
dataset["train"].features["emotion"].names
```

## Emotions

{_lines(_counted(counts))}

{num_copies:,} images were left out, because an image of a later split (train, val, test) has the same bytes: no test
image is in train.

## Columns

{_lines(iter(["| column | meaning |", "|---|---|", *columns]))}

## Limits

- An emotion is that of the annotation or of a classifier, and not what every person feels.
- Rescaled or re-encoded copies may be in several splits.
- {rights}
"""


def _front_matter(name: str, splits: Iterable[str], licence: str | None = None) -> str:
    """Return the card's YAML metadata: what the Hub displays, and which files belong to which split."""
    numbers = Counter(splits)
    files = [{"split": split, "path": f"data/{split}-*.parquet"} for split in SPLITS if numbers[split]]
    metadata: dict[str, Any] = {
        "pretty_name": name,
        "task_categories": ["image-classification"],
        "tags": ["emotion", "image-emotion"],
        "size_categories": [next((size for limit, size in SIZES.items() if numbers.total() < limit), LARGEST)],
        "configs": [{"config_name": "default", "data_files": files}],
    }
    if licence:
        metadata["license"] = licence
    text = io.StringIO()
    YAML(typ="safe", pure=True).dump(metadata, text)
    return text.getvalue()


def _emotions(selection: Selection) -> Iterator[str]:
    emotion_of = dict(
        zip(selection.judged["image_id"].to_pylist(), selection.judged["emotion"].to_pylist(), strict=True)
    )
    yield from _counted(Counter((emotion_of[image_id], split) for image_id, split in selection.splits.items()))


def _counted(counts: Mapping[tuple[str, str], int]) -> Iterator[str]:
    yield from ("| emotion | train | val | test | all |", "|---|---:|---:|---:|---:|")
    for emotion in EMOTIONS:
        numbers = [counts.get((emotion, split), 0) for split in SPLITS]
        yield f"| {emotion} | {' | '.join(f'{number:,}' for number in (*numbers, sum(numbers)))} |"


def _steps(selection: Selection, settings: "Emoart") -> Iterator[str]:
    numbers = summary(selection, settings)
    rare = Counter(selection.judged["reason"].to_pylist())[RARE]
    yield from ("| step | images |", "|---|---:|")
    yield f"| collected | {numbers['num_collected']:,} |"
    yield f"| readable, without duplicates | {numbers['num_readable']:,} |"
    yield f"| confident: the highest probability is at least {settings.min_confidence} | {numbers['num_confident']:,} |"
    yield (
        f"| kept: the emotion has at least {settings.min_emotion_frac:.1%} of the confident images "
        f"| {numbers['num_frequent']:,} |"
    )
    if rare:
        yield ""
        yield f"Dropped as too rare: {numbers['dropped_emotions']} ({rare:,} images)."


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
