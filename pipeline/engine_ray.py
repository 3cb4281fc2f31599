"""Shards made by the actors of a Ray cluster, each with a model of its own; Ray places, restarts and retries them.

RAY_ADDRESS names the cluster, else one is started on this machine. EVOKE_ACTORS says how many actors, else one for each
GPU of the cluster, or for each EVOKE_THREADS of its cores. The project's folder must be at the same path on every node,
on a file system that they share: pieces are written where the local engine writes them.
"""

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.runtime import device_class, progress, threads, whole_number

if TYPE_CHECKING:
    from pipeline.engine import Job

RESTARTS = 3  # of an actor, and of a shard that was lost with it
CARRIED = ("EVOKE_", "HF_", "CUBLAS_", "OMP_WAIT")  # how names begin of what the environment passes on to actors


class Maker:
    """Makes shards in a process of its own; the model is loaded with the first."""

    def __init__(self, folder: Path, load: Callable[[], Callable[[Any], Any]]) -> None:
        os.chdir(folder)
        self.load = load
        self.process: Callable[[Any], Any] | None = None

    def make(self, job: "Job") -> None:
        self.process = self.process or self.load()
        job.make(self.process)


def make_all(load: Callable[[], Callable[[Any], Any]], jobs: "Sequence[Job]") -> None:
    """Makes the pieces of all jobs. load and the jobs are sent to the actors, by cloudpickle.

    Raises what the making of a shard raises; ValueError where no cluster answers, or it loses actors again and again.
    """
    import ray
    from ray.util import ActorPool

    ours = not ray.is_initialized()
    if ours:
        connect()
    try:
        needs: dict[str, float] = {"num_gpus": 1} if device_class() == "cuda" else {"num_cpus": threads()}
        actor = ray.remote(max_restarts=RESTARTS, max_task_retries=RESTARTS, **needs)(Maker)
        pool = ActorPool([actor.remote(Path.cwd(), load) for _ in range(min(num_actors(needs), len(jobs)))])
        for _ in progress(pool.map_unordered(lambda maker, job: maker.make.remote(job), jobs), len(jobs)):
            pass
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayError as error:
        raise ValueError(f"Ray lost what it was making: {error}; what is finished is kept, run again") from error
    finally:
        if ours:
            ray.shutdown()


def connect() -> None:
    """Joins the cluster of RAY_ADDRESS, or starts one here. Raises ValueError where none answers."""
    import ray

    carried = {name: value for name, value in os.environ.items() if name.startswith(CARRIED)}
    path = os.pathsep.join(filter(None, [os.getcwd(), os.environ.get("PYTHONPATH")]))
    environment = {"env_vars": {**carried, "PYTHONPATH": path}}
    try:
        ray.init(include_dashboard=False, runtime_env=environment, logging_level=logging.WARNING)
    except ConnectionError as error:
        raise ValueError(f"RAY_ADDRESS = {os.environ.get('RAY_ADDRESS')!r}: no Ray cluster answers there") from error


def num_actors(needs: dict[str, float]) -> int:
    """EVOKE_ACTORS, else as many as the cluster can hold. Raises ValueError unless it is a whole number >= 1."""
    import ray

    ((kind, each),) = needs.items()
    free = int(ray.cluster_resources().get({"num_gpus": "GPU", "num_cpus": "CPU"}[kind], 0) // each)
    return whole_number("EVOKE_ACTORS", max(free, 1))
