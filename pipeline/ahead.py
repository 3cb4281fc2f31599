"""Work that is done ahead by other processes while this one keeps the model busy: pictures decoded and brought to size.

EVOKE_WORKERS says how many processes. What they give does not depend on it, nor does its order.
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

AHEAD = 2  # items that wait ready for each worker, at most: so memory does not grow with their number
Item = TypeVar("Item")
Made = TypeVar("Made")


def ahead(make: Callable[[Item], Made], items: Iterable[Item]) -> Iterator[Made]:
    """make(item) of each item, in their order. make must be a function of a module, or a partial of one, to be pickled.

    Raises what make raises, when its item's turn has come; ValueError where a process died, and the next call starts
    others.
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
            "a process that decodes pictures died, perhaps for want of memory: set EVOKE_WORKERS lower; what is "
            "finished is kept"
        ) from None


@cache
def _pool(number: int) -> ProcessPoolExecutor:
    """One for the life of this process: a worker takes seconds to start. Spawned, as forks of a GPU's process fail."""
    return ProcessPoolExecutor(number, multiprocessing.get_context("spawn"), initializer=die_with_parent)
