"""Make shards on the actors of a Ray cluster, each with its own model; Ray places, restarts and retries them.

RAY_ADDRESS names the cluster; without it, one is started on this machine. EVOKE_ACTORS is the number of actors; the
default is one for each GPU of the cluster, or one for every EVOKE_THREADS of its cores. The project's folder must be at
the same path on every node, on a shared file system, because pieces are written where the local engine writes them.
"""

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.runtime import device_class, progress, threads, whole_number

if TYPE_CHECKING:
    from pipeline.engine import Job

RESTARTS = 3  # restarts of an actor, and retries of a shard that was lost with it
CARRIED = ("EVOKE_", "HF_", "CUBLAS_", "OMP_WAIT")  # prefixes of the environment variables that actors receive


class Maker:
    """An actor that makes shards in its own process; it loads the model with the first shard."""

    def __init__(self, folder: Path, load: Callable[[], Callable[[Any], Any]]) -> None:
        os.chdir(folder)
        self.load = load
        self.process: Callable[[Any], Any] | None = None

    def make(self, job: "Job") -> None:
        self.process = self.process or self.load()
        job.make(self.process)


def make_all(load: Callable[[], Callable[[Any], Any]], jobs: "Sequence[Job]") -> None:
    """Make the pieces of all jobs. `load` and the jobs are sent to the actors by cloudpickle.

    Raises what the making of a shard raises, and ValueError if no cluster answers or if it loses actors repeatedly.
    """
    import ray
    from ray.util import ActorPool

    is_own = not ray.is_initialized()
    if is_own:
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
        raise ValueError(f"Ray lost the results of a worker: {error}; run again, finished work is kept") from error
    finally:
        if is_own:
            ray.shutdown()


def connect() -> None:
    """Join the cluster at RAY_ADDRESS, or start one here. Raises ValueError if no cluster answers."""
    import ray

    carried = {name: value for name, value in os.environ.items() if name.startswith(CARRIED)}
    path = os.pathsep.join(filter(None, [os.getcwd(), os.environ.get("PYTHONPATH")]))
    environment = {"env_vars": {**carried, "PYTHONPATH": path}}
    try:
        ray.init(include_dashboard=False, runtime_env=environment, logging_level=logging.WARNING)
    except ConnectionError as error:
        raise ValueError(
            f"RAY_ADDRESS = {os.environ.get('RAY_ADDRESS')!r}: no Ray cluster answers at this address"
        ) from error


def num_actors(needs: dict[str, float]) -> int:
    """Return EVOKE_ACTORS, by default as many actors as the cluster can hold.

    Raises ValueError unless EVOKE_ACTORS is a whole number >= 1.
    """
    import ray

    ((kind, share),) = needs.items()
    free = int(ray.cluster_resources().get({"num_gpus": "GPU", "num_cpus": "CPU"}[kind], 0) // share)
    return whole_number("EVOKE_ACTORS", max(free, 1))
