"""The report counts what a folder holds and says in plain words what is wrong; the command's exit status follows."""

import json

import pytest
from click.testing import CliRunner, Result

from evoke.validate import validate
from pipeline.corpora.emoset import ATTRIBUTES, Vocabulary, plan, read, vocabulary
from pipeline.corpora.records import Reason
from pipeline.corpora.validate import (
    PUBLISHED,
    PUBLISHED_SPLITS,
    PUBLISHED_TOTAL,
    Report,
    published_total,
    report,
    to_text,
)
from pipeline.emotions import EMOTIONS

from .conftest import TinyEmoSet, encoded, picture

FULL = {
    "brightness": 0.5,
    "colorfulness": 0.5,
    "scene": "beach",
    "object": ["Tree"],
    "facial_expression": "sad",
    "human_action": "waving",
}


def filled(emoset: TinyEmoSet) -> TinyEmoSet:
    """A sound folder: one picture per split and emotion, every attribute on each."""
    for split in emoset.rows:
        for emotion in EMOTIONS:
            emoset.add(split, emotion, **FULL)
    return emoset


def reported(emoset: TinyEmoSet) -> Report:
    folder = emoset.write()
    return report(read(folder, plan(folder)), vocabulary(folder))


def run(emoset: TinyEmoSet, *flags: str) -> Result:
    return CliRunner().invoke(validate, [str(emoset.write()), *flags])


def test_a_sound_folder_has_no_problems(emoset: TinyEmoSet) -> None:
    counts = reported(filled(emoset))
    assert counts.problems == []
    assert counts.is_usable
    assert (counts.num_rows, counts.num_images, counts.in_split("val"), counts.of_emotion("awe")) == (24, 24, 8, 3)


def test_published_counts_are_those_of_the_reference() -> None:
    assert [sum(counts[split] for counts in PUBLISHED.values()) for split in PUBLISHED_SPLITS] == [5_905, 17_716]
    assert PUBLISHED_TOTAL - 5_905 - 17_716 == 94_481
    assert tuple(PUBLISHED) == EMOTIONS
    assert [published_total(emotion) for emotion in ("excitement", "disgust")] == [19_955, 10_995]


def test_rows_are_images_and_rejects(emoset: TinyEmoSet) -> None:
    filled(emoset).add(image=b"")
    emoset.add(image=b"<html>")
    numbers = reported(emoset).flat()
    assert (numbers["num_rows"], numbers["num_images"], numbers["num_rejects"]) == (26, 24, 2)
    assert (numbers["rejects.empty_file"], numbers["rejects.unsupported_format"]) == (1, 1)
    assert sum(numbers[f"rejects.{reason.value}"] for reason in Reason) == 2
    (problem,) = reported(emoset).problems
    assert problem.startswith("2 of 26 rows (7.69%) are rejected")


def test_coverage_is_the_share_of_images_with_an_attribute(emoset: TinyEmoSet) -> None:
    filled(emoset)
    for _ in range(8):
        emoset.add()
    numbers = reported(emoset).flat()
    assert numbers["coverage.scene"] == numbers["coverage.brightness"] == numbers["coverage.object"] == 0.75
    assert (numbers["names.scene"], numbers["rare_names.scene"]) == (1, 0)


def test_a_near_empty_attribute_is_a_problem(emoset: TinyEmoSet) -> None:
    for split in emoset.rows:
        for emotion in EMOTIONS:
            emoset.add(split, emotion, **{**FULL, "scene": None})
    (problem,) = reported(emoset).problems
    assert problem.startswith("only 0.00% of the images have scene")


def test_names_outside_the_vocabulary_are_kept_and_counted(emoset: TinyEmoSet) -> None:
    filled(emoset).add(**{**FULL, "scene": "Moon", "object": ["Tree", "Rocket", "Flag"]})
    counts = reported(emoset)
    assert counts.num_images == 25
    assert counts.unlisted("scene") == {"moon": 1}
    assert counts.unlisted("object") == {"rocket": 1, "flag": 1}
    assert [problem.split(" on ")[0] for problem in counts.problems] == ["1 names of scene", "2 names of object"]


def test_without_info_no_name_is_unlisted_and_the_lack_is_a_problem(emoset: TinyEmoSet) -> None:
    folder = filled(emoset).write(info=None)
    counts = report(read(folder, plan(folder)), vocabulary(folder))
    assert not counts.unlisted("scene")
    assert [problem[:20] for problem in counts.problems] == ["info.json is missing"]


def test_equal_content_is_counted_by_kind(emoset: TinyEmoSet) -> None:
    filled(emoset)
    same = encoded(picture(999))
    emoset.add("train", "awe", same, **FULL)
    emoset.add("train", "awe", same, **FULL)
    emoset.add("test", "awe", same, **FULL)
    emoset.add("test", "fear", same, **FULL)
    counts = reported(emoset)
    assert counts.repeats == {"within_split": 2, "across_splits": 2, "across_emotions": 1}
    assert counts.repeat_examples["across_splits"] == "emoset/awe_00026 (test) = emoset/awe_00024 (train)"
    assert len(counts.problems) == 3


def test_an_emotion_without_images_and_an_empty_split_are_problems(emoset: TinyEmoSet) -> None:
    filled(emoset).rows["val"].clear()
    emoset.rows["test"] = emoset.rows["test"][1:]
    counts = reported(emoset)
    assert not counts.is_usable
    assert counts.problems[0].startswith("val has no usable images, so the pipeline cannot run")
    assert counts.problems[1].startswith("test has no usable images of amusement, so its scores")


def test_a_folder_of_full_size_is_compared_with_the_published_counts() -> None:
    counts = Report(Vocabulary(dict.fromkeys(ATTRIBUTES, frozenset())))
    for emotion in EMOTIONS:
        counts.images["train", emotion] = 12_000
        for split in PUBLISHED_SPLITS:
            counts.images[split, emotion] = PUBLISHED[emotion][split]
    counts.annotated.update(dict.fromkeys(FULL, counts.num_images))
    assert counts.problems == []
    counts.images["test", "awe"] -= 1
    (problem,) = counts.problems
    assert problem.startswith("test has 2,259 usable images of awe, but EmoSet-118K has 2,260")


def test_the_text_holds_counts_reasons_and_problems(emoset: TinyEmoSet) -> None:
    filled(emoset).add(image=b"")
    text = to_text(reported(emoset))
    assert "24 usable images in 25 rows" in text
    assert "1 empty_file: the file has no bytes" in text
    assert "1 problem\n  - 1 of 25 rows" in text
    assert all(emotion in text for emotion in EMOTIONS)


def test_the_report_of_an_empty_folder_can_be_printed(emoset: TinyEmoSet) -> None:
    assert "0 usable images in 0 rows" in to_text(reported(emoset))


def test_the_command_reports_and_succeeds(emoset: TinyEmoSet) -> None:
    result = run(filled(emoset), "--strict")
    assert result.exit_code == 0
    assert result.stdout.startswith("24 usable images in 24 rows")
    assert "no problems" in result.stdout


def test_strict_turns_problems_into_status_1(emoset: TinyEmoSet) -> None:
    filled(emoset).add(image=b"")
    assert run(emoset).exit_code == 0
    assert run(emoset, "--strict").exit_code == 1


def test_json_is_the_only_thing_on_stdout(emoset: TinyEmoSet) -> None:
    answer = json.loads(run(filled(emoset), "--json").stdout)
    assert (answer["usable"], answer["problems"], answer["numbers"]["images.val.awe"]) == (True, [], 1)


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_an_unusable_folder_is_one_line_and_status_1(emoset: TinyEmoSet, flags: tuple[str, ...]) -> None:
    filled(emoset).write()
    (emoset.root / "test.json").unlink()
    result = CliRunner().invoke(validate, [str(emoset.root), *flags])
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: cannot read test.json")
    assert len(result.stderr.splitlines()) == 1


def test_a_folder_without_one_usable_image_is_status_1(emoset: TinyEmoSet) -> None:
    emoset.add(image=b"")
    result = run(emoset)
    assert result.exit_code == 1
    assert "0 usable images in 1 rows" in result.stdout
