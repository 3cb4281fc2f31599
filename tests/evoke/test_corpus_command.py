"""`evoke corpus`: every form of a source becomes the same kind of corpus, and a wrong one changes nothing."""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from evoke.cli import main
from pipeline import work
from pipeline.artifacts import EMOSET_SCHEMA, REJECTS_SCHEMA, read_shards, read_table
from pipeline.captions.override import read_captions

ROOT = Path(__file__).parents[2]
CORPUS, REJECTS, METRICS = Path("data/corpora/mine"), Path("data/rejects/mine.parquet"), Path("metrics/mine.json")
OVERRIDE = Path("data/overrides/captions.csv")
NUM = 12  # images per emotion: one in val, two in test
EMOTIONS = ("awe", "fear")


@pytest.fixture(autouse=True)
def _repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository with params.yaml and one caption of the user's own, which is current."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVOKE_WORKERS", "0")
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    OVERRIDE.parent.mkdir(parents=True)
    OVERRIDE.write_text("image_id,caption\nemoset/awe_00000,a lake\n")


def encoded(seed: int, **options: Any) -> bytes:
    """The bytes of a JPEG of 16 x 12 px, of noise by seed."""
    buffer = BytesIO()
    noise = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def draw(*paths: str) -> None:
    for seed, path in enumerate(paths):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(encoded(seed))


def photos(folder: str = "photos", num: int = NUM) -> list[str]:
    """Draw `num` images of each emotion in its subfolder, and return their paths in the folder."""
    names = [f"{emotion}/{index:02d}.jpg" for emotion in EMOTIONS for index in range(num)]
    draw(*(f"{folder}/{name}" for name in names))
    return names


def listed(rows: list[dict[str, str]], path: str = "photos/labels.csv", delimiter: str = ",") -> str:
    with Path(path).open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["corpus", *arguments])


def added(source: str, *options: str) -> pa.Table:
    """The corpus of a source, whose schema is checked."""
    result = run("add", "mine", source, *options)
    assert result.exit_code == 0, result.output
    return read_shards(CORPUS, EMOSET_SCHEMA)


def rejected() -> dict[str, str]:
    rows = read_table(REJECTS, REJECTS_SCHEMA).to_pylist()
    return {row["image_id"]: row["reason"] for row in rows}


def counts(rows: pa.Table) -> Counter[tuple[str, str]]:
    return Counter(zip(rows["emotion"].to_pylist(), rows["split"].to_pylist(), strict=True))


DRAWN = {(emotion, split): number for emotion in EMOTIONS for split, number in (("train", 9), ("val", 1), ("test", 2))}


def test_an_image_folder_is_split_within_each_emotion_and_equal_runs_give_equal_bytes() -> None:
    photos()
    rows = added("photos")
    assert counts(rows) == DRAWN
    assert rows["image_id"].to_pylist()[0] == "mine/awe/00"
    assert rows["image"].to_pylist()[0]["bytes"] == encoded(0)
    assert json.loads(METRICS.read_text())["images.train.fear"] == 9
    assert "/mine" in Path("data/corpora/.gitignore").read_text().splitlines()
    assert not [path for path in Path().rglob("*") if ".aside" in path.name]
    before = [path.read_bytes() for path in (*CORPUS.iterdir(), REJECTS, METRICS)]
    added("photos", "--replace")
    assert [path.read_bytes() for path in (*CORPUS.iterdir(), REJECTS, METRICS)] == before
    assert read_captions(OVERRIDE) == {"emoset/awe_00000": "a lake"}


def test_folders_of_splits_are_kept_and_a_split_that_is_not_there_is_drawn_from_train() -> None:
    photos("photos/train")
    for seed, emotion in enumerate(EMOTIONS):
        Path(f"photos/validation/{emotion}").mkdir(parents=True)
        Path(f"photos/validation/{emotion}/x.jpg").write_bytes(encoded(100 + seed))
    rows = added("photos")
    assert counts(rows) == {(emotion, split): number for emotion in EMOTIONS
                            for split, number in (("train", 10), ("val", 1), ("test", 2))}  # fmt: skip


def test_rejects_have_their_reason_and_a_turned_image_its_upright_size() -> None:
    photos()
    exif = Image.Exif()
    exif[0x0112] = 6
    Path("photos/awe/turned.jpg").write_bytes(encoded(50, exif=exif))
    Path("photos/fear/copy.jpg").write_bytes(encoded(0))
    Path("photos/fear/torn.jpg").write_bytes(encoded(51)[:300])
    Path("photos/fear/.hidden.jpg").write_bytes(encoded(52))
    Path("photos/stray.jpg").write_bytes(encoded(53))
    rows = added("photos")
    sizes = {row["image_id"]: (row["width"], row["height"]) for row in rows.to_pylist()}
    assert (sizes["mine/awe/turned"], sizes["mine/awe/00"]) == ((12, 16), (16, 12))
    assert rejected() == {
        "mine/fear/copy": "duplicate_image", "mine/fear/torn": "truncated_image", "mine/stray": "unknown_emotion"
    }  # fmt: skip
    assert json.loads(METRICS.read_text())["rejects.truncated_image"] == 1


def test_a_table_gives_attributes_and_captions_that_cost_no_model() -> None:
    rows = [
        {"path": name, "emotion": name.split("/")[0].title(), "scene": "Forest path", "objects": "Oak|tree|Tree",
         "caption": "a  tree, by night" if name == "awe/00.jpg" else ""}
        for name in photos()
    ]  # fmt: skip
    rows += [rows[0], {**rows[0], "path": "awe/gone.jpg"}, {**rows[0], "path": "../out.jpg"}]
    first = added(listed(rows)).to_pylist()[0]
    assert (first["scene"], first["objects"]) == ("forest_path", ["oak", "tree"])
    assert read_captions(OVERRIDE) == {"emoset/awe_00000": "a lake", "mine/awe/00": "a tree, by night"}
    assert sorted(rejected().values()) == ["duplicate_id", "missing_image", "path_outside_folder"]
    added("photos", "--replace")
    assert read_captions(OVERRIDE) == {"emoset/awe_00000": "a lake"}


def test_a_table_may_be_elsewhere_have_tabs_or_semicolons_and_give_splits_and_whole_paths() -> None:
    names = photos()
    splits = ["train"] * 9 + ["dev"] + ["test"] * 2
    rows = [{"file_name": str(Path("photos", name).resolve()), "label": name[:-7], "split": splits[index % NUM]}
            for index, name in enumerate(names)]  # fmt: skip
    for number, (suffix, delimiter) in enumerate([("tsv", "\t"), ("csv", ";")]):
        path = listed(rows, f"labels.{suffix}", delimiter)
        assert counts(added(path, "--images", "photos", *(["--replace"] * number))) == DRAWN


def test_parquet_and_datasets_folders_are_read_with_their_class_labels(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    names = photos()
    labels = [EMOTIONS.index(name.split("/")[0]) for name in names]
    features = datasets.Features({
        "image": datasets.Image(), "label": datasets.ClassLabel(names=[*EMOTIONS]),
        "objects": datasets.List(datasets.Value("string")),
    })  # fmt: skip
    images = [{"bytes": encoded(seed), "path": None} for seed in range(len(names))]
    whole = datasets.Dataset.from_dict(
        {"image": images, "label": labels, "objects": [["Tree"]] * len(names)}, features=features
    )
    whole.save_to_disk("saved")
    Path("parquet/data").mkdir(parents=True)
    whole.to_parquet("parquet/data/train-00000-of-00001.parquet")
    parts = {"train": [*range(9), *range(12, 21)], "validation": [9, 21], "test": [10, 11, 22, 23]}
    datasets.DatasetDict({name: whole.select(rows) for name, rows in parts.items()}).save_to_disk("splits")
    for number, source in enumerate(["saved", "parquet", "parquet/data/train-00000-of-00001.parquet", "splits"]):
        rows = added(source, *(["--replace"] * bool(number)))
        assert counts(rows) == DRAWN, source
        assert {row["image"]["bytes"] for row in rows.to_pylist()} == {image["bytes"] for image in images}
        assert rows["objects"].to_pylist()[0] == ["tree"]


def test_a_parquet_table_of_paths_is_read_as_a_csv_is() -> None:
    names = photos()
    pq.write_table(
        pa.table({"path": names, "emotion": [name.split("/")[0] for name in names]}), "photos/labels.parquet"
    )
    assert counts(added("photos/labels.parquet")) == DRAWN


def emptied(*names: str) -> list[dict[str, str]]:
    return [{"path": name, "emotion": "awe", "split": "train"} for name in names]


@pytest.mark.parametrize(
    ("name", "prepare", "said"),
    [
        ("mine", lambda: photos(num=9) and "photos", "too few images: awe 9, fear 9; each emotion needs at least 10"),
        ("mine", lambda: draw(*(f"photos/awe/{n}.jpg" for n in range(12))) or "photos", "images of awe alone"),
        ("mine", lambda: draw("photos/happy/1.jpg", "photos/angr/2.jpg") or "photos",
         "'happy' (1 image): did you mean 'amusement', 'contentment' or 'excitement'? Allowed are"),
        ("mine", lambda: draw("photos/images/1.jpg") or Path("photos/labels.csv").write_text("") or "photos/",
         "'images' (1 image): allowed are amusement"),
        ("mine", lambda: "none", "there is no none; name a folder of images, or a table of path,emotion"),
        ("mine", lambda: Path("empty").mkdir() or "empty", "empty has no images"),
        ("mine", lambda: "params.yaml", "params.yaml is not a table; expected is a folder, or a file with suffix .csv"),
        ("mine", lambda: photos() and listed([{"path": "awe/00.jpg", "mood": "awe"}]),
         "no column emotion or label; its columns are 'path, mood'"),
        ("mine", lambda: photos() and listed([{**emptied("awe/00.jpg")[0], "split": "exam"}]),
         "labels.csv, row 1: split is 'exam'; allowed are train"),
        ("mine", lambda: photos() and listed([
            {"path": path, "emotion": path.split("/")[0], "split": "train" if path.startswith("awe") else ""}
            for path in [f"{emotion}/{n:02d}.jpg" for emotion in EMOTIONS for n in range(NUM)]]),
         "12 of 24 images have no split; give it for all images, or for none"),
        ("Mine!", lambda: photos() and "photos", "'Mine!' is not a name for a corpus: at most 40 small letters"),
        ("emoset", lambda: photos() and "photos", "the name emoset is taken by the pipeline itself; choose another"),
        ("twitter", lambda: photos() and "photos", "the name twitter is taken"),
    ],
)  # fmt: skip
def test_a_source_or_a_name_that_is_wrong_is_one_line_and_nothing_is_written(
    name: str, prepare: Any, said: str
) -> None:
    source = prepare()
    result = run("add", name, source)
    assert result.exit_code == 1
    assert said in result.output
    assert len(result.output.splitlines()) == 1
    assert not any(path.exists() for path in (Path("data/corpora"), Path("data/rejects"), Path("metrics")))


def test_a_corpus_that_exists_is_replaced_only_if_asked_for() -> None:
    photos()
    added("photos")
    result = run("add", "mine", "photos")
    assert (result.exit_code, result.output) == (
        1, "Error: data/corpora/mine exists; pass --replace to replace it, or choose another name\n"
    )  # fmt: skip


@pytest.mark.parametrize("step", range(4))
def test_what_a_kill_leaves_is_no_corpus_and_the_same_command_goes_on(
    step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos()
    steps, place, finish = iter(range(4)), work.place, work.WorkFolder.finish

    def placed(*paths: Path) -> None:
        if next(steps) == step:
            raise KeyboardInterrupt
        place(*paths)

    def finished(folder: work.WorkFolder) -> None:
        if step == 3:
            raise KeyboardInterrupt
        finish(folder)

    with monkeypatch.context() as killed:
        killed.setattr(work, "place", placed)
        killed.setattr(work.WorkFolder, "finish", finished)
        assert run("add", "mine", "photos").exit_code == 1
    assert CORPUS.exists() == (step == 3)  # the last to get its name
    assert counts(added("photos", *(["--replace"] * (step == 3)))) == DRAWN


def test_list_says_what_is_there_and_how_it_is_used() -> None:
    photos()
    added("photos")
    result = run("list")
    assert result.output.splitlines() == [
        "emoart: not made yet  [captioned]",
        "emoset: not made yet  [captioned, labelled]",
        "mine: 24 images (18 train, 4 test, 2 val); 12 awe, 12 fear",
    ]


def test_the_emotions_are_those_of_emotions_yaml() -> None:
    Path("emotions.yaml").write_text((ROOT / "emotions.yaml").read_text().replace("set: mikels", "set: ekman"))
    draw(*(f"photos/{emotion}/{index}.jpg" for emotion in ("joy", "surprise") for index in range(NUM)))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for arguments in (["add", "mine", "photos"], ["use", "mine"]):
        command = [sys.executable, "-m", "evoke", "corpus", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert "grids.fused: [amusement, awe, fear] -> [anger, disgust, fear]" in done.stdout
    rows = read_shards(CORPUS, columns=["emotion", "polarity"]).to_pylist()
    assert {(row["emotion"], row["polarity"]) for row in rows} == {("joy", "positive"), ("surprise", None)}
    assert json.loads(METRICS.read_text())["images.train.joy"] == 9


POSITIVE, NEGATIVE = ([f"{index + first:02d}.jpg" for index in range(NUM)] for first in (0, NUM))
SIX = ("anger", "disgust", "fear", "joy", "sadness", "surprise")
RUN = """import json, sys
from click.testing import CliRunner
from evoke.cli import main
results = [CliRunner().invoke(main, ["corpus", *arguments.split()]) for arguments in sys.argv[1:]]
print(json.dumps([[result.exit_code, result.output] for result in results]))"""


def in_set(name: str, *commands: str) -> list[tuple[int, str]]:
    """Return exit status and output of each `evoke corpus` command in a process with another set of emotions."""
    Path("emotions.yaml").write_text((ROOT / "emotions.yaml").read_text().replace("set: mikels", f"set: {name}"))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", RUN, *commands]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return [(status, output) for status, output in json.loads(done.stdout)]


def shares(**numbers: int) -> dict[tuple[str, str], int]:
    return {(emotion, split): number for emotion in ("positive", "negative") for split, number in numbers.items()}


def test_fi_and_emotionroi_are_corpora_of_their_own_classes_with_the_published_split() -> None:
    draw(*(f"fi/emotion_dataset/{emotion}/{index}.jpg" for emotion in EMOTIONS for index in range(NUM)))
    draw(*(f"roi/images/{name}/{index}.jpg" for name in SIX for index in range(NUM)), "roi/images/joy/unlisted.jpg")
    for split, numbers in (("training", range(10)), ("testing", range(10, NUM))):
        path = Path(f"roi/training_testing_split/{split}.txt")
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f"{name}/{index}.jpg\n" for name in SIX for index in numbers) + "joy/lost.jpg\n")
    assert counts(added("fi")) == DRAWN
    (wrong, said), (right, output) = in_set("ekman", "add mine fi --replace", "add roi roi")
    assert wrong == 1
    assert said.endswith("; emotions.yaml has them all in another set: `set: mikels`\n")
    assert right == 0, output
    rows = read_shards(Path("data/corpora/roi"))
    assert counts(rows) == {(name, split): number for name in SIX
                            for split, number in (("train", 9), ("val", 1), ("test", 2))}  # fmt: skip
    assert rows["image_id"].to_pylist()[0] == "roi/anger/0"
    in_test = {row["image_id"] for row in rows.to_pylist() if row["split"] == "test"}
    assert in_test == {f"roi/{name}/{index}" for name in SIX for index in range(10, NUM)}
    rejects = read_table(Path("data/rejects/roi.parquet"), REJECTS_SCHEMA).to_pylist()
    assert sorted((row["image_id"], row["reason"]) for row in rejects) == [
        ("roi/joy/lost", "missing_image"), ("roi/training_testing_split/testing.txt:13", "duplicate_id")
    ]  # fmt: skip


def test_both_twitters_are_corpora_of_the_two_polarities_as_emotions() -> None:
    draw(*(f"twitter/Twitter_PCNN/Agg_AMT_Candidates/{name}" for name in (*POSITIVE, *NEGATIVE)))
    votes = [f"{name},5,4,1" for name in POSITIVE] + [f"{name},5,2,3" for name in NEGATIVE]
    Path("twitter/Twitter_PCNN/amt_result.csv").write_text("\n".join(votes))
    draw(*(f"twitter/twitter_ii/{sign}/{index}.jpg" for sign in ("positive", "negative") for index in range(NUM)))
    (refused, said), (first, output), (second, _), (used, changed) = in_set(
        "twitter", "add one twitter", "add one twitter/Twitter_PCNN", "add two twitter/twitter_ii", "use two"
    )
    assert refused == 1
    assert "twitter holds several data sets, by Twitter_PCNN and twitter_ii; name the folder of one of them" in said
    assert (first, second, used) == (0, 0, 0), output
    assert "grids.fused: [amusement, awe, fear] -> [positive, negative]" in changed
    assert "feedback.metrics: both -> emotion" in changed  # no scene and no object, so no Sem-C
    for name in ("one", "two"):
        rows = read_shards(Path("data/corpora", name))
        assert counts(rows) == shares(train=9, val=1, test=2)
        assert rows["polarity"].null_count == len(rows)
    first_one = read_shards(Path("data/corpora/one")).to_pylist()
    assert {f"one/{name[:-4]}" for name in POSITIVE} == {
        row["image_id"] for row in first_one if row["emotion"] == "positive"
    }
