"""What loads a model knows nothing of how ours are trained or drawn: else a drawing would recaption a real corpus."""

from pathlib import Path

import pytest

from pipeline.closure import used_parts

ROOT = Path(__file__).parents[2]
FOUNDATION = "pipeline/foundation"
IDENTITY = "pipeline/miniature/identity.py"  # bundled weights are checked against it


def foreign(path: str) -> set[str]:
    """The files of training and of the drawn world that a file uses."""
    closure = {file.as_posix() for file in used_parts(ROOT, Path(path))}
    return {file for file in closure if file.startswith((f"{FOUNDATION}/training/", "pipeline/miniature/"))}


@pytest.mark.parametrize("stage", ["features", "captions", "caption_features"])
def test_stages_that_only_load_models_depend_on_no_training_and_no_drawing(stage: str) -> None:
    assert foreign(f"stages/{stage}.py") == set()


def test_of_the_loading_files_the_bundle_alone_knows_the_drawn_world() -> None:
    files = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / FOUNDATION).glob("*.py"))]
    assert {file: foreign(file) for file in files if foreign(file)} == {f"{FOUNDATION}/bundle.py": {IDENTITY}}
