"""Captions are held against the truth by whole nouns, and rates are those of a table made by hand."""

import numpy as np
import pyarrow as pa
import pytest

from pipeline.miniature.captions import caption
from pipeline.miniature.checks import caption_checks, named, objects_right, scene_right
from pipeline.miniature.vocabulary import OBJECTS, SCENES
from pipeline.miniature.world import World


@pytest.mark.parametrize("nouns", [SCENES, OBJECTS])
def test_every_noun_names_its_thing_alone(nouns: dict[str, str]) -> None:
    for name, noun in nouns.items():
        assert named(f"a dark {noun}, and so on", nouns) == {name}


def test_names_are_whole_nouns() -> None:
    assert named("a bedroom with a bookcase and a carpet", OBJECTS) == set()
    assert named("a bedroom with a bookcase and a carpet", SCENES) == {"bedroom"}
    assert named("a park before an amusement park", SCENES) == {"park", "amusement_park"}


def test_a_scene_is_right_when_it_is_the_only_one_named() -> None:
    assert scene_right("a dark beach with a boat", "beach")
    assert not scene_right("a dark beach with a boat", "lake")
    assert not scene_right("a beach at a lake", "beach")
    assert not scene_right("a boat", "beach")


def test_objects_are_right_when_some_are_named_and_none_is_imagined() -> None:
    assert objects_right("a lake with a boat", ["boat", "tree"])
    assert not objects_right("a lake with a boat and a dog", ["boat", "tree"])
    assert not objects_right("a lake", ["boat"])
    assert objects_right("a lake with a trash can", iter(["waste_container"]))


def test_rates_are_those_of_a_table_made_by_hand() -> None:
    rows = [  # caption of a beach with a boat, emotion, split, kept
        ("a beach with a boat", "awe", "train", True),
        ("a beach with a dog", "awe", "train", True),
        ("a lake with a boat", "fear", "train", True),
        ("a lake with a dog", "fear", "train", False),
        ("a beach", "fear", "train", False),
        ("a beach with a boat", "fear", "test", True),
    ]
    texts, emotions, splits, kept = zip(*rows, strict=True)
    ids = [f"emoset/{index}" for index in range(len(rows))]
    boat = [{"name": "boat", "box": [0.0, 0.0, 0.5, 0.5]}]
    truth_ids = ["emoset/0", "emoset/00", *ids[1:]]  # one more picture than captions
    rates = caption_checks(
        pa.table({"image_id": ids, "caption": texts}),
        pa.table({"image_id": ids, "emotion": emotions, "split": splits, "kept": kept}),
        pa.table({"image_id": truth_ids, "scene": ["beach"] * 7, "objects": [boat] * 7}),
    )
    assert rates == pytest.approx({
        "n": 5,
        "scene_right_before": 3 / 5, "object_right_before": 2 / 5, "both_right_before": 1 / 5,
        "scene_right_after": 2 / 3, "object_right_after": 2 / 3, "both_right_after": 1 / 3,
        "scene_right_dropped": 1 / 2, "object_right_dropped": 0, "both_right_dropped": 0,
        "both_right_before_awe": 1 / 2, "both_right_before_fear": 0,
        "both_right_after_awe": 1 / 2, "both_right_after_fear": 0,
        "both_right_dropped_fear": 0,
    })  # fmt: skip


def test_plain_captions_of_the_drawn_world_are_right() -> None:
    for index in range(200):
        truth = World(7).truth("emoset", index)
        text = caption(truth, np.random.default_rng(index))
        assert scene_right(text, truth.scene)
        assert objects_right(text, [thing.name for thing in truth.objects])
