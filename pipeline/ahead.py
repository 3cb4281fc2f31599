"""Do work ahead in other processes, such as decoding and resizing images, while this process keeps the model busy.

EVOKE_WORKERS is the number of processes. Neither the results nor their order depend on it.
"""

import itertools
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from typing import TypeVar

from pipeline.runtime import workers
from pipeline.work import die_with_parent

AHEAD = 2  # most items in waiting per worker, so that memory does not grow with the number of items
Item = TypeVar("Item")
Made = TypeVar("Made")


def ahead(make: Callable[[Item], Made], items: Iterable[Item]) -> Iterator[Made]:
    """Yield make(item) for each item, in order.

    make must be a module-level function, or a partial of one, so that it can be pickled. Raises what make raises, when
    it is that item's turn. Raises ValueError if a process died; the next call starts new ones.
    """
    number = workers()
    if not number:
        yield from map(make, items)
        return
    pool, items = _pool(number), iter(items)
    waiting: deque[Future[Made]] = deque()
    try:
        waiting.extend(pool.submit(make, item) for item in itertools.islice(items, AHEAD * number))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(make, item) for item in itertools.islice(items, 1))
    except BrokenProcessPool:
        _pool.cache_clear()
        raise ValueError(
            "An image decoding process died, possibly because memory ran out. Set EVOKE_WORKERS to a lower number and "
            "run again; finished work is kept."
        ) from None


@cache
def _pool(number: int) -> ProcessPoolExecutor:
    """Return the pool of worker processes, one for the life of this process because a worker takes seconds to start.

    Workers are spawned, because forks of a process that uses a GPU fail.
    """
    return ProcessPoolExecutor(number, multiprocessing.get_context("spawn"), initializer=die_with_parent)
