"""FI (You et al. 2016): emotion_dataset/<emotion>/*.jpg, Mikels' eight emotions, no official split (REFERENCE D).

The published list has 23,308 pictures; dead links leave fewer (UniEmo: 22,683), so every picture that is there counts.
"""

from pathlib import Path

from pipeline.corpora.classes import CLASSES
from pipeline.corpora.labelled import LabelledFile, from_folders


def plan(folder: Path) -> list[LabelledFile]:
    """Every picture by image_id, fi/<emotion>/<name>. ValueError where there is none."""
    return from_folders(folder, "emotion_dataset", "fi", CLASSES["fi"].names)
