"""Measure how well the CLIP filter tells wrong captions from right ones, by dose of captions from other images.

    python -m experiments.filter_roc          # after `evoke repro caption_filter@emoset`; no training is needed

A caption is right if it names the scene that was drawn and no other, and only objects that were drawn. The curve gives,
at each fraction that the filter may drop of an emotion, the share of wrong captions and of right ones that it drops.
The area under it is the chance that a wrong caption is less similar to its image than a right one of the same emotion.
Writes experiments/results/filter_roc.json.
"""

import json
from collections.abc import Iterable

import click
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from experiments.cell import RESULTS, ROOT
from experiments.shuffled_captions import DOSES, chosen, shuffled
from experiments.verdicts import rounded
from pipeline.artifacts import CAPTION_FEATURES, CAPTIONS, EMOSET, FEATURES, MINIATURE_TRUTH, read_shards, read_table
from pipeline.captions.filter import similarities
from pipeline.features import feature_matrix
from pipeline.miniature.checks import objects_right, scene_right
from pipeline.runtime import numpy_generator

DROPPED = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # fractions of each emotion that the filter drops


def main_table() -> pa.Table:
    """Return the train split of the run's EmoSet: emotion, caption, both features, and what was drawn."""
    corpus = read_shards(ROOT / EMOSET.path, columns=["image_id", "emotion", "split"])
    captions = read_shards(ROOT / CAPTIONS.of("emoset").path, columns=["image_id", "caption"])
    images, texts = (read_shards(ROOT / artifact.of("emoset").path) for artifact in (FEATURES, CAPTION_FEATURES))
    truth = read_table(ROOT / MINIATURE_TRUTH.of("emoset").path, columns=["image_id", "scene", "objects"])
    rows = pc.index_in(corpus["image_id"], value_set=truth["image_id"].combine_chunks())
    table = corpus.append_column("caption", captions["caption"]).append_column("image", images["feature"])
    table = table.append_column("text", texts["feature"]).append_column("scene", truth["scene"].take(rows))
    table = table.append_column("objects", truth["objects"].take(rows))
    return table.filter(pc.equal(table["split"].cast(pa.string()), "train"))


def is_right(
    captions: Iterable[str], scenes: Iterable[str], objects: Iterable[list[dict[str, str]]]
) -> NDArray[np.bool_]:
    """Return which captions name the scene and only objects of their image, N bool."""
    rows = zip(captions, scenes, objects, strict=True)
    return np.array([scene_right(text, scene) and objects_right(text, (thing["name"] for thing in things))
                     for text, scene, things in rows], bool)  # fmt: skip


def curve(
    similarity: NDArray[np.floating], right: NDArray[np.bool_], emotions: NDArray[np.object_]
) -> dict[str, float]:
    """Return n, the share of wrong captions, the area under the curve, and what is dropped at each fraction.

    similarity, right and emotions are N; captions are ranked within their emotion.
    """
    rank = np.empty(len(similarity))
    for emotion in np.unique(emotions):
        members = np.flatnonzero(emotions == emotion)
        ordered = members[np.argsort(similarity[members])]
        rank[ordered] = (np.arange(len(members)) + 0.5) / len(members)  # 0: least similar
    figures = {"n": len(right), "wrong": float((~right).mean()), "area": area(rank, right)}
    for fraction in DROPPED:
        dropped = rank < fraction
        figures[f"wrong_dropped_{fraction}"] = float(dropped[~right].mean())
        figures[f"right_dropped_{fraction}"] = float(dropped[right].mean())
    return figures


def area(rank: NDArray[np.floating], right: NDArray[np.bool_]) -> float:
    """Return the chance that a wrong caption has a lower rank than a right one, ties counted half."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(right, rank))


@click.command()
def main() -> None:
    """Write the curve of each dose from the captions of the present run."""
    table = main_table()
    captions, emotions = table["caption"].to_pylist(), np.array(table["emotion"].to_pylist(), object)
    images, texts = (feature_matrix(table.select([name]).rename_columns(["feature"])) for name in ("image", "text"))
    curves = {}
    for percent in (0, *DOSES):
        order = np.arange(len(captions))
        rows = chosen(len(captions), percent)
        order[rows] = shuffled(rows.tolist(), [""] * len(rows), numpy_generator("filter_roc", percent))
        right = is_right([captions[row] for row in order], table["scene"].to_pylist(), table["objects"].to_pylist())
        curves[str(percent)] = curve(similarities(images, texts[order]), right, emotions)
        click.echo(f"{percent} %: {json.dumps(rounded(curves[str(percent)]))}")
    (RESULTS / "filter_roc.json").write_text(json.dumps(rounded(curves), indent=1) + "\n")


if __name__ == "__main__":
    main()
