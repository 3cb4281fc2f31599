"""The import closure is what a stage executes: imports in functions count, those for type checkers do not."""

import importlib
from pathlib import Path

import pytest

from pipeline.closure import code_of, import_closure
from pipeline.generation.kinds import loader_of
from pipeline.params import METHODS
from pipeline.stage import declaration_of


def write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


def test_imports_inside_functions_count_and_those_of_types_do_not(tmp_path: Path) -> None:
    write(tmp_path, "pipeline/__init__.py", '"""Nothing but a docstring."""')
    write(tmp_path, "pipeline/used.py", "from pipeline import deeper")
    write(tmp_path, "pipeline/deeper.py", "")
    write(tmp_path, "pipeline/typed.py", "")
    stage = (
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import pipeline.typed\n"
        "def main():\n    from pipeline.used import x\n"
    )
    write(tmp_path, "stages/stage.py", stage)
    closure = import_closure(Path("stages/stage.py"), tmp_path)
    assert [path.as_posix() for path in closure] == ["pipeline/deeper.py", "pipeline/used.py"]


def test_prose_is_no_code_and_a_constant_is(tmp_path: Path) -> None:
    write(tmp_path, "stages/stage.py", "from pipeline.used import RATE\n")
    write(tmp_path, "pipeline/used.py", '"""Words."""\nRATE = 1\n\ndef f():\n    """Words."""\n    return RATE\n')
    before = code_of(tmp_path, Path("stages/stage.py"))
    write(tmp_path, "pipeline/used.py", '"""Other."""\n# A reason.\nRATE = 1  # why\n\n\ndef f():\n    return RATE\n')
    assert code_of(tmp_path, Path("stages/stage.py")) == before
    write(tmp_path, "pipeline/used.py", '"""Other."""\nRATE = 2\n\n\ndef f():\n    return RATE\n')
    after = code_of(tmp_path, Path("stages/stage.py"))
    assert [line.split()[1] for line in after.splitlines()] == ["pipeline/used.py", "stages/stage.py"]
    assert (after.splitlines()[0], after.splitlines()[1]) != tuple(before.splitlines())
    assert after.splitlines()[1] == before.splitlines()[1]


ROOT = Path(__file__).parents[1]
TRAININGS = (
    "emotion_classifier", "judges", "coemogen", "textual_inversion", "dreambooth", "emogen", "uniemo_understanding",
    "uniemo_joint", "uniemo_feedback",
)  # fmt: skip


def closure_of(stage: str, item: str | None = None) -> set[str]:
    """The files of a stage's code, or of one method of a stage that loads generators."""
    files = declaration_of(f"stages.{stage}").code_files(item)
    return {line.split()[1] for line in code_of(ROOT, *files).splitlines()}


def test_swapping_the_kinds_of_attributes_reaches_every_stage_of_uniemo() -> None:
    """They decide which layers look for scenes and which for objects, and are no plumbing."""
    assert all(
        "pipeline/attributes.py" in closure_of(f"uniemo_{name}") for name in ("understanding", "joint", "feedback")
    )
    assert "pipeline/feedback/reasons.py" in closure_of("feedback")


@pytest.mark.parametrize("stage", ["textual_inversion", "dreambooth", "emogen", "stable_diffusion"])
def test_no_baseline_reaches_the_methods_that_it_is_compared_with(stage: str) -> None:
    assert not [file for file in closure_of(stage) if file.startswith(("pipeline/uniemo/", "pipeline/coemogen/"))]


@pytest.mark.parametrize("stage", TRAININGS)
def test_no_training_reaches_plotting(stage: str) -> None:
    drawing = {"pipeline/figure.py", "pipeline/report/plots.py", "pipeline/captions/figures.py"}
    assert not drawing & closure_of(stage)
    assert not [file for file in closure_of(stage) if "matplotlib" in (ROOT / file).read_text()]


def test_images_of_a_method_depend_on_the_code_of_that_method_alone() -> None:
    for stage in ("images", "grids"):
        assert not [file for file in closure_of(stage, "coemogen_emoset") if "uniemo/" in file or "baselines/" in file]
        assert not [file for file in closure_of(stage, "uniemo_joint") if "coemogen/" in file or "baselines/" in file]
        assert "pipeline/uniemo/fusion.py" in closure_of(stage, "uniemo_joint")
        assert "pipeline/coemogen/embedding.py" in closure_of(stage, "coemogen_emoart")
        assert "pipeline/baselines/model.py" in closure_of(stage, "emogen")
        assert not [file for file in closure_of(stage, "stable_diffusion") if file.startswith("pipeline/training/")]


def test_every_method_of_params_has_a_loader_that_is_there() -> None:
    for method in (*METHODS, "coemogen_emoset", "coemogen_mine"):
        module = importlib.import_module(loader_of(method))
        assert callable(module.load)


def test_code_that_is_no_python_is_named(tmp_path: Path) -> None:
    write(tmp_path, "stages/stage.py", "import pipeline.torn\n")
    write(tmp_path, "pipeline/torn.py", "x = 1\n  y = 2\n")
    with pytest.raises(ValueError, match=r"pipeline/torn.py, line 2: invalid Python: .*; correct it and run again"):
        code_of(tmp_path, Path("stages/stage.py"))
