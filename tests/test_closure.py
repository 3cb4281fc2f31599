"""The import closure is what a stage executes: imports in functions count, those for type checkers do not."""

from pathlib import Path

from pipeline.closure import import_closure


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
