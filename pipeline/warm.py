"""A process that has imported the libraries once and forks itself for each stage that asks: `python -m pipeline.warm`.

Importing torch, transformers, diffusers and peft takes seven seconds of a core, and a run has some fifty stages. `evoke
repro` starts one such process, on Linux without a GPU, and names its socket in EVOKE_WARM; a stage connects, hands over
its command line, environment and streams, and waits for the exit status. Everything else stays as if it had run by
itself: no module of this project is imported before the fork, so an edit counts from the next stage on, and a signal or
the death of either side ends the other. Plumbing: no dependency of any stage.
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

    Returns None where there is no warm process: the caller then runs it itself. SIGTERM is passed on, and the fork gets
    it as well when this process dies.
    """
    address = os.environ.get(ADDRESS)
    if not address:
        return None
    from pipeline.work import die_with_parent  # here, as the warm process must not hold what may be edited

    die_with_parent()
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(address)
        except OSError:  # it is still importing, or gone
            return None
        request = json.dumps([module, *arguments, os.getcwd(), dict(os.environ)]).encode()
        socket.send_fds(connection, [LENGTH.pack(len(request))], list(STREAMS))
        connection.sendall(request)
        signal.signal(signal.SIGTERM, lambda *_: connection.send(b"T"))
        status = connection.recv(1)
        connection.recv(1)  # until the fork has ended altogether
    return status[0] if status else 1  # killed: it could not say


def serve(address: Path) -> None:
    """Import the libraries, listen at a path, and fork for each caller, until standard input ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system buries them
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # the forks share what is there, and their collectors leave it untouched
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
    """Become the process that a caller asked for, and send its exit status, one byte."""
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
    sys.path[0] = folder  # as `python -m` has it
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
    os._exit(status)  # taking a heap of this size apart, object by object, would cost a second


def _follow(connection: socket.socket) -> None:
    """Pass on the caller's SIGTERM, and send it when the caller has gone."""
    with contextlib.suppress(OSError):
        connection.recv(1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
