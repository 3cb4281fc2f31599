"""Write down which functions of the project every process calls, for tests/test_pipeline.py; Python imports this first.

Each process writes lines to $EVOKE_CALLS/<pid>.txt: its command, then file and first line of each function called.
"""

import inspect
import os
import sys
import threading
from pathlib import Path
from types import CodeType, FrameType

FOLDER = os.environ["EVOKE_CALLS"]
PIPELINE, STAGES = (f"{os.getcwd()}{os.sep}{name}{os.sep}" for name in ("pipeline", "stages"))
seen: set[tuple[int, CodeType]] = set()


def note(frame: FrameType, event: str, _: object) -> None:
    """Note the first call of a function by a process, if it is part of what the stage computes."""
    code, process = frame.f_code, os.getpid()
    if event != "call" or not code.co_filename.startswith(PIPELINE) or not code.co_flags & inspect.CO_OPTIMIZED:
        return
    if (process, code) not in seen and computes(frame):
        seen.add((process, code))
        with Path(FOLDER, f"{process}.txt").open("a", encoding="utf-8") as file:
            if not file.tell():
                file.write(f"{' '.join(sys.argv)}\n")
            file.write(f"{code.co_filename.removeprefix(PIPELINE)} {code.co_firstlineno}\n")


def computes(frame: FrameType | None) -> bool:
    """Return False for what pipeline/stage.py calls around a stage, and for what runs while a module is imported."""
    while frame is not None and not frame.f_code.co_filename.startswith(STAGES):
        is_module = frame.f_code.co_name == "<module>" and frame.f_globals["__name__"] != "__main__"
        if frame.f_code.co_filename == f"{PIPELINE}stage.py" or (
            is_module and frame.f_code.co_filename.startswith(PIPELINE)
        ):
            return False
        frame = frame.f_back
    return True


sys.setprofile(note)
threading.setprofile(note)
