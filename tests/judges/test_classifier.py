"""The classifier of a corpus: which pictures it learns from, and what of EmoGen's is taken and what refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.emotions import EMOTIONS
from pipeline.features import feature_table
from pipeline.judges.classifier import Pictures, imported_classifier, trained_classifier
from pipeline.judges.examples import in_half
from pipeline.judges.head import EmotionHead, save_head
from tests.judges.conftest import head_settings

NUM, WIDTH = 240, 6


def tables(num: int = NUM) -> tuple[pa.Table, pa.Table]:
    generator = np.random.default_rng(0)
    features = generator.normal(size=(num, WIDTH)).astype(np.float32)
    norms = np.linalg.norm(features, axis=1)
    rows = pa.table({
        "image_id": [f"emoset/{index:05d}" for index in range(num)],
        "emotion": [EMOTIONS[index % 8] for index in range(num)],
        "split": [("train", "train", "val", "test")[index % 4] for index in range(num)],
    })  # fmt: skip
    return rows, feature_table(rows, [features / norms[:, None]], WIDTH).append_column("norm", pa.array(norms))


def settings(half: str) -> object:
    return head_settings(half=half, epochs=1)


def test_the_pictures_of_a_split_keep_their_emotions_features_and_lengths() -> None:
    pictures = Pictures.of(*tables())
    val = pictures.in_split("val")
    assert val.image_ids.tolist() == [f"emoset/{index:05d}" for index in range(2, NUM, 4)]
    assert val.emotions.tolist() == [index % 8 for index in range(2, NUM, 4)]
    np.testing.assert_array_equal(val.features, pictures.features[2::4])
    np.testing.assert_array_equal(val.norms, pictures.norms[2::4])


def test_features_of_other_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="not belong to the images"):
        Pictures.of(tables()[0], tables(NUM - 1)[1])


def test_a_classifier_learns_from_its_half_and_pictures_of_the_other_change_nothing() -> None:
    pictures = Pictures.of(*tables())
    head, num_train = trained_classifier(pictures, settings("first"), 0)
    train = pictures.in_split("train")
    mine = in_half(train.image_ids.tolist(), "first")
    assert num_train == mine.sum()
    other = (pictures.splits == "train") & in_half(pictures.image_ids.tolist(), "second")
    changed = replace(pictures, features=np.where(other[:, None], -pictures.features, pictures.features))
    again, _ = trained_classifier(changed, settings("first"), 0)
    both, num_both = trained_classifier(pictures, settings("both"), 0)
    state = {name: tensor.numpy() for name, tensor in head.state_dict().items()}
    assert all((tensor.numpy() == state[name]).all() for name, tensor in again.state_dict().items())
    assert (both.layers[0].weight.detach().numpy() != state["layers.0.weight"]).any()
    assert num_both == len(train.emotions)


def test_an_imported_head_is_taken_and_calibrated(tmp_path: Path) -> None:
    head = EmotionHead(WIDTH, None, normalized=False)
    save_head(head, tmp_path, {})
    imported = imported_classifier(Pictures.of(*tables()), tmp_path)
    assert (imported.layers[0].weight == head.layers[0].weight).all()
    assert float(imported.temperature) != 1


def test_an_imported_head_of_another_width_is_refused_with_both_widths_and_a_way_out(tmp_path: Path) -> None:
    save_head(EmotionHead(768, None, normalized=False), tmp_path, {})
    with pytest.raises(ValueError, match=r"768.*have 6.*ViT-L/14.*set emotion_classifier.source to train"):
        imported_classifier(Pictures.of(*tables()), tmp_path)


def test_an_import_that_was_never_made_is_an_error_that_says_how(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere.*import-emogen"):
        imported_classifier(Pictures.of(*tables()), tmp_path / "nowhere")
