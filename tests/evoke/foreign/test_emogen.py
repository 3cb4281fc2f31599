"""A checkout of EmoGen becomes our files, one row for each artefact, and a bad one never stops the others."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from evoke.foreign import emogen
from evoke.foreign.artefacts import ARTEFACTS, attribute_key, coefficients, image_encoder, place
from evoke.foreign.emogen import Row, import_emogen
from evoke.foreign.outputs import ATTRIBUTES_SCHEMA, BALANCE_SCHEMA, VOCABULARY_SCHEMA
from evoke.foreign.refusal import RefusedError
from pipeline.artifacts import read_table
from pipeline.emotions import EMOTIONS, INDEX
from pipeline.judges.head import load_head
from pipeline.schemas import CORRELATION_SCHEMA
from pipeline.weights import load_safetensors
from tests.evoke.foreign.published import (
    BALANCE,
    CLASSIFIER,
    ENCODER,
    OBJECT_COEFFICIENTS,
    POINTER,
    SCENE_COEFFICIENTS,
    Calls,
    checkout,
    pickled,
    probabilities,
    saved,
    space,
    state_dict,
)

TARGETS = {
    "classifier/head.safetensors",
    "coefficients.parquet",
    "attributes.parquet",
    "vocabulary.parquet",
    "balance.parquet",
    "emotion_space.safetensors",
    "manifest.json",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return checkout(tmp_path / "EmoGen")


def files_of(out: Path) -> dict[str, str]:
    """Relative path of every file -> its SHA-256."""
    paths = (path for path in out.rglob("*") if path.is_file())
    return {path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def row_of(rows: list[Row], kind: str) -> Row:
    (row,) = (row for row in rows if row.kind == kind)
    return row


def test_everything_published_is_converted_and_equal_imports_give_equal_bytes(folder: Path, tmp_path: Path) -> None:
    rows = import_emogen(folder, tmp_path / "a")
    assert {row.kind for row in rows} == {artefact.label for artefact in ARTEFACTS}
    assert {row.kind: row.status for row in rows if row.status != "converted"} == {"image_encoder": "lfs_pointer"}
    assert "108913577 bytes" in str(row_of(rows, "image_encoder").reason)
    assert set(files_of(tmp_path / "a")) == TARGETS
    folder.rename(tmp_path / "elsewhere")
    import_emogen(tmp_path / "elsewhere", tmp_path / "b")
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


def test_the_manifest_tells_source_hash_and_target_of_every_artefact(folder: Path, tmp_path: Path) -> None:
    rows = import_emogen(folder, tmp_path / "out")
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())["artefacts"]
    assert manifest == [vars(row) for row in rows]
    for entry in manifest:
        assert entry["sha256"] == hashlib.sha256((folder / entry["source"]).read_bytes()).hexdigest()
        assert entry["status"] == "lfs_pointer" or (tmp_path / "out" / entry["target"]).is_file()
    assert str(tmp_path) not in (tmp_path / "out/manifest.json").read_text()


def test_the_imported_classifier_is_torchs_linear_and_softmax_on_features_of_their_own_length(
    folder: Path, tmp_path: Path
) -> None:
    import_emogen(folder, tmp_path / "out")
    head = load_head(tmp_path / "out/classifier")
    features = torch.randn(16, 768, generator=torch.Generator().manual_seed(3)) * 0.4
    norms = features.norm(dim=1)
    weights = state_dict()
    wanted = torch.nn.functional.linear(features, weights["fc.weight"], weights["fc.bias"])
    found = head.probabilities((features / norms[:, None]).numpy(), norms.numpy())
    np.testing.assert_allclose(found, wanted.softmax(1).numpy(), atol=2e-6)
    np.testing.assert_array_equal(head(features).detach().numpy(), wanted.numpy())
    assert np.abs(found - wanted.softmax(1).numpy()[::-1]).max() > 0.1
    _, metadata = load_safetensors(tmp_path / "out/classifier/head.safetensors")
    assert CLASSIFIER in metadata["sources"]


def test_imported_coefficients_have_the_schema_of_computed_ones(folder: Path, tmp_path: Path) -> None:
    import_emogen(folder, tmp_path / "out")
    table = read_table(tmp_path / "out/coefficients.parquet", CORRELATION_SCHEMA)
    names = ["object/alarm_clock", "object/tower", "object/tree", "scene/beach", "scene/tower"]
    assert table["attribute"].to_pylist() == names
    assert table["kind"].to_pylist() == ["object"] * 3 + ["scene"] * 2
    assert table["num_images"].to_pylist() == [0] * 5
    for column in ("coefficient", "mean", "in_sample"):
        np.testing.assert_array_equal(table[column].to_pylist()[1], probabilities(0))
        np.testing.assert_array_equal(table[column].to_pylist()[4], probabilities(10))
    assert np.count_nonzero(table["standard_error"].to_pylist()) == 0


def test_lists_keep_their_order_and_lose_their_machine(folder: Path, tmp_path: Path) -> None:
    import_emogen(folder, tmp_path / "out")
    balance = read_table(tmp_path / "out/balance.parquet", BALANCE_SCHEMA).to_pylist()
    assert len(balance) == 10
    assert balance[1] == {
        "kind": "object",
        "position": 1,
        "emotion": "awe",
        "attribute": "alarm_clock",
        "file": "object/(12)Alarm clock/awe_00001.jpg",
    }
    words = read_table(tmp_path / "out/attributes.parquet", ATTRIBUTES_SCHEMA).to_pylist()
    assert words[:3] == [
        {"emotion": "amusement", "kind": "scene", "name": "beach"},
        {"emotion": "amusement", "kind": "object", "name": "tower"},
        {"emotion": "amusement", "kind": "object", "name": "tree"},
    ]
    vocabulary = read_table(tmp_path / "out/vocabulary.parquet", VOCABULARY_SCHEMA).to_pylist()
    assert vocabulary[0] == {"name": "alarm_clock", "position": 2}


def test_the_emotion_space_is_in_the_order_of_the_emotions(folder: Path, tmp_path: Path) -> None:
    import_emogen(folder, tmp_path / "out")
    tensors, metadata = load_safetensors(tmp_path / "out/emotion_space.safetensors")
    assert json.loads(metadata["emotions"]) == list(EMOTIONS)
    for name, values in space().items():
        emotion, _, statistic = name.partition("_")
        assert torch.equal(tensors[statistic][INDEX[emotion]], values)


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/mnt/d/x/object/(5636)Tree/awe_00001.jpg", ("awe", "tree", "object/(5636)Tree/awe_00001.jpg")),
        ("C:\\data\\scene\\(3)Ice rink\\fear_00002.jpg", ("fear", "ice_rink", "scene/(3)Ice rink/fear_00002.jpg")),
        ("sadness/(3)Tree/1.jpg", ("sadness", "tree", "sadness/(3)Tree/1.jpg")),
        ("C:\\1.jpg", (None, None, "1.jpg")),
    ],
)
def test_a_foreign_path_tells_emotion_and_attribute(path: str, wanted: tuple[Any, ...]) -> None:
    assert tuple(place(path).values()) == wanted


@pytest.mark.parametrize("path", ["/", "a/../../b.jpg", "/mnt/()/(3)/x.jpg", "/mnt/object/(3)/x.jpg"])
def test_a_path_that_names_no_file_or_attribute_is_refused(path: str) -> None:
    with pytest.raises(RefusedError, match="wrong_keys"):
        place(path)


def test_many_names_of_which_one_repeats_are_refused_at_once() -> None:
    """Counting each among all would take hours for a file of some megabytes."""
    row = probabilities()
    names = {f"attribute {index}": row for index in range(20_000)}
    begin = os.times()
    with pytest.raises(RefusedError, match="equal in snake_case: 1 names: 'attribute_1'"):
        coefficients(pickled(names | {"Attribute_1": row}), "scene")
    assert os.times().user - begin.user < 4


def test_attribute_names_are_those_of_emosets_vocabulary() -> None:
    assert attribute_key("(12)Alarm clock") == "alarm_clock"
    assert attribute_key("Organ (Musical Instrument)") == "organ_(musical_instrument)"


def table(**changes: Any) -> bytes:
    return pickled({"tree": probabilities(), **changes})


BAD: dict[str, tuple[str, bytes, str]] = {
    "empty": (OBJECT_COEFFICIENTS, b"", "empty_file"),
    "html": (OBJECT_COEFFICIENTS, b"\n<!DOCTYPE html><html>Sign in</html>", "html_page"),
    "truncated": (OBJECT_COEFFICIENTS, table()[:-9], "malformed_pickle"),
    "hostile": (OBJECT_COEFFICIENTS, pickled({"deep": [Calls(os.system, "touch canary")]}), "forbidden_global"),
    "list": (OBJECT_COEFFICIENTS, pickled(["tree"]), "wrong_type"),
    "no_entries": (OBJECT_COEFFICIENTS, pickled({}), "wrong_keys"),
    "no_array": (OBJECT_COEFFICIENTS, table(lake=[0.125] * 8), "wrong_type"),
    "whole_numbers": (OBJECT_COEFFICIENTS, table(lake=np.arange(8)), "wrong_type"),
    "objects": (OBJECT_COEFFICIENTS, table(lake=np.array([None] * 8)), "wrong_type"),
    "seven": (OBJECT_COEFFICIENTS, table(lake=np.full(7, 1 / 7, np.float32)), "wrong_shape"),
    "nan": (OBJECT_COEFFICIENTS, table(lake=np.full(8, np.nan, np.float32)), "not_finite"),
    "log": (OBJECT_COEFFICIENTS, table(lake=np.log(probabilities())), "out_of_range"),
    "sum": (OBJECT_COEFFICIENTS, table(lake=probabilities() * 2), "out_of_range"),
    "twice": (OBJECT_COEFFICIENTS, table(Tree=probabilities()), "wrong_keys"),
    "no_name": (OBJECT_COEFFICIENTS, table(**{"(3)": probabilities()}), "wrong_keys"),
    "bell": (OBJECT_COEFFICIENTS, table(**{"\a": probabilities()}), "wrong_keys"),
    "surrogate": (OBJECT_COEFFICIENTS, table(**{"\ud800": probabilities()}), "wrong_keys"),
    "number": (BALANCE, pickled([1]), "wrong_type"),
    "emotions": ("dataset_balance/object_attr.pkl", pickled({"attr_joy": ["tree"]}), "wrong_keys"),
    "words": ("dataset_balance/object_attr.pkl", pickled({f"attr_{e}": "tree" for e in EMOTIONS}), "wrong_type"),
    "zip": (CLASSIFIER, saved(state_dict())[:-70], "malformed_archive"),
    "page": (CLASSIFIER, b"<html>", "html_page"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_artefact_is_refused_by_name_and_the_others_are_converted(
    name: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path, content, reason = BAD[name]
    (folder / path).write_bytes(content)
    rows = import_emogen(folder, tmp_path / "out")
    refused = [row for row in rows if row.status == "refused"]
    assert [(row.source, str(row.reason).split(":")[0], row.target) for row in refused] == [(path, reason, None)]
    assert sum(row.status == "converted" for row in rows) == len(ARTEFACTS) - 2
    assert not (tmp_path / "canary").exists()
    assert not [name for name in files_of(tmp_path / "out") if "aside" in name]
    if path == OBJECT_COEFFICIENTS:
        assert set(pq.read_table(tmp_path / "out/coefficients.parquet")["kind"].to_pylist()) == {"scene"}


def test_absent_artefacts_are_rows_too(folder: Path, tmp_path: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file() and path.name != Path(SCENE_COEFFICIENTS).name:
            path.unlink()
    rows = import_emogen(folder, tmp_path / "out")
    assert row_of(rows, "coefficients/scene").status == "converted"
    assert {row.status for row in rows if row.kind != "coefficients/scene"} == {"absent"}
    assert set(files_of(tmp_path / "out")) == {"coefficients.parquet", "manifest.json"}


def test_a_folder_without_any_is_an_error_that_says_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"has no file of EmoGen; .*time_\*\.pth.*sadness_std_v2\.pt"):
        import_emogen(tmp_path / "empty", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("loss", ["absent", "pointer", "negative", "short"])
def test_an_emotion_space_that_is_not_whole_is_refused_with_what_it_lacks(
    loss: str, folder: Path, tmp_path: Path
) -> None:
    path = folder / "emo_space/fear_std_v2.pt"
    contents: dict[str, Callable[[], bytes]] = {
        "pointer": lambda: POINTER,
        "negative": lambda: saved(-torch.ones(768)),
        "short": lambda: saved(torch.ones(512)),
    }
    if loss == "absent":
        path.unlink()
    else:
        path.write_bytes(contents[loss]())
    rows = import_emogen(folder, tmp_path / "out")
    assert row_of(rows, "emotion_space/awe_mean").reason == "incomplete: lacks fear_std"
    assert not (tmp_path / "out/emotion_space.safetensors").exists()
    assert row_of(rows, "classifier").status == "converted"


def test_copies_are_one_artefact_and_different_files_of_one_name_are_refused(folder: Path, tmp_path: Path) -> None:
    copy = folder / "copy/attr_coefficient_emotion_object.pkl"
    copy.parent.mkdir()
    copy.write_bytes((folder / OBJECT_COEFFICIENTS).read_bytes())
    rows = import_emogen(folder, tmp_path / "a")
    same = [row for row in rows if row.kind == "coefficients/object"]
    assert [row.status for row in same] == ["converted", "converted"]
    assert same[1].reason == "has the same bytes as copy/attr_coefficient_emotion_object.pkl"
    copy.write_bytes(table())
    rows = import_emogen(folder, tmp_path / "b")
    different = [row for row in rows if row.kind == "coefficients/object"]
    assert [(row.status, str(row.reason).split(":")[0]) for row in different] == [("refused", "ambiguous")] * 2


def test_files_larger_than_any_honest_one_are_refused_unread(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emogen, "MAX_PICKLE_BYTES", (folder / BALANCE).stat().st_size)
    monkeypatch.setattr(emogen, "MAX_CHECKPOINT_BYTES", (folder / CLASSIFIER).stat().st_size - 1)
    with (folder / OBJECT_COEFFICIENTS).open("ab") as file:
        file.truncate((folder / BALANCE).stat().st_size + 1)
    refused = {row.kind: row.reason for row in import_emogen(folder, tmp_path / "out") if row.status == "refused"}
    assert refused.keys() == {"classifier", "coefficients/object"}
    assert all(str(why).startswith("file_too_large: ") for why in refused.values())


def test_links_out_of_the_folder_and_pipes_are_not_opened(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.pkl"
    secret.write_bytes((folder / OBJECT_COEFFICIENTS).read_bytes())
    (folder / OBJECT_COEFFICIENTS).unlink()
    (folder / OBJECT_COEFFICIENTS).symlink_to(secret)
    (folder / SCENE_COEFFICIENTS).unlink()
    os.mkfifo(folder / SCENE_COEFFICIENTS)
    outside = checkout(tmp_path / "outside")
    (folder / "link").symlink_to(outside)
    rows = import_emogen(folder, tmp_path / "out")
    refused = {row.kind: str(row.reason).split(":")[0] for row in rows if row.status == "refused"}
    assert refused == {"coefficients/object": "path_outside_folder", "coefficients/scene": "unreadable_file"}
    assert not [row for row in rows if row.source and row.source.startswith("link")]


def test_a_folder_that_holds_something_is_not_written_to(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "README.md").write_text("kept")
    import_emogen(folder, out)
    assert (out / "README.md").read_text() == "kept"
    with pytest.raises(ValueError, match=r"already contains attributes\.parquet"):
        import_emogen(folder, out)
    with pytest.raises(ValueError, match="is not a folder"):
        import_emogen(folder, out / "README.md")


def test_the_image_encoder_is_converted_where_it_was_fetched(folder: Path, tmp_path: Path) -> None:
    encoder = {
        "fc_1.weight": torch.ones(768, 2048),
        "fc_2.weight": torch.ones(8, 768),
        "bn.num_batches_tracked": torch.tensor(3),
    }
    (folder / ENCODER).write_bytes(saved(encoder))
    import_emogen(folder, tmp_path / "out")
    tensors, _ = load_safetensors(tmp_path / "out/image_encoder.safetensors")
    assert tensors.keys() == encoder.keys()
    with pytest.raises(RefusedError, match="wrong_shape"):
        image_encoder(saved({"fc_1.weight": torch.ones(768, 2048)}))
    with pytest.raises(RefusedError, match="not_finite"):
        image_encoder(saved({**encoder, "bn.bias": torch.tensor([torch.nan])}))
