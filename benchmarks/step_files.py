"""Count the files and functions of pipeline/ that the training steps of a method call, batch and update included.

    python -m benchmarks.step_files coemogen --item emoset
    python -m benchmarks.step_files uniemo_joint

Run it in a checkout whose inputs are made (`evoke preset smoke && evoke repro`); the stage is run once more there. What
works alike for every stage (PLUMBING) is left out.
"""

import inspect
import runpy
import sys
from collections import defaultdict
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from pipeline.training import loop

PIPELINE = Path(loop.__file__).parents[1]
PLUMBING = ("work.py", "stage.py", "artifacts.py")


def main() -> None:
    """Run a stage and print the files that its steps call, each with its functions and their lines."""
    called: set[CodeType] = set()
    batch_of, step_of = loop._batch, loop.TrainingState.step

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        is_function = bool(code.co_flags & inspect.CO_OPTIMIZED) and not code.co_name.startswith("<")
        if event == "call" and is_function and code.co_filename.startswith(f"{PIPELINE}/"):
            called.add(code)

    def noted(function: Any) -> Any:
        def run(*arguments: Any) -> Any:
            sys.setprofile(note)
            try:
                return function(*arguments)
            finally:
                sys.setprofile(None)

        return run

    loop._batch, loop.TrainingState.step = noted(batch_of), noted(step_of)  # type: ignore[method-assign]
    sys.argv = [f"stages.{sys.argv[1]}", *sys.argv[2:]]
    try:
        runpy.run_module(sys.argv[0], run_name="__main__")
    except SystemExit as ended:
        if ended.code:
            raise
    by_file: dict[str, list[CodeType]] = defaultdict(list)
    for code in called:
        if (file := Path(code.co_filename).relative_to(PIPELINE).as_posix()) not in PLUMBING:
            by_file[file].append(code)
    total = 0
    for file, codes in sorted(by_file.items()):
        lines = sum(max(line for *_, line in code.co_lines() if line) - code.co_firstlineno + 1 for code in codes)
        total += lines
        print(f"{file}: {lines} lines: {', '.join(sorted(code.co_qualname for code in codes))}")
    print(f"{len(by_file)} files, {sum(map(len, by_file.values()))} functions, {total} lines")


if __name__ == "__main__":
    main()
