"""`evoke captions`: what is exported can be imported, and a wrong file changes nothing."""

import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner, Result

from evoke.cli import main
from pipeline.artifacts import CAPTIONS, EMOSET, read_table, write_table
from pipeline.captions.override import read_captions
from pipeline.corpora.pack import tables
from pipeline.corpora.records import Record

ROOT = Path(__file__).parents[2]
IDS = ["emoset/awe_00000", "emoset/awe_00001", "emoset/awe_00002"]
WRITTEN = {IDS[0]: "a beach, with a boat", IDS[1]: "a lake", IDS[2]: 'a "park"'}
OVERRIDE, OUT = Path("data/overrides/captions.csv"), Path("mine/out.csv")


@pytest.fixture
def _repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository with a corpus of three pictures in two shards, their captions, and no caption of the user."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    OVERRIDE.parent.mkdir(parents=True)
    OVERRIDE.write_text("image_id,caption\n")
    records = [
        Record(image_id, b"jpeg", "a.jpg", "awe", "positive", "train", 4, 3, "0" * 64, None, None, None, (), None, None)
        for image_id in IDS
    ]
    captions = pa.table({
        "image_id": IDS, "variant": ["emotion"] * 3, "caption": list(WRITTEN.values()),
        "num_tokens": pa.array([5, 6, 7], pa.int32()), "truncated": [False] * 3,
    })  # fmt: skip
    for artifact, table in ((EMOSET, tables(records)["records"]), (CAPTIONS, captions)):
        folder = Path(artifact.of("emoset").path)
        for index, part in enumerate((table.slice(0, 2), table.slice(2))):
            write_table(folder / f"part-{index:05d}.parquet", part, artifact.schema)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["captions", *arguments])


def put(text: str) -> str:
    Path("mine.csv").write_text(f"image_id,caption\n{text}")
    return "mine.csv"


@pytest.mark.usefixtures("_repository")
def test_an_export_is_what_was_written_and_can_be_imported() -> None:
    result = run("export", str(OUT))
    assert (result.exit_code, result.output) == (0, "mine/out.csv: 3 captions of emoset\n")
    assert read_captions(OUT) == WRITTEN
    result = run("import", str(OUT))
    assert result.exit_code == 0
    assert read_captions(OVERRIDE) == WRITTEN
    assert "data/overrides/captions.csv: 3 captions, 3 of them from mine/out.csv; run `dvc repro`" in result.output


@pytest.mark.usefixtures("_repository")
def test_an_import_joins_and_replaces_those_before_and_replace_forgets_them() -> None:
    assert run("import", put(f"{IDS[1]},first\n{IDS[0]},second\n")).exit_code == 0
    result = run("import", put(f"{IDS[2]},third\n{IDS[0]},again\n"))
    assert "3 captions, 2 of them from" in result.output
    assert OVERRIDE.read_text() == f"image_id,caption\n{IDS[0]},again\n{IDS[1]},first\n{IDS[2]},third\n"
    assert "1 captions, 1 of them" in run("import", "--replace", put(f"{IDS[1]},alone\n")).output
    assert read_captions(OVERRIDE) == {IDS[1]: "alone"}


@pytest.mark.usefixtures("_repository")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "emoset/awe_00009,a lake\n",
            "1 captions have an image_id that is in no corpus; the first is emoset/awe_00009",
        ),
        ("emosset/awe_00000,a lake\n", "the first is emosset/awe_00000"),
        (f"{IDS[0]},a lake, too\n", "line 2: 3 columns"),
        (f"{IDS[0]},a lake\n{IDS[0]},a park\n", "already has a caption"),
    ],
)
@pytest.mark.parametrize("options", [[], ["--replace"]])
def test_a_wrong_file_is_one_line_and_changes_nothing(text: str, message: str, options: list[str]) -> None:
    run("import", put(f"{IDS[1]},kept\n"))
    before = OVERRIDE.read_bytes()
    result = run("import", *options, put(text))
    assert result.exit_code == 1
    assert result.output.startswith("Error: mine.csv")
    assert message in result.output
    assert result.output.count("\n") == 1
    assert OVERRIDE.read_bytes() == before
    assert [path.name for path in OVERRIDE.parent.iterdir()] == ["captions.csv"]


@pytest.mark.usefixtures("_repository")
def test_an_export_with_empty_captions_can_be_imported_and_they_stay_the_models() -> None:
    part = Path(CAPTIONS.of("emoset").path) / "part-00001.parquet"
    table = read_table(part)
    empty = table.set_column(table.column_names.index("caption"), "caption", pa.array([""]))
    write_table(part, empty, CAPTIONS.schema)
    assert run("export", str(OUT)).exit_code == 0
    result = run("import", str(OUT))
    assert result.exit_code == 0, result.output
    assert "mine/out.csv: 1 empty captions are left out\n" in result.output
    assert "3 captions" not in result.output
    assert read_captions(OVERRIDE) == {image_id: WRITTEN[image_id] for image_id in IDS[:2]}


@pytest.mark.usefixtures("_repository")
def test_a_damaged_override_file_is_refused_unless_it_is_replaced() -> None:
    OVERRIDE.write_text("image_id,caption\nbroken\n")
    assert "data/overrides/captions.csv, line 2: 1 columns" in run("import", put(f"{IDS[1]},mine\n")).output
    assert OVERRIDE.read_text().endswith("broken\n")
    assert run("import", "--replace", put(f"{IDS[1]},mine\n")).exit_code == 0


@pytest.mark.usefixtures("_repository")
def test_what_is_missing_is_named() -> None:
    unknown = run("export", str(OUT), "--corpus", "wikiart").output
    assert "unknown corpus 'wikiart'; params.yaml lists emoset" in unknown
    assert "No such file" in run("import", "none.csv").output
    assert "export to another file" in run("export", str(OVERRIDE)).output
    shutil.rmtree("data/captions")
    assert "data/captions/emoset does not exist; run `dvc repro` to create it" in run("export", str(OUT)).output
    assert not OUT.exists()
    shutil.rmtree("data/corpora")
    assert "data/corpora/emoset does not exist" in run("import", put(f"{IDS[0]},mine\n")).output
    Path("params.yaml").unlink()
    assert "there is no such file" in run("export", str(OUT)).output
