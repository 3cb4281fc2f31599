"""Estimate how long a run will take.

The estimate of a stage is the time of its last run on this type of device, or else that of the plan. The plan (`evoke
plan`) is computed in a separate process while the first stages run. As stages end, their times scale what is expected
of the others.
"""

import csv
import heapq
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path

from pipeline.runtime import numbers

Graph = Mapping[str, set[str]]  # each stage and the stages that it needs
Priority = Callable[[str], float]

RUNS = Path("runs")
PLAN = (  # `evoke plan --csv`, ended by the death of `evoke repro`
    "from pipeline.work import die_with_parent; die_with_parent(); from evoke.cli import main; main(['plan', '--csv'])"
)
FIRST_LOOK = "coemogen"  # its trainings end with the first sheets of images, which people wait for
LAUNCH_S = 2.0  # DVC's overhead per stage, which the stage itself does not record
CONFIDENCE_S = 120.0  # weight of the plan, in seconds of ended stages


@dataclass
class Estimate:
    """Expected seconds for each stage.

    recorded: from earlier runs. planned: from the plan, once it is ready. ended: the seconds of the stages that have
    ended in this run.
    """

    recorded: Mapping[str, float]
    planned: dict[str, float] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)
    planning: "subprocess.Popen[str] | None" = None

    @property
    def source(self) -> str:
        """Return the source of the figures, for display."""
        if not self.planned:
            return "estimated from earlier runs on this machine"
        return "estimated by evoke plan and from the stages that have ended"

    def poll(self, wait: bool = False) -> None:
        """Take over the plan if it is ready, or wait for it.

        If the plan fails, the estimate does without it.
        """
        if self.planning is None or (not wait and self.planning.poll() is None):
            return
        text, _ = self.planning.communicate()
        if self.planning.returncode == 0:
            rows = csv.DictReader(text.splitlines())
            self.planned.update({row["stage"]: 3600 * float(row["hours"]) for row in rows})
        self.planning = None

    def knows(self, graph: Graph) -> bool:
        """Return True if there is a figure for every stage of a graph."""
        return all(name in self.recorded or name in self.planned for name in graph)

    def expected(self, name: str) -> float:
        """Return the expected seconds of a stage, including DVC's own; a few seconds if nothing is known."""
        if name in self.recorded:
            return self.recorded[name] + LAUNCH_S
        return self.planned.get(name, 5.0) * self.scale + LAUNCH_S

    @property
    def scale(self) -> float:
        """Return the factor by which this machine is slower than the plan, from the stages that have ended."""
        both = [name for name in self.ended if name in self.planned and name not in self.recorded]
        planned = sum(self.planned[name] for name in both)
        return (sum(self.ended[name] for name in both) + CONFIDENCE_S) / (planned + CONFIDENCE_S)

    def priority(self, graph: Graph) -> Priority:
        """Return a function that gives the priority of a stage; the highest goes first.

        It is the number of seconds from the start of a stage to the end of the last stage that waits for it. Everything
        that leads to the first sheet of images, that of the corpus that needs the fewest stages, comes before all else.
        """
        longest: dict[str, float] = {}
        needed_by: dict[str, list[str]] = {name: [] for name in graph}
        for name, needs in graph.items():
            for need in needs:
                needed_by[need].append(name)
        for name in reversed(list(TopologicalSorter(graph).static_order())):
            longest[name] = self.expected(name) + max((longest[other] for other in needed_by[name]), default=0.0)
        trainings = [above(graph, name) for name in graph if name.partition("@")[0] == FIRST_LOOK]
        first = min(trainings, key=len, default=set())
        total = sum(longest.values())
        return lambda name: longest[name] + (total if name in first else 0.0)

    def left(self, graph: Graph, jobs: int, begun: Mapping[str, float]) -> float | None:
        """Return the seconds until every stage of a graph of unfinished stages is made, or None if a figure is missing.

        begun: the seconds since each running stage began.
        """
        self.poll()
        if not self.knows(graph):
            return None
        graph = {name: needs & graph.keys() for name, needs in graph.items()}
        return simulate(graph, jobs, self.expected, self.priority(graph), begun)


def estimate_of(graph: Graph) -> Estimate:
    """Return the estimate for a graph. The plan is started only if some stage has no earlier run."""
    recorded = recorded_seconds()
    estimate = Estimate(recorded)
    if any(name not in recorded for name in graph):
        command = [sys.executable, "-c", PLAN]
        estimate.planning = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return estimate


def recorded_seconds() -> dict[str, float]:
    """Return the seconds of the last run of every stage that ran on this machine and type of device."""
    notes = []
    for path in RUNS.glob("*.json"):
        try:
            notes.append(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError):  # a kill may leave half a file
            continue
    kind = numbers()
    return {note["stage"]: note["seconds"] for note in notes if note.get("numbers") == kind}


def above(graph: Graph, name: str) -> set[str]:
    """Return a stage and all stages it needs, directly or not; an empty set if the graph has no such stage."""
    if name not in graph:
        return set()
    return {name}.union(*(above(graph, need) for need in graph[name]))


def simulate(
    graph: Graph,
    jobs: int,
    expected: Callable[[str], float],
    priority: Priority,
    begun: Mapping[str, float] | None = None,
) -> float:
    """Return the seconds until a graph is made with `jobs` stages at a time, in the order of `evoke repro`.

    begun: the seconds since each running stage began.
    """
    sorter = TopologicalSorter(graph)
    sorter.prepare()
    running: list[tuple[float, str]] = []
    ready: list[str] = []
    now = 0.0
    begun = begun or {}
    while sorter.is_active():
        ready += sorter.get_ready()
        ready.sort(key=lambda name: (name not in begun, -priority(name)))
        while ready and len(running) < jobs:
            name = ready.pop(0)
            heapq.heappush(running, (now + max(expected(name) - begun.get(name, 0.0), 1.0), name))
        now, name = heapq.heappop(running)
        sorter.done(name)
    return now
