"""Import the libraries once and fork a process for each stage that connects: `python -m pipeline.warm`.

Importing torch, transformers, diffusers and peft takes seven seconds of one core, and a run has some fifty stages.
`evoke repro` starts one such process, on Linux without a GPU, and puts the path of its socket into EVOKE_WARM. A stage
connects, sends its command line, environment and streams, and waits for the exit status. Everything else is as if the
stage ran on its own: no module of this project is imported before the fork, so an edit takes effect from the next stage
on, and a signal to or the death of either side ends the other. This module is plumbing: it is left out of every stage's
code hash (pipeline/closure.py).
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import struct
import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

ADDRESS = "EVOKE_WARM"  # path of the socket
LENGTH = struct.Struct("!I")
STREAMS = (0, 1, 2)
LIBRARIES = (
    "numpy",
    "PIL.Image",
    "pyarrow.parquet",
    "pyarrow.compute",
    "pydantic",
    "ruamel.yaml",
    "click",
    "filelock",
    "safetensors.torch",
    "matplotlib.pyplot",
    "accelerate",
    "peft",
    "open_clip",
    "sklearn.linear_model",
    "transformers.models.clip.modeling_clip",
    "transformers.models.clip.tokenization_clip",
    "transformers.models.llava.modeling_llava",
    "diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion",
)


def run_there(module: str, arguments: Sequence[str]) -> int | None:
    """Run `python -m module arguments` in a fork of the warm process and return its exit status.

    Returns None if there is no warm process; the caller then runs the stage itself. SIGTERM is passed on, and the fork
    also receives it when this process dies.
    """
    address = os.environ.get(ADDRESS)
    if not address:
        return None
    from pipeline.work import die_with_parent  # imported here: the warm process must not hold code that may be edited

    die_with_parent()
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(address)
        except OSError:  # the warm process is still importing, or has ended
            return None
        request = json.dumps([module, *arguments, os.getcwd(), dict(os.environ)]).encode()
        socket.send_fds(connection, [LENGTH.pack(len(request))], list(STREAMS))
        connection.sendall(request)
        signal.signal(signal.SIGTERM, lambda *_: connection.send(b"T"))
        status = connection.recv(1)
        connection.recv(1)  # wait until the fork has ended completely
    return status[0] if status else 1  # no status: the fork was killed


def serve(address: Path) -> None:
    """Import the libraries, listen at a path, and fork for each caller, until standard input ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps the forks
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # forks share these objects; their garbage collectors do not touch them
    with socket.socket(socket.AF_UNIX) as listener:
        aside = address.with_suffix(".aside")
        listener.bind(str(aside))
        listener.listen(64)
        aside.rename(address)
        while listener in select.select([listener, sys.stdin], [], [])[0]:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                run_here(connection)
            connection.close()


def run_here(connection: socket.socket) -> NoReturn:
    """Become the process that a caller requested, and send its exit status as one byte."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    head, streams, _, _ = socket.recv_fds(connection, LENGTH.size, len(STREAMS))
    with connection.makefile("rb") as file:
        module, *arguments, folder, environment = json.loads(file.read(LENGTH.unpack(head)[0]))
    for number, own in zip(streams, STREAMS, strict=True):
        os.dup2(number, own)
        os.close(number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update({name: value for name, value in environment.items() if name != ADDRESS})
    sys.path[0] = folder  # as `python -m` does
    sys.argv = [module, *arguments]
    threading.Thread(target=_follow, args=(connection,), daemon=True).start()
    status = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as left:
        status = left.code if isinstance(left.code, int) else int(left.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    connection.send(bytes([status % 256]))
    os._exit(status)  # freeing a heap of this size object by object would take a second


def _follow(connection: socket.socket) -> None:
    """Pass on the caller's SIGTERM, or send SIGTERM when the caller has ended."""
    with contextlib.suppress(OSError):
        connection.recv(1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
    os._exit(0)  # as in the forks: libraries would complain of what is left
