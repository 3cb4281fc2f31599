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
from pipeline.source import Import, Name, Part, Source, source_of

EMOTIONS_CODE = "pipeline/emotion_set.py"
PLUMBING = frozenset(f"pipeline/{name}.py" for name in (
    "ahead", "artifacts", "closure", "engine", "engine_ray", "params", "schemas", "source", "stage", "warm", "work",
))  # fmt: skip


def code_of(root: Path, *paths: Path) -> str:
    """Return one line for each definition that the given files use: 16 hex digits, the path of its file, and its name.

    Paths are relative to root. Code that knows the emotions has a line for the set that emotions.yaml names, so that
    another set reruns what it reaches. Raises ValueError if a file is not valid Python.
    """
    return "".join(line for file, parts in used_parts(root, *paths).items() for line in _lines(file, parts, root))


def _lines(file: Path, parts: list[Part], root: Path) -> Iterator[str]:
    """Yield the lines of a file of code and, for the one that reads the emotions, a line for the set in use."""
    for part in parts:
        yield f"{_hash(part.code)} {file.as_posix()} {','.join(part.names)}".rstrip() + "\n"
    if file.as_posix() == EMOTIONS_CODE:
        yield f"{_hash(list(read_emotions(root).items()))} {EMOTIONS_FILE}\n"


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


def used_parts(root: Path, *paths: Path) -> dict[Path, list[Part]]:
    """Return what the given files use, files in order of their paths and the parts of each in their own order.

    Paths are relative to root. Raises ValueError if a file is not valid Python.
    """
    search = _Search(root)
    for path in paths:
        search.use_file(path)
    return search.run()


class _Search:
    """Follow names from the parts in use to what they stand for."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.used: dict[Path, set[int]] = {}  # numbers of parts
        self.imported: set[Path] = set()
        self.waiting: list[tuple[Path, Part]] = []
        self.sources: dict[Path, Source] = {}
        self.files: dict[Name, Path | None] = {}

    def run(self) -> dict[Path, list[Part]]:
        """Use all that the parts in use refer to, and return the parts by file."""
        while self.waiting:
            file, part = self.waiting.pop()
            bound = {one.bound: one.origin for one in part.imports}
            for one in part.imports:
                self.execute(one)
                if part.kind == "statement" or one.bound == "*":  # other parts may refer to what it imports
                    self.use(one.origin)
            for name in part.uses:
                if name[0] in bound:
                    self.use((*bound[name[0]], *name[1:]))
                else:
                    self.use_in(file, name)
        return {
            file: [self.source(file).parts[number] for number in sorted(numbers)]
            for file, numbers in sorted(self.used.items())
        }

    def execute(self, one: Import) -> None:
        """Use the statements that are executed when a module is imported, and the packages that contain it."""
        whole = max(one.origin, one.module, key=len)
        for length in range(1, len(whole) + 1):
            file = self.file_of(whole[:length])
            if file is None or file in self.imported:
                continue
            self.imported.add(file)
            for number, part in enumerate(self.source(file).parts):
                if part.kind == "statement":
                    self.use_part(file, number)
                elif part.kind == "import":
                    self.execute(part.imports[0])

    def use(self, name: Name) -> None:
        """Use what a full name stands for: ("a", "b", "c") is c of the module a.b, or all of the module a.b.c."""
        lengths = (length for length in range(len(name), 0, -1) if self.file_of(name[:length]))
        if length := next(lengths, 0):
            file = self.file_of(name[:length])
            assert file is not None
            if length == len(name) or not self.use_in(file, name[length:]):
                self.use_file(file)

    def use_in(self, file: Path, name: Name) -> bool:
        """Use what a name stands for in a file, and return whether the file defines it."""
        source = self.source(file)
        for number in source.binding.get(name[0], ()):
            part = self.use_part(file, number)
            if part.kind == "import":
                self.use((*part.imports[0].origin, *name[1:]))
        return name[0] in source.binding

    def use_file(self, file: Path) -> None:
        for number in range(len(self.source(file).parts)):
            self.use_part(file, number)

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
        """Return the file of a module of this repository, None for plumbing and for what is not a module of it."""
        if module not in self.files:
            base = Path(*module)
            choices = (base.with_suffix(".py"), base / "__init__.py")
            file = next((choice for choice in choices if (self.root / choice).is_file()), None)
            self.files[module] = None if file is None or file.as_posix() in PLUMBING else file
        return self.files[module]
