"""How long a run will take: seconds of earlier runs of the same stage on this kind of device, else the plan's.

The plan (`evoke plan`) is asked for in a process of its own, beside the first stages. As stages end, what they took
scales what is expected of the others.
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

Graph = Mapping[str, set[str]]  # each stage and those that it needs
Priority = Callable[[str], float]

RUNS = Path("runs")
FIRST_LOOK = "coemogen@emoset"  # what people wait for: its training ends with a sheet of images
LAUNCH_S = 2.0  # of DVC about a stage, beside what the stage itself notes
CONFIDENCE_S = 120.0  # seconds of ended stages that count as much as the plan


@dataclass
class Estimate:
    """Expect seconds for each stage.

    recorded: of earlier runs. planned: by the plan, once it is there. ended: what stages of this run took.
    """

    recorded: Mapping[str, float]
    planned: dict[str, float] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)
    planning: "subprocess.Popen[str] | None" = None

    @property
    def source(self) -> str:
        """Return what the figures stand on, for people."""
        if not self.planned:
            return "by earlier runs on this machine"
        return "by the rates of evoke plan, and by what has ended"

    def poll(self, wait: bool = False) -> None:
        """Take the plan if it is ready, or wait for it. A plan that fails leaves the estimate without one."""
        if self.planning is None or (not wait and self.planning.poll() is None):
            return
        text, _ = self.planning.communicate()
        if self.planning.returncode == 0:
            rows = csv.DictReader(text.splitlines())
            self.planned.update({row["stage"]: 3600 * float(row["hours"]) for row in rows})
        self.planning = None

    def knows(self, graph: Graph) -> bool:
        """Return whether there is a figure for every stage of a graph."""
        return all(name in self.recorded or name in self.planned for name in graph)

    def expected(self, name: str) -> float:
        """Return the seconds of a stage, those of DVC included; a few where nothing is known."""
        if name in self.recorded:
            return self.recorded[name] + LAUNCH_S
        return self.planned.get(name, 5.0) * self.scale + LAUNCH_S

    @property
    def scale(self) -> float:
        """Return the factor of this machine, as it is today, on the plan."""
        both = [name for name in self.ended if name in self.planned and name not in self.recorded]
        planned = sum(self.planned[name] for name in both)
        return (sum(self.ended[name] for name in both) + CONFIDENCE_S) / (planned + CONFIDENCE_S)

    def priority(self, graph: Graph) -> Priority:
        """Return the seconds from the begin of a stage to the end of the last that waits for it: longest first.

        What leads to the first sheet of images goes before everything else.
        """
        longest: dict[str, float] = {}
        needed_by: dict[str, list[str]] = {name: [] for name in graph}
        for name, needs in graph.items():
            for need in needs:
                needed_by[need].append(name)
        for name in reversed(list(TopologicalSorter(graph).static_order())):
            longest[name] = self.expected(name) + max((longest[other] for other in needed_by[name]), default=0.0)
        first = above(graph, FIRST_LOOK)
        total = sum(longest.values())
        return lambda name: longest[name] + (total if name in first else 0.0)

    def left(self, graph: Graph, jobs: int, begun: Mapping[str, float]) -> float | None:
        """Return the seconds until a graph of what is not finished is made; begun: seconds since each running began.

        None while nothing is known of some stage.
        """
        self.poll()
        if not self.knows(graph):
            return None
        graph = {name: needs & graph.keys() for name, needs in graph.items()}
        return simulate(graph, jobs, self.expected, self.priority(graph), begun)


def estimate_of(graph: Graph) -> Estimate:
    """Return the estimate for a graph; the plan is asked for where a stage has no earlier run."""
    recorded = recorded_seconds()
    estimate = Estimate(recorded)
    if any(name not in recorded for name in graph):
        command = [sys.executable, "-m", "evoke", "plan", "--csv"]
        estimate.planning = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return estimate


def recorded_seconds() -> dict[str, float]:
    """Return the seconds of the last run of every stage that ran here on this kind of device."""
    notes = []
    for path in RUNS.glob("*.json"):
        try:
            notes.append(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError):  # a kill may leave half of one
            continue
    kind = numbers()
    return {note["stage"]: note["seconds"] for note in notes if note.get("numbers") == kind}


def above(graph: Graph, name: str) -> set[str]:
    """Return a stage with all that it needs, directly or through others; nothing where the graph has no such stage."""
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
    """Return the seconds until a graph is made, so many stages at a time, in the order that `evoke repro` takes.

    begun: seconds since each running stage began.
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
