"""Choose the headline numbers of all metrics, some sixty, so that a comparison of two runs is a page."""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path

from pipeline.artifacts import read_json
from pipeline.report.ours import EMO_A, NAMES, keys_of, preference

Values = Mapping[str, str | float | int | bool | None]
SCORES = ("scores/*", "real_scores")  # files that hold every score
KEPT = {  # patterns of keys by patterns of files; {corpus} is the labelled corpus
    "{corpus}": ("num_images",),
    "caption_filter/*": ("num_kept",),
    "judges": ("accuracy",),
    "feedback": ("kept_frac",),
    "content/*": ("ec_a/clip",),
    "understanding_scores": (
        "{corpus}/uniemo_*/accuracy", "{corpus}/emotion_classifier/accuracy", "{corpus}/clip_zero_shot/accuracy",
        "*/uniemo_feedback/accuracy",
    ),
    **dict.fromkeys(SCORES, tuple(EMO_A.values())),
}  # fmt: skip
SLASHES = {"understanding_scores": 2}  # deeper keys there are parts, such as polarity or a single emotion


def all_metrics(folder: Path) -> dict[str, Values]:
    """Return the metrics of every file in a folder by its path without .json, such as scores/coemogen_emoset."""
    files = sorted(folder.rglob("*.json"))
    return {path.relative_to(folder).with_suffix("").as_posix(): read_json(path) for path in files}


def headlines(metrics: Mapping[str, Values], corpus: str) -> dict[str, float | int]:
    """Return the headline numbers by file and key, such as scores/coemogen_emoset/emo_a/judge.

    `metrics` are the values of metrics/ by file name without .json, `corpus` is the labelled corpus. Files, keys and
    values that are absent are left out. Of FID, LPIPS, Sem-C and Sem-D one measure counts, the nearest to the papers',
    and its name is in the key.
    """
    return {
        f"{name}/{key}": value
        for name, values in metrics.items()
        for key in _kept(name, values, corpus)
        if isinstance(value := values[key], int | float)
    }


def _kept(name: str, values: Values, corpus: str) -> Iterator[str]:
    """Yield the keys of a file that are headlines."""
    kept = {files.format(corpus=corpus): patterns for files, patterns in KEPT.items()}
    patterns = [pattern.format(corpus=corpus) for files in kept if fnmatch(name, files) for pattern in kept[files]]
    slashes = SLASHES.get(name)
    for key in values:
        if any(fnmatch(key, pattern) for pattern in patterns) and slashes in (None, key.count("/")):
            yield key
    if any(fnmatch(name, files) for files in SCORES):
        best = (min(keys_of(metric, values), key=preference, default=None) for metric in NAMES)
        yield from (key for key in best if key is not None)
