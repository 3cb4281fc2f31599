"""The import closure is what a stage executes: imports in functions count, those for type checkers do not."""

from pathlib import Path

from pipeline.closure import code_of, import_closure


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
    before = code_of(Path("stages/stage.py"), tmp_path)
    write(tmp_path, "pipeline/used.py", '"""Other."""\n# A reason.\nRATE = 1  # why\n\n\ndef f():\n    return RATE\n')
    assert code_of(Path("stages/stage.py"), tmp_path) == before
    write(tmp_path, "pipeline/used.py", '"""Other."""\nRATE = 2\n\n\ndef f():\n    return RATE\n')
    after = code_of(Path("stages/stage.py"), tmp_path)
    assert [line.split()[1] for line in after.splitlines()] == ["pipeline/used.py", "stages/stage.py"]
    assert (after.splitlines()[0], after.splitlines()[1]) != tuple(before.splitlines())
    assert after.splitlines()[1] == before.splitlines()[1]


def test_swapping_the_kinds_of_attributes_reaches_every_stage_of_uniemo() -> None:
    """They decide which layers look for scenes and which for objects, and are no plumbing."""
    root = Path(__file__).parents[1]
    for stage in ("uniemo_understanding", "uniemo_joint", "uniemo_feedback"):
        closure = {path.as_posix() for path in import_closure(Path(f"stages/{stage}.py"), root)}
        assert "pipeline/attributes.py" in closure
    assert "pipeline/feedback/reasons.py" in {
        path.as_posix() for path in import_closure(Path("stages/feedback.py"), root)
    }
