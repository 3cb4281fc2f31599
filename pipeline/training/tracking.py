"""Send the curves of a training to an experiment tracker while it runs, through Accelerate; off by default.

EVOKE_TRACKER names one that Accelerate knows and that is installed, such as tensorboard, trackio, dvclive or wandb.
Files go to EVOKE_TRACKER_FOLDER, by default runs/tracker. Neither changes a result.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from accelerate.tracking import GeneralTracker


def tracker() -> "str | GeneralTracker | None":
    """Return the tracker of EVOKE_TRACKER, None for none.

    Raises ValueError if Accelerate does not know it or if its package is not installed.
    """
    if not (name := os.environ.get("EVOKE_TRACKER")):
        return None
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

    if name not in LOGGER_TYPE_TO_CLASS:
        raise ValueError(f"EVOKE_TRACKER = {name!r}: allowed are {', '.join(sorted(LOGGER_TYPE_TO_CLASS))}")
    if name not in map(str, get_available_trackers()):
        raise ValueError(f"EVOKE_TRACKER = {name!r}: its package is not installed; run `pip install {name}`")
    return name


def tracker_folder() -> Path:
    """Return the folder for the files of a tracker."""
    return Path(os.environ.get("EVOKE_TRACKER_FOLDER", "runs/tracker"))
