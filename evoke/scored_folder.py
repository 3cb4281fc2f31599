"""Judge images in a folder with one subfolder per emotion; every image that is dropped has a recorded reason."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from PIL import Image

from evoke.png import SHEET, is_sheet
from pipeline.corpora.curate import batches
from pipeline.corpora.folder import File, Files, is_system_name, plan
from pipeline.corpora.images import read_image
from pipeline.corpora.pack import describe_rejects, reject_table
from pipeline.corpora.picture import Picture
from pipeline.corpora.records import Reason, Reject, shown
from pipeline.emotion_set import EMOTIONS
from pipeline.emotion_words import allowed
from pipeline.metrics.judgement import Bench, Take, as_found, judged_pictures
from pipeline.metrics.real import Content, GeneratorOf, Real, references_of
from pipeline.metrics.result import Protocol
from pipeline.metrics.summary import Flat, Yardstick, method_metrics, real_metrics
from pipeline.runtime import progress

UNIT = 1000  # files planned at the same time
JPEG = b"\xff\xd8\xff"


@dataclass(frozen=True)
class EmotionFolder:
    """The image files of a folder by emotion, the files that lie in no subfolder, and the paths of contact sheets."""

    folder: Path
    files: tuple[File, ...]
    strays: tuple[File, ...]
    follow_links: bool = False
    sheets: tuple[str, ...] = ()

    @property
    def emotions(self) -> list[str]:
        """Return the emotions that have a subfolder, in the order of EMOTIONS."""
        present = {emotion_of(file) for file in self.files}
        return [emotion for emotion in EMOTIONS if emotion in present]

    def outcomes(self, files: Sequence[File]) -> Iterator[Picture | Reject]:
        """Yield one image or reject for each of these files of the folder, in order."""
        return Files(self.folder, tuple(files), self.follow_links).read()


@dataclass(frozen=True)
class JudgedFolder:
    """Results of judging a folder.

    Scores of the readable images by image_id; rejects; the SHA-256 of each file read; and `take`, which reads images
    again.
    """

    scores: pa.Table
    rejects: pa.Table
    hashes: Sequence[str]
    take: Take


@dataclass(frozen=True)
class FolderScores:
    """Flat metrics of a folder, with its reject counts by reason, and the rejects of both folders.

    `scores` has one row for each image of the folder.
    """

    scores: pa.Table
    figures: Flat
    rejects: pa.Table
    real_rejects: pa.Table


def plan_emotions(folder: Path, follow_links: bool = False) -> EmotionFolder:
    """List the files of a folder without opening any image except contact sheets, which `evoke generate` writes.

    `follow_links` is that of `pipeline.corpora.folder.plan`. Raises ValueError if there are no subfolders, or if one is
    not an emotion or has no images.
    """
    files = [file for unit in plan(folder, folder.resolve().name, UNIT, follow_links) for file in unit.files]
    names = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not is_system_name(entry.name))
    if not names:
        raise ValueError(f"{folder} has no subfolders; expected one per emotion, such as {folder / 'awe'}")
    for name in names:
        if name not in EMOTIONS:
            raise ValueError(f"{folder / name} is not named after an emotion; {allowed(name, EMOTIONS)}")
    sheets = {
        file.path for file in files if file.path.endswith(SHEET) and not file.reject and is_sheet(folder / file.path)
    }
    files = [file for file in files if file.path not in sheets]
    inside, strays = (tuple(file for file in files if ("/" in file.path) == is_in) for is_in in (True, False))
    planned = EmotionFolder(folder, inside, strays, follow_links, tuple(sorted(sheets)))
    if empty := [name for name in names if name not in planned.emotions]:
        links = {file.path: file.reject.detail for file in planned.strays if file.reject}
        why = links.get(empty[0], "add images or remove the folder")
        raise ValueError(f"{folder / empty[0]} has no images; {why}")
    return planned


def judge_folder(planned: EmotionFolder, bench: Bench, batch_size: int, generated: bool) -> JudgedFolder:
    """Judge the planned files in one pass. Raises ValueError if none can be read."""
    rejects = [_stray(file) for file in planned.strays]
    files = {file.path: file for file in planned.files}
    parts, read, hashes = [], [], []
    for batch in batches(_pictures(planned, rejects), batch_size):
        own = [files[str(picture.path)] for picture in batch]
        rows = pa.table({"image_id": [file.image_id for file in own], "emotion": [emotion_of(file) for file in own]})
        on_disk = [_on_disk(picture, "emogen", generated) for picture in batch]
        parts.append(judged_pictures(rows, [picture.pixels for picture in batch], on_disk, bench))
        read += own
        hashes += [hashlib.sha256(picture.image_bytes).hexdigest() for picture in batch]
    table = reject_table(rejects)
    if not parts:
        raise ValueError(f"{planned.folder}: none of {len(rejects)} images can be read: {describe_rejects(table)}")

    def take(rows: Sequence[int], protocol: Protocol) -> list[Image.Image]:
        outcomes = planned.outcomes([read[row] for row in rows])
        return [_on_disk(_unchanged(outcome, planned.folder), protocol, generated) for outcome in outcomes]

    return JudgedFolder(pa.concat_tables(parts), table, hashes, take)


def folder_metrics(
    folders: Sequence[EmotionFolder], real: EmotionFolder, bench: Bench, yardstick: Yardstick,
    weights: Mapping[str, str], generator_of: GeneratorOf,
) -> list[FolderScores]:  # fmt: skip
    """Return the metrics of each folder as for a method; all real images form the reference, which is judged once.

    `weights` holds the hashes of the backbones' weights, which are part of the reference key.
    """
    batch_size = yardstick.settings.batch_size
    judged = [judge_folder(images, bench, batch_size, True) for images in folders]
    truth = judge_folder(real, bench, batch_size, False)
    content = Content(truth.hashes, truth.hashes, weights)
    references = references_of(truth.scores, lambda: (), yardstick.names, content)
    beside = real_metrics(truth.scores, truth.take, yardstick, references, generator_of)
    reference = Real(references, yardstick.plausibility, truth.scores.select, beside)
    real_counts = {"real/n": len(truth.scores), **reject_counts(truth.rejects, "real/")}
    folder_scores = []
    for own in judged:
        metrics = method_metrics(own.scores, own.take, yardstick, reference, generator_of)
        figures = metrics | reject_counts(own.rejects) | real_counts
        folder_scores.append(FolderScores(own.scores, figures, own.rejects, truth.rejects))
    return folder_scores


def emotion_of(file: File) -> str:
    """Return the name of the top-level subfolder that contains the file."""
    return file.path.split("/")[0]


def reject_counts(rejects: pa.Table, prefix: str = "") -> dict[str, int]:
    """Return the number of rejects, and rejects/<reason>, as flat metrics."""
    counts = Counter(rejects["reason"].to_pylist())
    reasons = {f"{prefix}rejects/{reason}": number for reason, number in sorted(counts.items())}
    return {f"{prefix}rejects": len(rejects)} | reasons


def _pictures(planned: EmotionFolder, rejects: list[Reject]) -> Iterator[Picture]:
    """Yield the images in order and append files that cannot be read to `rejects`."""
    for outcome in progress(planned.outcomes(planned.files), len(planned.files), planned.folder.name):
        if isinstance(outcome, Reject):
            rejects.append(outcome)
        else:
            yield outcome


def _unchanged(outcome: Picture | Reject, folder: Path) -> Picture:
    """Return an image that has been read again. Raises ValueError if it can no longer be read."""
    if isinstance(outcome, Reject):
        raise ValueError(
            f"{folder}: {outcome.image_id_or_path} changed while the folder was scored ({outcome.detail}); run again"
        )
    return outcome


def _on_disk(picture: Picture, protocol: Protocol, generated: bool) -> Image.Image:
    """Return an image as a protocol finds it.

    A generated image that is a JPEG file already counts as stored.
    """
    if protocol != "emogen":
        return picture.pixels
    stored = picture.image_bytes.startswith(JPEG)
    return as_found(protocol, generated and not stored, read_image(picture.image_bytes))


def _stray(file: File) -> Reject:
    return file.reject or Reject(
        file.image_id, Reason.unknown_emotion, f"{shown(file.path)}: not in the subfolder of an emotion"
    )
