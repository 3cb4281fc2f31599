"""Find the code that a stage consists of: the definitions that it uses, directly or not, each with a hash.

A definition is a function, a class or a constant at the top level of a file. A stage uses all of its own file; of the
files that this imports, it uses the definitions that are referred to, those that they refer to in turn, and statements
that do something whenever the file is imported. So an edit of a function reruns the stages that may call it.

Syntax trees are read and nothing is executed. Imports inside a function count where the function is used; imports under
TYPE_CHECKING do not count. Neither does the plumbing, because it runs stages without changing what they compute.
Comments, docstrings and layout are not part of the syntax, so an edit of prose reruns nothing.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from pipeline.emotion_set import FILE as EMOTIONS_FILE
from pipeline.emotion_set import read_emotions
from pipeline.miniature.identity import world_hash
from pipeline.source import Name, Part, Source, source_of

EMOTIONS_CODE, WORLD_CODE = "pipeline/emotion_set.py", "pipeline/miniature/identity.py"
PLUMBING = frozenset(
    f"pipeline/{name}.py"
    for name in ("ahead", "closure", "engine", "engine_ray", "params", "source", "stage", "warm", "work")
)
THROUGH_RUN = (  # what a stage calls through its `Run`, which is plumbing, and its outs depend on
    ("pipeline", "artifacts", "read_json"),
    ("pipeline", "artifacts", "read_shards"),
    ("pipeline", "artifacts", "read_table"),
    ("pipeline", "artifacts", "shard_name"),
    ("pipeline", "artifacts", "shard_paths"),
    ("pipeline", "artifacts", "take_rows"),
    ("pipeline", "artifacts", "write_json"),
    ("pipeline", "artifacts", "write_table"),
    ("pipeline", "runtime", "numpy_generator"),
)


def code_of(root: Path, *paths: Path) -> str:
    """Return one line for each definition that the given files use: 16 hex digits, the path of its file, and its name.

    Paths are relative to root. Two files have a line more for what they read: the emotions that emotions.yaml names,
    and the drawn world, which is all files of its folder. Raises ValueError if a file is not valid Python.
    """
    return "".join(line for file, parts in used_parts(root, *paths).items() for line in _lines(file, parts, root))


def _lines(file: Path, parts: list[Part], root: Path) -> Iterator[str]:
    """Yield the lines of a file of code."""
    for part in parts:
        yield f"{_hash(part.code)} {file.as_posix()} {','.join(part.names)}".rstrip() + "\n"
    if file.as_posix() == EMOTIONS_CODE:
        yield f"{_hash(list(read_emotions(root).items()))} {EMOTIONS_FILE}\n"
    if file.as_posix() == WORLD_CODE:
        yield f"{world_hash(root / file.parent)} {file.parent.as_posix()}\n"


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


def used_parts(root: Path, *paths: Path) -> dict[Path, list[Part]]:
    """Return what the given files use, files in order of their paths and the parts of each in their own order.

    Paths are relative to root. Raises ValueError if a file is not valid Python.
    """
    search = _Search(root)
    for path in paths:
        search.execute(path.with_suffix("").parts)
        search.use_file(path)
    if any(path.parts[0] == "stages" for path in paths):
        for name in THROUGH_RUN:
            search.use(name)
    return search.run()


class _Search:
    """Follow names from the parts in use to what they stand for."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.used: dict[Path, set[int]] = {}  # numbers of parts
        self.waiting: list[tuple[Path, Part]] = []
        self.executed: set[Path] = set()
        self.followed: set[tuple[Path, Name]] = set()
        self.sources: dict[Path, Source] = {}
        self.files: dict[Name, Path | None] = {}

    def run(self) -> dict[Path, list[Part]]:
        """Use all that the parts in use refer to, and return the parts by file."""
        while self.waiting:
            file, part = self.waiting.pop()
            for one in part.imports:
                self.execute(one.module, one.origin)
            if part.kind != "import" or part.names == ("*",):
                self.use_imports(part)
            for name in part.uses:
                self.use_in(file, name)
        return {
            file: [self.source(file).parts[number] for number in sorted(numbers)]
            for file, numbers in sorted(self.used.items())
        }

    def use_imports(self, part: Part) -> None:
        """Use what a part imports in itself: by the names that it refers to, or all of it if others may refer to it."""
        for one in part.imports:
            names = [name for name in part.uses if name[0] == one.bound]
            if part.kind == "statement" or not names:
                self.use(one.origin)
            for name in names:
                self.use((*one.origin, *name[1:]))

    def execute(self, *modules: Name) -> None:
        """Use the statements that are executed when modules are imported, and the packages that contain them."""
        for name in (module[:length] for module in modules for length in range(1, len(module) + 1)):
            file = self.file_of(name)
            if file is None or file in self.executed:
                continue
            self.executed.add(file)
            for number, part in enumerate(self.source(file).parts):
                if part.kind == "statement" and file.as_posix() not in PLUMBING:
                    self.use_part(file, number)
                for one in part.imports if part.kind == "import" else ():
                    self.execute(one.module, one.origin)

    def use(self, name: Name) -> None:
        """Use what a full name stands for: ("a", "b", "c") is c of the module a.b, or all of the module a.b.c."""
        lengths = (length for length in range(len(name), 0, -1) if self.file_of(name[:length]))
        length = next(lengths, 0)
        file = self.file_of(name[:length])
        if file is None or file.as_posix() in PLUMBING:
            return
        if length == len(name) or not self.use_in(file, name[length:]):
            self.use_file(file, handed_on=True)

    def use_in(self, file: Path, name: Name) -> bool:
        """Use what a name stands for in a file, and return whether the file binds it."""
        binding = self.source(file).binding
        numbers = binding.get(name[0]) or binding.get("*", ())
        if (file, name) not in self.followed:
            self.followed.add((file, name))
            for part in [self.use_part(file, number) for number in numbers]:
                for one in part.imports if part.kind != "definition" else ():
                    if one.bound in (name[0], "*"):
                        self.use((*one.origin, *(name if one.bound == "*" else name[1:])))
        return bool(numbers)

    def use_file(self, file: Path, handed_on: bool = False) -> None:
        """Use all of a file; if it is handed on as a module, what it imports can be reached through it, too."""
        if (file, ()) in self.followed:
            return
        self.followed.add((file, ()))
        for number in range(len(self.source(file).parts)):
            part = self.use_part(file, number)
            for one in part.imports if part.kind == "import" and handed_on else ():
                self.use(one.origin)

    def use_part(self, file: Path, number: int) -> Part:
        part, used = self.source(file).parts[number], self.used.setdefault(file, set())
        if number not in used:
            used.add(number)
            self.waiting.append((file, part))
        return part

    def source(self, file: Path) -> Source:
        if file not in self.sources:
            self.sources[file] = source_of((self.root / file).read_text(encoding="utf-8"), file)
        return self.sources[file]

    def file_of(self, module: Name) -> Path | None:
        """Return the file of a module of this repository, None for what is not a module of it."""
        if module not in self.files:
            base = Path(*module)
            choices = (base / "__init__.py", base.with_suffix(".py")) if module else ()
            self.files[module] = next((choice for choice in choices if (self.root / choice).is_file()), None)
        return self.files[module]
