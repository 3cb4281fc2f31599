"""Provide the decorator that makes a function a command of the DAG: `python -m stages.NAME [--item ITEM]`.

The command validates all params, ties the process to its parent, locks the work folder, passes the function a `Run`
that knows what it may read and write, and gives complete outs their final names at the end. Scheduling is left to DVC.
This module is plumbing: it is left out of every stage's code hash (pipeline/closure.py).
"""

import errno
import importlib
import inspect
import json
import logging
import os
import re
import resource
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np

from pipeline import artifacts, runtime, warm
from pipeline.artifacts import Artifact
from pipeline.closure import code_of
from pipeline.generation.kinds import loader_of
from pipeline.params import Params, load_params
from pipeline.work import WorkFolder, die_with_parent, fingerprint, place

LOG = logging.getLogger("evoke")


@dataclass(frozen=True)
class Declaration:
    """The declaration of a stage: what it reads, writes and uses. dvc.yaml is checked against it."""

    stage: str
    reads: tuple[Artifact, ...]
    writes: tuple[Artifact, ...]
    sections: tuple[str, ...]
    item: str | None
    trains: bool = False
    generates: bool = False

    def code_name(self, item: str) -> str:
        """Return the name of the code of one item: <stage>, or <stage>@<item> where each item has a code of its own."""
        return f"{self.stage}@{item}" if self.generates else self.stage

    def code_files(self, item: str | None) -> list[Path]:
        """Return the files whose imports, and they, are the code of one item."""
        own = Path("stages") / f"{self.stage}.py"
        if not self.generates:
            return [own]
        return [own, Path(*loader_of(str(item)).split(".")).with_suffix(".py")]


@dataclass
class Run:
    """One run of a stage: its params, its declared inputs and outs, and its work folder.

    `item` is "" unless the stage is a foreach stage.
    """

    declaration: Declaration
    all_params: Params
    item: str
    work: WorkFolder
    log: logging.Logger = LOG
    written: set[Artifact] = field(default_factory=set)

    @property
    def params(self) -> Any:
        """Return the section of params.yaml that has the name of this stage."""
        return self.section(self.declaration.stage)

    @property
    def seed(self) -> int:
        return int(self.section("seed"))

    def section(self, name: str) -> Any:
        """Return a declared top-level key of params.yaml."""
        assert name in self.declaration.sections, f"{self.declaration.stage} does not declare the section {name}"
        return getattr(self.all_params, name)

    def generator(self, *keys: runtime.Key) -> np.random.Generator:
        """Return a NumPy generator seeded by (seed, stage, item, keys)."""
        return runtime.numpy_generator(self.seed, self.declaration.stage, self.item, *keys)

    def path(self, artifact: Artifact) -> Path:
        """Return the path of a declared input."""
        self._assert_declared(artifact, self.declaration.reads)
        return artifact.locate(self.declaration.stage, self.item, self.all_params)

    def read(self, artifact: Artifact, columns: Sequence[str] | None = None) -> Any:
        """Read and check an input: a table or all shards as one pa.Table, or metrics as a dict."""
        path = self.path(artifact)
        match artifact.kind:
            case "table":
                return artifacts.read_table(path, artifact.schema, columns)
            case "shards":
                return artifacts.read_shards(path, artifact.schema, columns)
            case "metrics":
                return artifacts.read_json(path)
        raise AssertionError(f"{artifact.path} is a {artifact.kind}: use path()")

    def shards(self, artifact: Artifact) -> list[Path]:
        """Return the paths of an input's shards in order. `artifacts.read_table` reads one of them."""
        return artifacts.shard_paths(self.path(artifact))

    def take(self, artifact: Artifact, rows: Sequence[int], columns: Sequence[str] | None = None) -> Any:
        """Return single rows of an input's shards as a pa.Table, by index over all shards, in the order given."""
        return artifacts.take_rows(self.path(artifact), rows, artifact.schema, columns)

    def write(self, artifact: Artifact, value: Any) -> None:
        """Write a table, shards from an iterable of tables, or the summary from a flat dict.

        The result appears under its final name when the stage ends.
        """
        path = self._out(artifact)
        if artifact.kind == "table":
            artifacts.write_table(path, value, artifact.schema)
        elif artifact.kind == "summary":
            artifacts.write_json(path, value)
        else:
            assert artifact.kind == "shards", f"{artifact.path} is a {artifact.kind}: use metrics() or out_folder()"
            for index, table in enumerate(value):
                artifacts.write_table(path / artifacts.shard_name(index), table, artifact.schema)

    def metrics(self, values: Mapping[str, str | float | int | bool | None]) -> None:
        """Write the metrics that the stage declares: METRICS, or a file of another name."""
        declared = [artifact for artifact in self.declaration.writes if artifact.kind == "metrics"]
        artifacts.write_json(self._out(declared[0] if declared else artifacts.METRICS), values)

    def out_folder(self, artifact: Artifact) -> Path:
        """Return an empty folder, or the path for a file, that becomes the out when the stage ends."""
        path = self._out(artifact)
        (path.parent if artifact.kind == "file" else path).mkdir(parents=True, exist_ok=True)
        return path

    def assemble(self, artifact: Artifact, names: Sequence[str]) -> None:
        """Assemble an out folder from finished pieces of the work folder."""
        self.work.assemble(self._out(artifact), names)

    def lasting(self, reads: Sequence[Artifact], without: Collection[str]) -> Path:
        """Return a folder that outlives the run, for results that fewer inputs and params decide than the stage has.

        reads: the declared inputs that decide them. without: the keys of the stage's own section that do not.
        """
        stage, declared = self.declaration.stage, set(self.declaration.sections)
        sections = self.all_params.model_dump(mode="json", include=declared, exclude={stage: set(without)})
        mark = _mark(stage, self.declaration, sections, [self.path(artifact) for artifact in reads], self.item)
        return self.work.lasting(mark)

    def publish(self) -> None:
        """Give every out its final name. All of them must have been written."""
        for artifact in self.declaration.writes:
            assert artifact in self.written, f"{self.declaration.stage} did not write {artifact.path}"
        for artifact in self.declaration.writes:
            out = artifact.locate(self.declaration.stage, self.item, self.all_params)
            place(self.work.outs / out, out)

    def _out(self, artifact: Artifact) -> Path:
        self._assert_declared(artifact, self.declaration.writes)
        self.written.add(artifact)
        return self.work.outs / artifact.locate(self.declaration.stage, self.item, self.all_params)

    def _assert_declared(self, artifact: Artifact, declared: tuple[Artifact, ...]) -> None:
        assert artifact in declared, f"{self.declaration.stage} does not declare {artifact.path}"


def stage(
    reads: tuple[Artifact, ...] = (),
    writes: tuple[Artifact, ...] = (),
    item: str | None = None,
    sections: tuple[str, ...] | None = None,
    trains: bool = False,
    generates: bool = False,
) -> Callable[[Callable[[Run], None]], click.Command]:
    """Return a decorator that makes `main(run)` the command of the stage named after its file.

    item: what one item of a foreach stage is (such as a corpus); None for a stage that runs once. sections: every
    top-level key of params.yaml that the stage uses, including `seed`; by default the section of its own name. trains:
    whether the stage uses the one training loop, so that EVOKE_PROCESSES processes of it may run together. generates:
    whether it loads the generator of its item, a method, so that each item depends on the code of its own method.
    """

    def decorate(main: Callable[[Run], None]) -> click.Command:
        name = Path(inspect.getfile(main)).stem
        declaration = Declaration(
            name, reads, writes, (name,) if sections is None else sections, item, trains, generates
        )

        def command(item: str | None = None) -> None:
            with _one_line_errors():
                if trains and runtime.processes() > 1 and "RANK" not in os.environ:
                    _become_launcher(declaration.stage, item)
                status = warm.run_there(f"stages.{name}", ["--item", item] if item else [])
                if status is not None:
                    sys.exit(status)
                run_stage(declaration, main, item)

        options: list[click.Parameter] = [click.Option(["--item"], required=True, help=f"The {item}.")] if item else []
        result = click.Command(name, params=options, callback=command, help=inspect.getdoc(main))
        result.declaration = declaration  # type: ignore[attr-defined]
        return result

    return decorate


def declaration_of(module: str) -> Declaration:
    """Return the declaration of a stage module such as stages.caption_filter."""
    declaration: Declaration = importlib.import_module(module).main.declaration
    return declaration


def run_stage(declaration: Declaration, main: Callable[[Run], None], item: str | None) -> None:
    """Run a stage in the current folder from beginning to end.

    Loads the params, ties the process to its parent, takes the lock, calls `main` and publishes the outs.
    """
    begin = time.monotonic()
    die_with_parent()
    params = load_params(Path("params.yaml"))
    if item is not None and not re.fullmatch(r"\w+", item):
        raise ValueError(f"--item = {item!r}: allowed are letters, digits and underscores")
    unit = f"{declaration.stage}@{item}" if item else declaration.stage
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(unit))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    for name in ("evoke", "pipeline"):
        logging.getLogger(name).setLevel(runtime.log_level())
    if getattr(getattr(params, declaration.stage, None), "source", None) != "hub":
        runtime.forbid_downloads()
    os.environ.setdefault("OMP_NUM_THREADS", str(runtime.threads()))  # also for stages that request no torch device
    rank = runtime.rank() if declaration.trains else 0  # some clusters set RANK for every process
    work = WorkFolder(unit, _fingerprint(unit, declaration, params, item), rank=rank)
    with work.lock():
        run = Run(declaration, params, item or "", work)
        main(run)
        if work.leads:  # the other processes only contribute gradients; their outs are discarded
            run.publish()
        work.finish()
    if work.leads:
        _note_timing(unit, time.monotonic() - begin)


class _Formatter(logging.Formatter):
    """A log formatter that names the unit and marks this project's warnings for `evoke repro`."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def format(self, record: logging.LogRecord) -> str:
        is_ours = record.name.partition(".")[0] in ("evoke", "pipeline")
        mark = "warning: " if is_ours and record.levelno >= logging.WARNING else ""
        return f"{self.unit}: {mark}{super().format(record)}"


def _become_launcher(stage: str, item: str | None) -> None:
    """Replace this process with torchrun, which starts EVOKE_PROCESSES processes of this stage.

    torchrun, too, ends when its parent ends.
    """
    die_with_parent()
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(runtime.processes())]
    command = [sys.executable, *launch, "-m", f"stages.{stage}", *(["--item", item] if item else [])]
    os.execv(sys.executable, command)


def _fingerprint(unit: str, declaration: Declaration, params: Params, item: str | None) -> str:
    """Return the fingerprint of params, code and inputs. Raises ValueError if an input does not exist."""
    deps = [artifact.locate(declaration.stage, item, params) for artifact in declaration.reads]
    for dep in deps:
        if not dep.exists():
            raise ValueError(f"the input {dep} does not exist; run `dvc repro {unit}` to create what is missing")
    sections = params.model_dump(mode="json", include=set(declaration.sections))
    return _mark(unit, declaration, sections, deps, item)


def _mark(
    unit: str, declaration: Declaration, sections: Mapping[str, Any], deps: Sequence[Path], item: str | None
) -> str:
    """Return the fingerprint of these params and inputs, the code of the stage, and what the device computes in."""
    code = code_of(Path(), *declaration.code_files(item))
    return fingerprint(unit, sections, code, deps, runtime.numbers())


def _note_timing(unit: str, seconds: float) -> None:
    """Write time and memory of the run to runs/, which git ignores, so that equal runs give equal outs."""
    used = [resource.getrusage(scope) for scope in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    note = {
        "stage": unit,
        "seconds": round(seconds, 3),
        "cpu_seconds": round(sum(usage.ru_utime + usage.ru_stime for usage in used), 3),
        "peak_mb": max(usage.ru_maxrss for usage in used) // 1024,
        "device": runtime.device_class(),
        "numbers": runtime.numbers(),
    }
    path = Path("runs") / f"{unit}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(note) + "\n")


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Turn errors that a user can fix into a one-line message and exit status 1.

    With EVOKE_TRACEBACK=1 the traceback is shown instead.
    """
    try:
        yield
    except (ValueError, OSError) as error:
        if os.environ.get("EVOKE_TRACEBACK") == "1":
            raise
        full = isinstance(error, OSError) and error.errno == errno.ENOSPC
        hint = "; free some space and run again, finished work is kept in .work" if full else ""
        click.echo(f"error: {error}{hint}", err=True)
        sys.exit(1)
