"""Define `evoke repro`: `dvc repro` that runs independent stages at the same time.

Each stage is run by DVC's own `dvc repro --single-item`, which locks what it reads and writes. This module decides the
order and shows the progress. What a killed DVC has left behind is repaired first, and dvc.lock is written whole or not
at all.
"""

import contextlib
import importlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from evoke import completion
from evoke.estimate import RUNS, Graph, Priority, simulate
from pipeline.runtime import device_class, threads
from pipeline.work import die_with_parent

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc.stage import Stage


MOST_JOBS = 4  # default limit, because every stage holds a model in memory
LEAVE_S = 8.0  # time for a terminated stage to finish its step and write a checkpoint
POLL_S = 0.5
CODE = "code"  # the stage that determines which others an edit of the code affects
# Settings that glibc's malloc reads when a process starts: freed memory stays with the stage, in huge pages. A training
# step takes a tenth less time.
ALLOCATION = (
    "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=33554432"
    ":glibc.malloc.trim_threshold=4294967296:glibc.malloc.top_pad=67108864"
)


@click.command()
@click.argument("targets", nargs=-1, shell_complete=completion.targets)
@click.option(
    "--jobs", type=click.IntRange(min=1), help="Stages to run at a time.  [one per core, at most four; one with a GPU]"
)
@click.option("--dry", is_flag=True, help="Show what would run, why, and how long it would take; run nothing.")
@click.option("--verbose", is_flag=True, help="Show the output of the stages and of DVC as it is written.")
def repro(targets: tuple[str, ...], jobs: int | None, dry: bool, verbose: bool) -> None:
    """Make everything that is not up to date, or TARGETS and what they need.

    \b
    evoke repro                              everything
    evoke repro stable_diffusion             one stage and what it needs
    evoke repro images@coemogen_emoset       one item of a stage
    evoke repro --dry                        what would run, why, and for how long

    It may be killed at any moment and started again. The output of a stage goes to runs/<stage>.log.
    """
    from evoke.corpus.params import check_made
    from evoke.estimate import estimate_of
    from evoke.progress import Watch, duration
    from pipeline.params import load_own_params

    if params := load_own_params(Path("params.yaml"), "corpus"):
        check_made(params.corpora)

    for name, value in runtime_environment().items():
        os.environ.setdefault(name, value)
    own_programs = str(Path(sys.executable).parent)  # `python` of dvc.yaml is this one, also where nothing is activated
    os.environ["PATH"] = os.pathsep.join([own_programs, os.environ.get("PATH", "")])
    jobs = jobs or default_jobs()
    pending = stale_stages(targets, explains=dry)
    if not pending.graph:
        click.echo("everything is up to date")
        return
    estimate = estimate_of(pending.graph)
    if dry:
        for name in pending.graph:
            click.echo(f"{name}: {pending.reasons[name]}")
        estimate.poll(wait=True)
        seconds = simulate(pending.graph, jobs, estimate.expected, estimate.priority(pending.graph))
        click.echo(
            f"{len(pending.graph)} stages would run or be checked, {jobs} at a time, in about {duration(seconds)} "
            f"({estimate.source})"
        )
        return
    importlib.import_module("dvc.commands.repro")  # imported once here, not in each process that runs a stage
    with warm_process(len(pending.graph)), Watch(pending.graph, jobs, estimate, verbose) as watch:
        make = by_dvc if verbose else by_dvc_quietly
        try:
            failed = run(pending.graph, jobs, make, watch, estimate.priority(pending.graph))
        except KeyboardInterrupt:
            watch.close()
            click.echo("stopped; finished work is kept, run `evoke repro` again to resume", err=True)
            raise click.exceptions.Exit(130) from None
    if failed:
        raise ValueError(f"{', '.join(failed)} failed; finished work is kept: fix the error above and run again")


def runtime_environment() -> dict[str, str]:
    """Return the variables that libraries read when a stage starts.

    They keep freed memory with the process and stop idle threads from spinning.
    """
    number = str(threads())
    return {
        "GLIBC_TUNABLES": ALLOCATION,
        "OMP_WAIT_POLICY": "PASSIVE",
        **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), number),
    }


def default_jobs() -> int:
    """Return how many stages this machine runs at a time."""
    return 1 if device_class() == "cuda" else min(os.cpu_count() or 1, MOST_JOBS)


@dataclass(frozen=True)
class Stale:
    """The stages that are not up to date, each with the stale stages that it needs and, if asked for, the reason."""

    graph: Graph
    reasons: Mapping[str, str]


def stale_stages(targets: tuple[str, ...], explains: bool = True) -> Stale:
    """Return what is not up to date among the targets and all that they need, or among all stages.

    A stage that needs a stale stage is included, although it may turn out to be up to date; DVC decides when its turn
    comes. The stage `code` is run at once, because it determines which other stages an edit of the code affects.
    explains: whether to find the reasons, which reads params and DVC's cache. Raises ValueError for DVC's errors.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo, lock_repo

    from evoke.mend import mend, mend_lock_file

    try:
        with Repo(_wait_for_lock=True) as repo, lock_repo(repo):
            mend(repo)
            try:
                chosen = {stage for target in targets for stage in repo.stage.collect(target)}
                code_is_stale = any(stage.name == CODE for stage in repo.index.stages) and repo.status([CODE])
                if not code_is_stale:
                    return stale(repo, chosen or set(repo.index.graph), explains)
            except DvcException:
                if not mend_lock_file(repo):
                    raise
                code_is_stale = False
    except DvcException as error:
        raise ValueError(str(error)) from error
    if code_is_stale:
        make_code()
    return stale_stages(targets, explains)


def make_code() -> None:
    """Run the stage `code`. Raises ValueError with the end of its log if it fails."""
    from evoke.progress import tail

    process = multiprocessing.get_context("fork").Process(target=by_dvc_quietly, args=(CODE,))
    process.start()
    process.join()
    if process.exitcode:
        raise ValueError(
            f"the code of the stages cannot be read, so nothing was run; the end of {RUNS}/{CODE}.log:\n{tail(CODE)}"
        )


def stale(repo: "Repo", chosen: "set[Stage]", explains: bool) -> Stale:
    """Return what is not up to date among some stages and all that they need. Raises DvcException."""
    import networkx as nx

    from evoke.why import reasons

    graph = repo.index.graph
    chosen = chosen | {above for stage in chosen for above in nx.descendants(graph, stage)}
    status = repo.status()
    needed = graph.subgraph(chosen)
    outdated = {stage for stage in chosen if stage.addressing in status}
    outdated |= {below for stage in outdated for below in nx.ancestors(needed, stage)}
    in_order = [stage for stage in repo.index.stages if stage in outdated]
    needs = {s.addressing: {above.addressing for above in needed.successors(s) if above in outdated} for s in in_order}
    explained = in_order if explains else []
    return Stale(needs, {s.addressing: reasons(s, status.get(s.addressing), needs[s.addressing]) for s in explained})


class Observer(Protocol):
    """The interface through which `run` reports on its stages."""

    def begins(self, name: str) -> None:
        """Record that a stage begins."""

    def ends(self, name: str, exitcode: int) -> None:
        """Record that a stage has ended."""

    def tick(self) -> None:
        """Show the current state. Called about twice a second."""


def run(graph: Graph, jobs: int, make: Callable[[str], None], watch: Observer, priority: Priority) -> list[str]:
    """Call make(stage) for every stage of a graph and return the stages that failed.

    Each stage runs in its own process, after all that it needs. Of the stages that are ready, the one with the highest
    priority starts first. After a failure no other stage is started. On KeyboardInterrupt all stages are ended within
    LEAVE_S.
    """
    sorter = TopologicalSorter(graph)
    sorter.prepare()
    ready: list[str] = []
    running: dict[str, BaseProcess] = {}
    failed: list[str] = []
    try:
        while running or (sorter.is_active() and not failed):
            ready = sorted([*ready, *sorter.get_ready()], key=lambda name: (priority(name), name), reverse=True)
            while ready and len(running) < jobs and not failed:
                name = ready.pop(0)
                watch.begins(name)
                running[name] = multiprocessing.get_context("fork").Process(target=make, args=(name,))
                running[name].start()
            wait([process.sentinel for process in running.values()], POLL_S)
            for name in [name for name, process in running.items() if process.exitcode is not None]:
                exitcode = running.pop(name).exitcode or 0
                watch.ends(name, exitcode)
                failed += [name] if exitcode else []
                if not exitcode:
                    sorter.done(name)
            watch.tick()
    except KeyboardInterrupt:
        end_all(running.values())
        raise
    return failed


def end_all(processes: Iterable[BaseProcess]) -> None:
    """Ask every command under these processes to exit, so that DVC ends as after a failure.

    A training first finishes its step and writes a checkpoint. What is still running after LEAVE_S is killed. A second
    Ctrl-C kills at once.
    """
    import psutil

    roots, below = [], []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            root = psutil.Process(process.pid)
            below += root.children(recursive=True)
            roots.append(root)
    with contextlib.suppress(KeyboardInterrupt):
        for child in below:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.terminate()
        psutil.wait_procs(roots, timeout=LEAVE_S)
    for process in [*roots, *below]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


@contextlib.contextmanager
def warm_process(num_stages: int) -> Any:
    """Provide, inside the block, a process whose forks already have the libraries imported (pipeline/warm.py).

    There is none where it would not pay or not be the same: for few stages, off Linux, with a GPU, where models come
    from a hub, for which the libraries must not be kept offline, or in a repository without our params.
    """
    import subprocess
    import tempfile

    from pipeline.params import load_own_params
    from pipeline.runtime import offline_environment
    from pipeline.warm import ADDRESS

    params = load_own_params(Path("params.yaml"), "foundation_clip")
    is_local = params is not None and not any(getattr(section, "source", None) == "hub" for _, section in params)
    if num_stages < 3 or not sys.platform.startswith("linux") or device_class() != "cpu" or not is_local:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="evoke-", ignore_cleanup_errors=True) as folder:
        address = Path(folder) / "warm"
        environment = {**os.environ, **offline_environment()}
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.warm", str(address)], stdin=subprocess.PIPE, env=environment
        )
        signal.signal(signal.SIGINT, before)
        os.environ[ADDRESS] = str(address)
        try:
            yield
        finally:
            del os.environ[ADDRESS]
            process.kill()
            process.wait()


def by_dvc_quietly(name: str) -> None:
    """Run one stage by DVC, with all output going to runs/<stage>.log."""
    RUNS.mkdir(exist_ok=True)
    with (RUNS / f"{name}.log").open("wb") as log:
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)
    by_dvc(name)


def by_dvc(name: str) -> None:
    """Run one stage by DVC's command and exit with its status. Ctrl-C is left to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent()
    parent = multiprocessing.parent_process()
    if parent and parent.pid != os.getppid():  # the parent died before the call
        sys.exit(1)
    from dvc.cli import main

    from evoke.mend import keep_locks_whole

    keep_locks_whole()
    sys.exit(main(["--wait-for-lock", "repro", "--single-item", name]))
