"""`evoke repro`: `dvc repro`, with stages that do not need each other made side by side.

Each stage is DVC's own `dvc repro --single-item`, which locks what it reads and writes; here is only the order. What a
killed DVC has left is mended first, and dvc.lock is written whole or not at all.
"""

import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping
from graphlib import TopologicalSorter
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING

import click

from pipeline.runtime import device_class
from pipeline.work import die_with_parent

if TYPE_CHECKING:
    from dvc.repo import Repo

MOST_JOBS = 4  # by default, as every stage holds a model in memory
# For glibc's malloc, which reads it as a process starts: freed memory stays with the stage, in huge pages. A training
# step takes a tenth less.
ALLOCATION = (
    "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=33554432"
    ":glibc.malloc.trim_threshold=4294967296:glibc.malloc.top_pad=67108864"
)
Graph = Mapping[str, set[str]]


@click.command()
@click.argument("targets", nargs=-1)
@click.option(
    "--jobs", type=click.IntRange(min=1), help="Stages at a time; by default one a core, up to four; with a GPU one."
)
def repro(targets: tuple[str, ...], jobs: int | None) -> None:
    """Makes all that is not up to date, or TARGETS and what they need."""
    os.environ.setdefault("GLIBC_TUNABLES", ALLOCATION)
    graph = needs(targets)
    if not graph:
        click.echo("everything is up to date")
    failed = run(graph, jobs or default_jobs(), by_dvc)
    if failed:
        raise ValueError(f"{', '.join(failed)} failed; what is finished is kept: mend it, and run again")


def default_jobs() -> int:
    """How many stages this machine makes at a time."""
    return 1 if device_class() == "cuda" else min(os.cpu_count() or 1, MOST_JOBS)


def needs(targets: tuple[str, ...]) -> Graph:
    """What each stage needs made before it: of targets and all above them, or of everything, what is not up to date.

    A stage below one that is not up to date may turn out to be; DVC tells when its turn has come.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo, lock_repo

    from evoke.mend import mend, mend_lock_file

    try:
        with Repo(_wait_for_lock=True) as repo, lock_repo(repo):
            mend(repo)
            try:
                return stale(repo, targets)
            except DvcException:
                if not mend_lock_file(repo):
                    raise
        return needs(targets)
    except DvcException as error:
        raise ValueError(str(error)) from error


def stale(repo: "Repo", targets: tuple[str, ...]) -> Graph:
    """The graph of `needs`, of an open repository. Raises DvcException."""
    import networkx as nx

    graph = repo.index.graph
    wanted = {stage for target in targets for stage in repo.stage.collect(target)} or set(graph)
    wanted |= {above for stage in wanted for above in nx.descendants(graph, stage)}
    changed = set(repo.status())
    needed = graph.subgraph(wanted)
    found = {stage for stage in wanted if stage.addressing in changed}
    found |= {below for stage in found for below in nx.ancestors(needed, stage)}
    return {
        stage.addressing: {above.addressing for above in needed.successors(stage) if above in found} for stage in found
    }


def run(graph: Graph, jobs: int, make: Callable[[str], None]) -> list[str]:
    """Calls make(stage) for every stage of a graph, each in a process of its own, after all that it needs.

    Of those that are ready, the one that most others wait for goes first. Once one has failed no other is begun.
    Returns those that failed.
    """
    sorter, waiting = TopologicalSorter(graph), followers(graph)
    sorter.prepare()
    ready: list[str] = []
    running: dict[str, BaseProcess] = {}
    failed: list[str] = []
    while running or (sorter.is_active() and not failed):
        ready = sorted([*ready, *sorter.get_ready()], key=lambda name: (-waiting[name], name))
        while ready and len(running) < jobs and not failed:
            name = ready.pop(0)
            running[name] = multiprocessing.get_context("fork").Process(target=make, args=(name,))
            running[name].start()
        wait([process.sentinel for process in running.values()])
        for name in [name for name, process in running.items() if process.exitcode is not None]:
            if running.pop(name).exitcode:
                failed.append(name)
            else:
                sorter.done(name)
    return failed


def followers(graph: Graph) -> dict[str, int]:
    """How many stages need each stage, directly or through others."""
    above: dict[str, set[str]] = {}
    for name in TopologicalSorter(graph).static_order():
        above[name] = set().union(*({need} | above[need] for need in graph[name]))
    return {name: sum(name in each for each in above.values()) for name in graph}


def by_dvc(name: str) -> None:
    """One stage, by the command of DVC, which says what it does; leaves with its exit status."""
    die_with_parent()
    parent = multiprocessing.parent_process()
    if parent and parent.pid != os.getppid():  # it died before the call
        sys.exit(1)
    from dvc.cli import main

    from evoke.mend import keep_locks_whole

    keep_locks_whole()
    sys.exit(main(["--wait-for-lock", "repro", "--single-item", name]))
