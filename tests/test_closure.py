"""The code of a stage is what it may execute: definitions by name, imports in functions, nothing for type checkers."""

import importlib
import re
from pathlib import Path
from textwrap import dedent

import pytest

from pipeline.closure import PLUMBING, THROUGH_RUN, code_of, used_parts
from pipeline.generation.kinds import LOADERS, loader_of
from pipeline.miniature.identity import world_hash
from pipeline.params import METHODS
from pipeline.source import source_of
from pipeline.stage import declaration_of

ROOT = Path(__file__).parents[1]
STAGE = Path("stages/stage.py")


def write(root: Path, **files: str) -> None:
    """Write modules, named with "__" for a slash and INIT for __init__."""
    for name, text in files.items():
        path = root / f"{name.replace('__', '/').replace('INIT', '__init__')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def used(root: Path) -> set[str]:
    """Return what the stage uses of other files, such as "b:function", or "b:" for a statement that names nothing."""
    return {
        f"{path.relative_to('pipeline').with_suffix('').as_posix()}:{','.join(part.names)}"
        for path, parts in used_parts(root, STAGE).items()
        for part in parts
        if path != STAGE
    }


def test_only_what_is_referred_to_counts(tmp_path: Path) -> None:
    write(
        tmp_path,
        stages__stage="from pipeline.a import f\n\ndef main():\n    f()\n",
        pipeline__a="from pipeline import b, c\nK, L = 1, 2\ndef f():\n    return b.g(K)\ndef h():\n    return c.x\n",
        pipeline__b="def g(n):\n    return inner(n)\ndef inner(n):\n    return n\ndef other():\n    pass\n",
        pipeline__c="x = 1\n",
    )
    assert used(tmp_path) == {"a:b", "a:K,L", "a:f", "b:g", "b:inner"}
    before = code_of(tmp_path, STAGE)
    write(tmp_path, pipeline__c="x = 2\n")
    assert code_of(tmp_path, STAGE) == before
    write(
        tmp_path, pipeline__b="def g(n):\n    return inner(n)\ndef inner(n):\n    return -n\ndef other():\n    pass\n"
    )
    assert code_of(tmp_path, STAGE) != before


def test_imports_inside_functions_count_and_those_of_types_do_not(tmp_path: Path) -> None:
    write(
        tmp_path,
        stages__stage="from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import pipeline.typed\n"
        "def main():\n    from pipeline.used import x\n    x()\n",
        pipeline__INIT='"""Nothing but a docstring."""',
        pipeline__used="from pipeline import deeper, unused\ndef x():\n    import pipeline.deeper\n"
        "    return pipeline.deeper.y\ndef z():\n    return unused.T\n",
        pipeline__deeper="y = 1\n",
        pipeline__typed="w = 1\n",
        pipeline__unused="T = int\n",
    )
    assert used(tmp_path) == {"used:x", "deeper:y"}


def test_what_a_file_does_when_it_is_imported_counts_with_its_packages(tmp_path: Path) -> None:
    write(
        tmp_path,
        stages__stage="import pipeline.p.a\n",
        pipeline__p__INIT="import torch\ntorch.manual_seed(0)\nX = 1\n",
        pipeline__p__a="from pipeline import b\nX = 2\nif X:\n    from pipeline import c\nX += c.y\n",
        pipeline__b="CONST = 1\n@register\ndef f():\n    pass\n",
        pipeline__c="y = 1\n",
    )
    assert used(tmp_path) == {"p/__init__:", "p/__init__:torch", "p/a:c", "p/a:X", "b:f", "c:y"}


def test_decorators_of_libraries_do_not_make_a_function_count(tmp_path: Path) -> None:
    write(
        tmp_path,
        stages__stage="from pipeline import a, d\n",
        pipeline__a="from functools import cache\nfrom pipeline.d import note\n@cache\ndef f():\n    pass\n"
        "@note(1)\ndef h():\n    pass\n",
        pipeline__d="def note(x):\n    pass\n",
    )
    assert used(tmp_path) == {"a:note", "a:h", "d:note"}


@pytest.mark.parametrize(
    "main",
    [
        "import pipeline.a\ngiven = [pipeline.a]\n",
        "from pipeline import a\ngiven = getattr(a, name)\n",
        "from pipeline.a import not_a_statement\ngiven = not_a_statement\n",
        "from pipeline.a import *\n",
    ],
)
def test_a_module_that_is_handed_on_counts_as_a_whole(tmp_path: Path, main: str) -> None:
    write(
        tmp_path,
        stages__stage=main,
        pipeline__a="x = 1\ndef f():\n    from pipeline import b\n    b.y()\n",
        pipeline__b="def y():\n    pass\n",
    )
    assert used(tmp_path) == ({"a:x", "a:f", "b:y"})


def test_names_are_followed_through_other_files_and_into_annotations(tmp_path: Path) -> None:
    write(
        tmp_path,
        stages__stage="from pipeline.shop import Item as Thing\nThing()\n",
        pipeline__shop="from pipeline.store import Item\n",
        pipeline__store='class Item:\n    part: "list[Part]"\n    def use(self, tool: "Tool") -> "Tool": ...\n'
        "class Part: ...\nclass Tool: ...\n",
    )
    assert used(tmp_path) == {"shop:Item", "store:Item", "store:Part", "store:Tool"}


WAYS = {
    "two imports of one name": (
        """
        def f(k):
            if k:
                from pipeline.b import x
                return x()
            from pipeline.c import x
            return x()
        """,
        {"b:x", "c:x"},
    ),
    "an import in a function inside": (
        """
        from pipeline.b import x
        def f():
            def g():
                from pipeline.c import x
                return x()
            return x(), g()
        """,
        {"a:x", "b:x", "c:x"},
    ),
    "a class that imports": ("class f:\n    from pipeline.b import x\n", {"b:x"}),
    "an import for all": ("def f():\n    global x\n    from pipeline.b import x\n", {"b:x"}),
    "a star": ("from pipeline.b import *\ndef f():\n    x()\n", {"a:*", "b:x"}),
    "an import that may fail": (
        """
        try:
            import pipeline.b
        except ImportError:
            pass
        def f():
            return pipeline.b.x()
        """,
        {"a:pipeline", "b:x"},
    ),
    "an assignment inside": ("y = (z := 1) + 1\ndef f():\n    return z\n", {"a:y,z"}),
    "text in text": ("def f(n: \"list['x']\"):\n    pass\nfrom pipeline.b import x\n", {"a:x", "b:x"}),
    "text that is no name": ("def f(n: 'pixels high', m: ''):\n    pass\n", set()),
    "what is not for type checkers": (
        """
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            from pipeline.c import x
        else:
            from pipeline.b import x
        def f():
            return x()
        """,
        {"a:x", "b:x"},
    ),
    "an increment": ("x: int\ndef f():\n    global x\n    x += 1\n", {"a:x"}),
    "a field named like a module": ("import pipeline.b as x\nclass f:\n    x: int = 1\n", set()),
    "a file that imports itself": ("from pipeline.a import x\ndef f():\n    x()\n", {"a:x"}),
    "targets in targets": (
        """
        (x, y), z = (1, 2), 3
        def f():
            match x:
                case [1, *w]:
                    return w
        """,
        {"a:x,y,z"},
    ),
}


@pytest.mark.parametrize(("a", "wanted"), WAYS.values(), ids=WAYS)
def test_every_way_to_name_a_thing_counts(tmp_path: Path, a: str, wanted: set[str]) -> None:
    write(
        tmp_path,
        stages__stage="from pipeline.a import f\nf()\n",
        pipeline__a=dedent(a),
        pipeline__b="def x():\n    pass\n",
        pipeline__c="def x():\n    pass\n",
    )
    assert used(tmp_path) == {"a:f", *wanted}


def test_what_a_stage_calls_through_its_run_is_listed() -> None:
    """`Run` is plumbing, but the functions of artifacts and runtime to which it hands on are the stage's code."""
    source = source_of((ROOT / "pipeline/stage.py").read_text(), Path("pipeline/stage.py"))
    (run,) = (source.parts[number] for number in source.binding["Run"])
    called = {("pipeline", *name) for name in run.uses if name[0] in ("artifacts", "runtime")}
    assert called == {*THROUGH_RUN, ("pipeline", "artifacts", "METRICS"), ("pipeline", "runtime", "Key")}
    assert {"numpy_generator", "seed_of"} <= {
        name
        for part in used_parts(ROOT, Path("stages/feedback.py"))[Path("pipeline/runtime.py")]
        for name in part.names
    }


def test_the_drawn_world_counts_where_its_hash_is_kept() -> None:
    for stage, knows in (("miniature", True), ("foundation_clip", True), ("captions", False)):
        assert (f"{world_hash()} pipeline/miniature\n" in code_of(ROOT, Path(f"stages/{stage}.py"))) is knows


def test_another_import_of_the_same_name_is_another_code(tmp_path: Path) -> None:
    write(tmp_path, stages__stage="from pipeline.a import f\nf()\n", pipeline__a="from math import floor as r\nf = r\n")
    before = code_of(tmp_path, STAGE)
    write(tmp_path, pipeline__a="from math import ceil as r\nf = r\n")
    assert code_of(tmp_path, STAGE) != before


def test_prose_is_no_code_and_a_constant_is(tmp_path: Path) -> None:
    write(
        tmp_path,
        stages__stage="from pipeline.used import f\nf()\n",
        pipeline__used='"""Words."""\nRATE = 1\n\ndef f():\n    """Words."""\n    return RATE\n',
    )
    before = code_of(tmp_path, STAGE)
    write(tmp_path, pipeline__used='"""Other."""\n# A reason.\nRATE = 1  # why\n\n\ndef f():\n    return RATE\n')
    assert code_of(tmp_path, STAGE) == before
    write(tmp_path, pipeline__used='"""Other."""\nRATE = 2\n\n\ndef f():\n    return RATE\n')
    after = code_of(tmp_path, STAGE)
    assert [line.split(" ", 1)[1] for line in after.splitlines()] == [
        "pipeline/used.py RATE", "pipeline/used.py f", "stages/stage.py f", "stages/stage.py",
    ]  # fmt: skip
    assert [one == other for one, other in zip(before.splitlines(), after.splitlines(), strict=True)] == [
        False, True, True, True,
    ]  # fmt: skip


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
    write(tmp_path, stages__stage="import pipeline.torn\n", pipeline__torn="x = 1\n  y = 2\n")
    with pytest.raises(ValueError, match=r"pipeline/torn.py, line 2: invalid Python: .*; correct it and run again"):
        code_of(tmp_path, STAGE)


MAKERS = {  # what makes the bundled weights, by commands of benchmarks/
    "pipeline/foundation/training/continuing.py",
    "pipeline/foundation/training/judge.py",
}


def test_what_no_stage_uses_is_not_in_pipeline() -> None:
    """It belongs to evoke/: pipeline/ shows what the stages run."""
    stages = [path.relative_to(ROOT) for path in (ROOT / "stages").glob("*.py")]
    loaders = [Path(*module.split(".")).with_suffix(".py") for module in set(LOADERS.values())]
    code = {file.as_posix() for file in used_parts(ROOT, *stages, *loaders)} | PLUMBING
    defining = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "pipeline").rglob("*.py")
        if source_of(path.read_text(), path.relative_to(ROOT)).parts
    }
    assert defining - code == MAKERS


def test_nothing_is_in_use_that_the_closure_cannot_see() -> None:
    unseen = re.compile(r"__init_subclass__|__subclasses__|\bglobals\(|sys\.modules|import_module\(|import \*")
    found = {
        path.relative_to(ROOT).as_posix()
        for folder in ("pipeline", "stages")
        for path in (ROOT / folder).rglob("*.py")
        if unseen.search(path.read_text())
    }
    assert found - PLUMBING == {"pipeline/generation/load.py"}  # by kind of generator: Declaration.code_files
