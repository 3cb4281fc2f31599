"""Imported coefficients stand under the names of the corpus, and what has none is named."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner

from evoke.foreign.emogen import import_emogen
from pipeline.artifacts import CORRELATION, EMOSET, FEATURES, IMPORTED_EMOGEN, encode_words, read_table, write_table
from pipeline.attributes import attributes_of
from pipeline.uniemo.correlation import matches, named_as
from stages import correlation
from tests.evoke.foreign.published import OBJECT_COEFFICIENTS, SCENE_COEFFICIENTS, pickled, probabilities
from tests.judges.conftest import row
from tests.repository import ROOT, enter_repository


def table_of(*attributes: str) -> pa.Table:
    """An imported table whose coefficients say by their seed which attribute they were of."""
    values = pa.FixedSizeListArray.from_arrays(np.concatenate([probabilities(i) for i in range(len(attributes))]), 8)
    parts = [attribute.split("/", 1) for attribute in attributes]
    return pa.table({
        "attribute": list(attributes), "kind": [kind for kind, _ in parts], "name": [name for _, name in parts],
        "num_images": pa.array([0] * len(parts), pa.int32()),
        **dict.fromkeys(("coefficient", "mean", "standard_error", "in_sample"), values),
    })  # fmt: skip


@pytest.mark.parametrize(
    ("annotated", "listed", "wanted"),
    [
        (["scene/bakery/shop"], ["scene/shop"], {"scene/shop": "scene/bakery/shop"}),
        (["object/organ"], ["object/organ_(music)"], {"object/organ_(music)": "object/organ"}),
        (["object/kitchen_&_dining_room_table"], ["object/kitchen_dining_room_table"],
         {"object/kitchen_dining_room_table": "object/kitchen_&_dining_room_table"}),
        (["scene/bakery/shop"], ["object/shop"], {}),  # of another kind
        (["scene/bakery/shop", "scene/shop"], ["scene/shop"], {}),  # shop is another scene
        (["scene/church/indoor", "scene/market/indoor"], ["scene/indoor"], {}),  # of which of the two?
        (["scene/bakery/shop"], ["scene/shop", "scene/toy/shop"], {}),
        (["scene/beach"], ["scene/beach_house"], {}),
    ],
)  # fmt: skip
def test_names_match_only_without_doubt(annotated: list[str], listed: list[str], wanted: dict[str, str]) -> None:
    assert matches(annotated, listed) == wanted


def test_a_renamed_row_keeps_its_coefficients_and_unmatched_ones_are_named(caplog: pytest.LogCaptureFixture) -> None:
    found = named_as(
        ["scene/bakery/shop", "scene/moon", "object/tree"], table_of("object/tree", "scene/a", "scene/shop")
    )
    assert found["attribute"].to_pylist() == ["object/tree", "scene/a", "scene/bakery/shop"]
    assert found["name"].to_pylist() == ["tree", "a", "bakery/shop"]
    np.testing.assert_array_equal(found["coefficient"].to_pylist()[2], probabilities(2))
    assert "1 of 3 attributes of the corpus have no imported coefficient" in caplog.text
    assert caplog.text.rstrip().endswith("get the mean of their kind: scene/moon")


def test_nothing_is_said_where_all_match(caplog: pytest.LogCaptureFixture) -> None:
    named_as(["scene/bakery/shop"], table_of("object/tree", "scene/shop"))
    assert not caplog.text


def test_a_table_of_other_names_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"2 of 2 attributes of the corpus have no .* scene/a, scene/b, .* scene/x;"):
        named_as(["scene/a", "scene/b"], table_of("scene/x"))


def test_the_stage_names_emogens_published_coefficients_as_emoset_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").mkdir()
    enter_repository(monkeypatch, tmp_path / "run")
    rows = [row(index) | {"scene": ("bakery/shop", "beach")[index % 2]} for index in range(16)]
    rows = sorted(rows, key=lambda one: one["image_id"])
    corpus = encode_words(pa.Table.from_pylist(rows, EMOSET.schema.arrow), EMOSET.schema)
    write_table(Path(EMOSET.path) / "part-00000.parquet", corpus, EMOSET.schema)
    Path(FEATURES.of("emoset").path).mkdir(parents=True)
    objects = {name.removeprefix("object/") for name in attributes_of(corpus).names if name.startswith("object/")}
    for path, names in ((OBJECT_COEFFICIENTS, sorted(objects)), (SCENE_COEFFICIENTS, ["beach", "shop"])):
        (tmp_path / "EmoGen" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "EmoGen" / path).write_bytes(pickled({name: probabilities(i) for i, name in enumerate(names)}))
    import_emogen(tmp_path / "EmoGen", Path(IMPORTED_EMOGEN.path))
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    before, _, after = Path("params.yaml").read_text().partition("\ncorrelation:")
    Path("params.yaml").write_text(f"{before}\ncorrelation:{after.replace('computed', 'imported', 1)}")
    result = CliRunner().invoke(correlation.main, [])
    assert result.exit_code == 0, result.output
    found = {one["attribute"]: one["coefficient"] for one in read_table(Path(CORRELATION.path)).to_pylist()}
    assert set(found) >= {"scene/bakery/shop", "scene/beach"}
    np.testing.assert_array_equal(found["scene/bakery/shop"], probabilities(1))
    assert json.loads(Path("metrics/correlation.json").read_text())["num_scenes"] == 2
