"""Write the drawn world to disk in the official layouts of EmoSet-118K and huggan/wikiart.

The truths are yielded, not written; callers store them in a table beside each layout.
"""

import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from pipeline.emotions import EMOTIONS, INDEX
from pipeline.miniature.annotation import annotation
from pipeline.miniature.identity import world_hash
from pipeline.miniature.stream import drawn
from pipeline.miniature.truth import Truth
from pipeline.miniature.vocabulary import ACTIONS, EXPRESSIONS, OBJECTS, SCENES
from pipeline.miniature.world import Stream, World
from pipeline.runtime import numpy_generator

SPLITS = {"train": 0.80, "val": 0.05, "test": 0.15}
JPEG: dict[str, Any] = {"format": "JPEG", "quality": 95, "subsampling": 0}
WIKIART_SHARD, ROW_GROUP = 2000, 250
GENRES = (
    "abstract_painting", "cityscape", "genre_painting", "illustration", "landscape", "nude_painting", "portrait",
    "religious_painting", "sketch_and_study", "still_life", "Unknown Genre",
)  # fmt: skip
STYLES = (
    "Abstract_Expressionism", "Action_painting", "Analytical_Cubism", "Art_Nouveau", "Baroque", "Color_Field_Painting",
    "Contemporary_Realism", "Cubism", "Early_Renaissance", "Expressionism", "Fauvism", "High_Renaissance",
    "Impressionism", "Mannerism_Late_Renaissance", "Minimalism", "Naive_Art_Primitivism", "New_Realism",
    "Northern_Renaissance", "Pointillism", "Pop_Art", "Post_Impressionism", "Realism", "Rococo", "Romanticism",
    "Symbolism", "Synthetic_Cubism", "Ukiyo_e",
)  # fmt: skip
ARTISTS = ("Unknown Artist", *(f"miniature-artist-{number:03d}" for number in range(1, 129)))


def write_emoset(
    world: World, num_images: int, folder: Path, workers: int = 1, stream: Stream = "emoset"
) -> Iterator[tuple[str, Truth]]:
    """Draw an EmoSet into `folder`: info.json, three split files of 4-column rows, image/ and annotation/ by label.

    Yields (image_id, truth) of each image as it is written; the layout is complete when the iterator is exhausted.
    """
    splits = split_of(num_images, numpy_generator(world.seed, "miniature", stream, "splits"))
    rows: dict[str, list[list[str]]] = {split: [] for split in SPLITS}
    counts: Counter[str] = Counter()
    for emotion in EMOTIONS:
        (folder / "image" / emotion).mkdir(parents=True, exist_ok=True)
        (folder / "annotation" / emotion).mkdir(parents=True, exist_ok=True)
    for index, (drawing, truth) in enumerate(one_by_one(world, stream, num_images, workers)):
        label = str(truth.label)
        stem = f"{label}_{counts[label]:05d}"
        counts[label] += 1
        image, notes = f"image/{label}/{stem}.jpg", f"annotation/{label}/{stem}.json"
        (folder / image).write_bytes(encoded(drawing))
        fields = annotation(truth, stem, numpy_generator(world.seed, "miniature", stream, "annotation", index))
        (folder / notes).write_text(json.dumps(fields))
        rows[splits[index]].append([label, stem, image, notes])
        yield f"emoset/{stem}", truth
    for split, members in rows.items():
        (folder / f"{split}.json").write_text(json.dumps(members))
    (folder / "info.json").write_text(json.dumps(info()))


def info() -> dict[str, Any]:
    """Return the content of EmoSet's vocabulary file, info.json: the index of every emotion and attribute value."""
    levels = {str(level / 10): level for level in range(11)}
    names = {
        "scene": list(SCENES), "object": [name.replace("_", " ").capitalize() for name in OBJECTS],
        "facial_expression": list(EXPRESSIONS), "human_action": list(ACTIONS),
    }  # fmt: skip
    vocabularies = {key: {"label2idx": {name: i for i, name in enumerate(values)}} for key, values in names.items()}
    low_level = {key: {"label2idx": levels} for key in ("brightness", "colorfulness")}
    return {"emotion": {"label2idx": dict(INDEX)}, **low_level, **vocabularies}


def write_wikiart(world: World, num_images: int, folder: Path, workers: int = 1) -> Iterator[tuple[str, Truth]]:
    """Draw a WikiArt into `folder`: data/train-000NN-of-000MM.parquet with image, artist, genre and style.

    Yields (image_id, truth) as `write_emoset` does.
    """
    (folder / "data").mkdir(parents=True, exist_ok=True)
    source = one_by_one(world, "wikiart", num_images, workers)
    num_shards = -(-num_images // WIKIART_SHARD)
    for shard in range(num_shards):
        path = folder / "data" / f"train-{shard:05d}-of-{num_shards:05d}.parquet"
        first, last = shard * WIKIART_SHARD, min((shard + 1) * WIKIART_SHARD, num_images)
        with pq.ParquetWriter(path, wikiart_schema()) as writer:
            for start in range(first, last, ROW_GROUP):
                group = [next(source) for _ in range(start, min(start + ROW_GROUP, last))]
                rows = [wikiart_row(drawing, truth) for drawing, truth in group]
                writer.write_table(pa.Table.from_pylist(rows, schema=wikiart_schema()))
                yield from ((f"wikiart/{start + i:06d}", truth) for i, (_, truth) in enumerate(group))


def wikiart_schema() -> pa.Schema:
    """Return the schema of huggan/wikiart, with class names in the metadata that the datasets library reads."""
    labels = {"artist": ARTISTS, "genre": GENRES, "style": STYLES}
    features = {"image": {"_type": "Image"}} | {
        key: {"names": list(names), "_type": "ClassLabel"} for key, names in labels.items()
    }
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return pa.schema(
        [("image", image), *((key, pa.int64()) for key in labels)],
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )


def wikiart_row(image: Image.Image, truth: Truth) -> dict[str, Any]:
    """Return one row: the image as JPEG, and the indices of artist, genre and style.

    The artist is unknown (0) for a tenth of the images, and otherwise one of 18 that go with the style.
    """
    style = STYLES.index(str(truth.style))
    return {
        "image": {"bytes": encoded(image), "path": None},
        "artist": 0 if truth.drawing_seed % 10 == 0 else 1 + (style * 7 + truth.drawing_seed % 20) % 128,
        "genre": GENRES.index(genre(truth)),
        "style": style,
    }


def genre(truth: Truth) -> str:
    """Return the WikiArt genre that fits the scene, the person and the objects."""
    if truth.drawing_seed % 12 == 0:
        return "Unknown Genre"
    if truth.scene == "cemetery":
        return "religious_painting"
    if truth.person is not None:
        return "portrait" if len(truth.objects) == 1 else "genre_painting"
    if truth.scene in ("room", "bedroom", "corridor"):
        return "still_life"
    if truth.scene in ("street", "stage", "boxing_ring", "amusement_park"):
        return "cityscape"
    return "landscape"


def one_by_one(world: World, stream: Stream, num_images: int, workers: int) -> Iterator[tuple[Image.Image, Truth]]:
    """Yield (image, truth) of the stream's first `num_images` images, in order."""
    for part in drawn(world, stream, 0, num_images, workers):
        yield from zip(map(Image.fromarray, part.images), part.truths, strict=True)


def encoded(image: Image.Image) -> bytes:
    """Return the image as the bytes of a JPEG file (quality 95, no colour subsampling)."""
    buffer = io.BytesIO()
    image.save(buffer, **JPEG)
    return buffer.getvalue()


def split_of(num_images: int, rng: np.random.Generator) -> list[str]:
    """Return a random split name for each image, in EmoSet's proportions (80 % train, 5 % val, 15 % test)."""
    counts = [round(share * num_images) for share in list(SPLITS.values())[1:]]
    names = ["train"] * (num_images - sum(counts)) + ["val"] * counts[0] + ["test"] * counts[1]
    return [names[i] for i in rng.permutation(num_images)]


def summary(world: World, truths: Sequence[Truth]) -> dict[str, Any]:
    """Return what was drawn: the number of images, the world's hash, counts per label and three rates.

    bayes_accuracy is the expected accuracy of the Bayes classifier, bayes_accuracy_sampled its accuracy on these
    labels, and label_noise the rate of labels that differ from the true emotion.
    """
    labelled = [truth for truth in truths if truth.label is not None]
    posteriors = np.stack([world.posterior(truth) for truth in labelled])
    right = posteriors.argmax(1) == [INDEX[str(truth.label)] for truth in labelled]
    counts = Counter(truth.label for truth in labelled)
    return {
        "n": len(truths),
        "world": world_hash(),
        "bayes_accuracy": float(posteriors.max(1).mean()),
        "bayes_accuracy_sampled": float(right.mean()),
        "label_noise": float(np.mean([truth.label != truth.emotion for truth in labelled])),
        **{f"num_{emotion}": counts[emotion] for emotion in EMOTIONS},
    }
