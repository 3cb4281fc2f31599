"""`evoke import-emogen` prints a row for every artefact and fails where one is refused, after the others."""

import json
import os
import pickle
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from evoke.cli import main
from evoke.foreign.artefacts import ARTEFACTS
from tests.evoke.foreign.published import CLASSIFIER, OBJECT_COEFFICIENTS, POINTER, checkout


def run(*arguments: object) -> Any:
    return CliRunner().invoke(main, ["import-emogen", *map(str, arguments)])


def test_it_prints_a_row_for_every_artefact_and_says_how_to_use_them(tmp_path: Path) -> None:
    result = run(checkout(tmp_path / "EmoGen"), "--out", tmp_path / "out")
    assert result.exit_code == 0
    for artefact in ARTEFACTS:
        assert artefact.label in result.output
    assert "-> classifier/head.safetensors" in result.output
    assert "24 converted, 1 lfs_pointer" in result.output
    assert len(json.loads((tmp_path / "out/manifest.json").read_text())["artefacts"]) == len(ARTEFACTS)
    text = run("--help").output
    for use in ("data/imports/emogen", "emotion_classifier.source: imported", "correlation.source: imported"):
        assert use in text


def test_a_hostile_file_fails_the_command_after_the_others_are_converted(tmp_path: Path) -> None:
    class Shell:
        def __reduce__(self) -> Any:
            return os.system, (f"touch {tmp_path / 'canary'}",)

    folder = checkout(tmp_path / "EmoGen")
    (folder / OBJECT_COEFFICIENTS).write_bytes(pickle.dumps(Shell()))
    result = run(folder, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "forbidden_global: it requests 'posix.system'; nothing was executed" in result.output
    assert not (tmp_path / "canary").exists()
    assert (tmp_path / "out/classifier/head.safetensors").is_file()
    assert (tmp_path / "out/manifest.json").is_file()


def test_pointers_alone_are_no_import(tmp_path: Path) -> None:
    (tmp_path / CLASSIFIER).parent.mkdir(parents=True)
    (tmp_path / CLASSIFIER).write_bytes(POINTER)
    result = run(tmp_path, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "git lfs pull" in result.output


def test_what_a_user_can_mend_is_one_line(tmp_path: Path) -> None:
    for folder, message in ((tmp_path, "has no file of EmoGen"), (tmp_path / "none", "does not exist")):
        result = run(folder, "--out", tmp_path / "out")
        assert result.exit_code == 1
        assert message in result.output
        assert result.output.count("\n") == 1
