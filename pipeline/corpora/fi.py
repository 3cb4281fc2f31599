"""Plan FI (You et al. 2016): emotion_dataset/<emotion>/*.jpg, Mikels' eight emotions, no official split (REFERENCE D).

The published list has 23,308 images. Dead links leave fewer (UniEmo: 22,683), so every image that is present is used.
"""

from pathlib import Path

from pipeline.corpora.classes import CLASSES
from pipeline.corpora.labelled import LabelledFile, from_folders


def plan(folder: Path) -> list[LabelledFile]:
    """Return every image, sorted by image_id fi/<emotion>/<name>. Raises ValueError if there is none."""
    return from_folders(folder, "emotion_dataset", "fi", CLASSES["fi"].names)
