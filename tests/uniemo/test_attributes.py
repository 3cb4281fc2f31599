"""Targets of Eq. 4 and bases in which the nearest attribute is looked for, each kind in its own."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from pipeline.foundation.clip import load_clip
from pipeline.uniemo.attributes import Base, bases_of, load_bases, save_bases, targets_of, words

SCENES = ["lake", None, "amusement_park", "lake"]
OBJECTS = [["Boat", "bird"], [], ["bird", "bird", "Alarm clock"], ["Alarm clock"]]


def pictures(scenes: list[str | None] = SCENES, objects: list[list[str]] = OBJECTS) -> pa.Table:
    return pa.table({"scene": pa.array(scenes, pa.string()), "objects": pa.array(objects, pa.list_(pa.string()))})


def plain_bases(*names: tuple[str, ...]) -> dict[str, Base]:
    return {kind: Base(each, torch.eye(8)[: len(each)]) for kind, each in zip(("scene", "object"), names, strict=True)}


def test_bases_hold_what_train_pictures_have_in_clips_words(models: Path) -> None:
    clip = load_clip(models / "foundation/clip")
    bases = bases_of(pictures(), clip)
    assert bases["scene"].names == ("amusement_park", "lake")
    assert bases["object"].names == ("Alarm clock", "Boat", "bird")
    wanted = clip.encode_texts(["alarm clock", "boat", "bird"])
    assert torch.allclose(bases["object"].features, wanted, atol=1e-6)
    assert [words(name) for name in ("amusement_park", "Alarm clock")] == ["amusement park", "alarm clock"]


def test_a_corpus_without_annotations_has_empty_bases(models: Path) -> None:
    clip = load_clip(models / "foundation/clip")
    bases = bases_of(pictures([None], [[]]), clip)
    assert [(base.names, base.features.shape) for base in bases.values()] == [((), (0, clip.width))] * 2
    assert targets_of(pictures([None], [[]]), bases)["object"].shape == (1, 0)
    assert bases["scene"].nearest(torch.randn(2, clip.width)) == [[], []]


def test_targets_tell_every_attribute_once_and_nothing_unknown() -> None:
    found = targets_of(pictures(), plain_bases(("lake",), ("Alarm clock", "bird")))
    assert found["scene"].tolist() == [[True], [False], [False], [True]]
    assert found["object"].tolist() == [[False, True], [False, False], [True, True], [True, False]]


def test_as_written_a_picture_has_the_first_object_alone() -> None:
    found = targets_of(pictures(), plain_bases(("lake",), ("Alarm clock", "Boat", "bird")), first_only=True)
    assert np.argmax(found["object"], 1).tolist() == [1, 0, 2, 0]
    assert found["object"].sum(1).tolist() == [1, 0, 1, 1]
    assert found["scene"].sum() == 2


def test_the_nearest_have_the_highest_cosine_first() -> None:
    base = plain_bases(("a", "b", "c"), ())["scene"]
    joint = torch.zeros(1, 8)
    joint[0, :3] = torch.tensor([0.2, 0.9, 0.4])
    ((first, second),) = base.nearest(joint, 2)
    assert (first[0], second[0]) == ("b", "c")
    assert first[1] == pytest.approx(0.9)
    assert len(base.nearest(joint, 9)[0]) == 3


def test_bases_come_back_from_the_disk_as_they_were(tmp_path: Path) -> None:
    bases = plain_bases(("cafe\u0301", "lake"), ("bird",))
    save_bases(bases, tmp_path)
    found = load_bases(tmp_path)
    assert all(found[kind].names == base.names for kind, base in bases.items())
    assert all(torch.equal(found[kind].features, base.features) for kind, base in bases.items())
    first = (tmp_path / "attributes.safetensors").read_bytes()
    save_bases(bases, tmp_path)
    assert (tmp_path / "attributes.safetensors").read_bytes() == first


def test_damaged_bases_are_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"the weights file .* does not exist"):
        load_bases(tmp_path)
    save_bases({"scene": Base(("a", "b"), torch.eye(1, 8)), "object": Base((), torch.empty(0, 8))}, tmp_path)
    with pytest.raises(ValueError, match="one vector per name"):
        load_bases(tmp_path)
    save_bases({"scene": Base(("a",), torch.eye(1, 8))}, tmp_path)
    with pytest.raises(ValueError, match="is damaged"):
        load_bases(tmp_path)
