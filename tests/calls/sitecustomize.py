"""Write down which functions of pipeline/ every process calls, for tests/test_pipeline.py. Python imports this first.

Each process adds lines to $EVOKE_CALLS/<pid>.txt: file and first line of a function, then the command that called it.
What runs while a module is imported is left out.
"""

import inspect
import os
import sys
import threading
from pathlib import Path
from types import CodeType, FrameType

FOLDER, PROJECT = Path(os.environ["EVOKE_CALLS"]), Path.cwd()
PIPELINE = f"{PROJECT / 'pipeline'}{os.sep}"
seen: set[tuple[int, CodeType]] = set()


def note(frame: FrameType, event: str, _: object) -> None:
    """Note the first call of a function by a process."""
    code = frame.f_code
    if event != "call" or not code.co_filename.startswith(PIPELINE) or not code.co_flags & inspect.CO_OPTIMIZED:
        return
    if (os.getpid(), code) not in seen and not is_importing(frame):
        seen.add((os.getpid(), code))
        with (FOLDER / f"{os.getpid()}.txt").open("a", encoding="utf-8") as file:
            path = Path(code.co_filename).relative_to(PROJECT).as_posix()
            file.write(f"{path} {code.co_firstlineno} {' '.join(sys.argv)}\n")


def is_importing(frame: FrameType | None) -> bool:
    """Return True if the frame runs in the body of a module that is not the command itself."""
    while frame is not None:
        if frame.f_code.co_name == "<module>" and frame.f_globals["__name__"] != "__main__":
            return True
        frame = frame.f_back
    return False


sys.setprofile(note)
threading.setprofile(note)
