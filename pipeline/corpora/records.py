"""Define what every corpus reader yields: a `Record` for an intact, labelled image, else a `Reject` with its reason.

No reader drops a row silently: each row of a dataset's own list yields exactly one of the two.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Self

from pipeline.emotion_set import Emotion, Polarity

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
TrainingSplits = Literal["train", "all"]
KEPT, UNSURE, RARE = "kept", "unsure", "rare_emotion"  # the verdicts of a curation on readable images


class Reason(StrEnum):
    """The reason why an image is not in the corpus. Rejects and metrics hold the value; `doc` explains it to people."""

    doc: str

    def __new__(cls, value: str, doc: str = "") -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.doc = doc
        return member

    missing_image = "missing_image", "the image file named by the row does not exist"
    unreadable_image = "unreadable_image", "the image has a valid signature but cannot be decoded"
    truncated_image = "truncated_image", "the image file ends before its last pixel"
    decompression_bomb = "decompression_bomb", "the image would decode to more pixels or passes than the limit"
    unsupported_format = "unsupported_format", "the content of the file is of no image format that is read"
    empty_file = "empty_file", "the file has no bytes"
    file_too_large = "file_too_large", "the file is larger than the limit for its kind"
    unreadable_file = "unreadable_file", "the file is not a regular file or cannot be opened"
    missing_annotation = "missing_annotation", "the annotation file named by the row does not exist"
    malformed_annotation = "malformed_annotation", "the annotation is not a JSON object of the expected structure"
    non_finite_value = "non_finite_value", "the annotation contains NaN or infinity"
    value_out_of_range = "value_out_of_range", "brightness or colorfulness is outside [0, 1]"
    unknown_emotion = "unknown_emotion", "the emotion is not one of the eight"
    emotion_mismatch = "emotion_mismatch", "the annotation and the row give different emotions"
    duplicate_id = "duplicate_id", "an earlier row has the same image_id"
    path_outside_folder = "path_outside_folder", "the path leads outside the dataset's folder"
    malformed_path = "malformed_path", "the path is empty or too long, or contains a backslash or a control character"
    malformed_row = "malformed_row", "the number or type of the row's columns differs from the layout"
    null_image = "null_image", "the row of the table has no image"
    unknown_class_label = "unknown_class_label", "artist, genre or style is a number without a name, or not a name"
    extreme_shape = "extreme_shape", "the image is too long and narrow for a model with square input"
    duplicate_image = "duplicate_image", "an earlier image has the same bytes"


class RejectedError(ValueError):
    """The error raised inside a reader for one image. The reader turns it into a `Reject` and continues."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Reject:
    """One image that is not in the corpus, by its image_id, or by the place of its row if it can have no image_id."""

    image_id_or_path: str
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Record:
    """One checked image with its emotion and attributes.

    image_bytes are the unchanged bytes of the file. width and height are in pixels after EXIF orientation, as `to_rgb`
    returns the image. path is relative to the dataset's folder. brightness and colorfulness are in [0, 1]. Attribute
    names are in snake_case.
    """

    image_id: str
    image_bytes: bytes
    path: str
    emotion: Emotion
    polarity: Polarity | None
    split: Split
    width: int
    height: int
    sha256: str
    brightness: float | None
    colorfulness: float | None
    scene: str | None
    objects: tuple[str, ...]
    facial_expression: str | None
    human_action: str | None


def shown(text: str, limit: int = 120) -> str:
    """Return untrusted text for a message or a table: quoted, printable, valid UTF-8, cut at `limit` characters."""
    quoted = repr(text)
    return quoted if len(quoted) <= limit else f"{quoted[:limit]}... ({len(text)} characters)"
