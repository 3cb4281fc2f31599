"""Runs the toy stage of the current folder on disks that fill up at every page in turn, and holds what it leaves.

Needs mounts of its own: unshare --user --map-root-user --mount python -m tests.full_disk. Prints how many were full.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.endurance import digest, forked, outs_of, remove, run_stage

UNIT = "toy@emoset"
STEP_KB, ROOMY_KB = 4, 16384
FULL = "free some space and run again, finished work is kept in .work"


def mount(disk: Path, size_kb: int, *more: str) -> None:
    command = ["mount", "-t", "tmpfs", "-o", ",".join([*more, f"size={size_kb}k"]), "tmpfs", str(disk)]
    subprocess.run(command, check=True)


def run() -> tuple[bool, str]:
    """Whether the stage ends well in the current folder, and what it says."""
    with tempfile.TemporaryFile("w+") as said:

        def quietly() -> None:
            os.dup2(said.fileno(), 2)
            sys.stderr = said
            run_stage(UNIT)

        status = os.waitpid(forked(quietly), 0)[1]
        said.seek(0)
        return status == 0, said.read()


def one_disk(source: Path, disk: Path, free_kb: int | None, wanted: dict[str, str]) -> bool:
    """A run on a disk with so much space for it (None: enough), and one after there is more. Whether it was full."""
    mount(disk, ROOMY_KB)
    shutil.copytree(source, disk, dirs_exist_ok=True)
    os.chdir(disk)
    outs = outs_of(UNIT)
    remove(outs)
    if free_kb is not None:
        used = os.statvfs(disk)
        mount(disk, (used.f_blocks - used.f_bfree) * used.f_bsize // 1024 + free_kb, "remount")
    ended_well, said = run()
    if not ended_well:
        assert FULL in said, said
        for out in outs:
            assert not out.exists() or digest([out]) == wanted[str(out)], f"{free_kb} kB: {out} is not whole"
        mount(disk, ROOMY_KB, "remount")
        assert run()[0], "the run after a full disk fails"
    for out in outs:
        wanted.setdefault(str(out), digest([out]))
        assert digest([out]) == wanted[str(out)], f"{free_kb} kB: {out} has other bytes"
    os.chdir("/")
    subprocess.run(["umount", str(disk)], check=True)
    return not ended_well


def main() -> None:
    source, disk, wanted, num_full = Path.cwd(), Path(tempfile.mkdtemp()), {}, 0
    assert not one_disk(source, disk, None, wanted)
    while one_disk(source, disk, num_full * STEP_KB, wanted):
        num_full += 1
    disk.rmdir()
    print(num_full)  # noqa: T201


if __name__ == "__main__":
    import stages.toy  # noqa: F401

    main()
