"""Define `evoke score FOLDER --reference FOLDER`, which scores any images with this project's judges.

Scores are computed under the protocols clean and emogen, and under clean-fid if params.yaml names it. The table says
for which figures none of the papers' networks was used; such a figure is never comparable with theirs.
"""

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evoke.classifier import HUB, Classifier, choose, classifier_option, clip_option, existing
from evoke.drawn import NUM_CHECKED, check_drawn, is_miniature, miniature_option
from pipeline.emotion_set import EMOTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa

    from evoke.scored_folder import EmotionFolder, FolderScores
    from pipeline.metrics.judgement import ModelFiles
    from pipeline.metrics.result import Protocol
    from pipeline.metrics.summary import Flat
    from pipeline.params import Scores

PARAMS = Path("params.yaml")
FOLDER, FILE = click.Path(path_type=Path), click.Path(path_type=Path, dir_okay=False)
PROTOCOLS: "tuple[Protocol, ...]" = ("clean", "emogen")
TITLES = {
    "emo_a": "Emo-A", "fid": "FID", "lpips": "LPIPS", "feature_distance": "distance, not LPIPS", "sem_c": "Sem-C",
    "sem_d_cosine": "Sem-D, 1 - cosine", "sem_d_mse": "Sem-D, MSE", "coherence": "coherence",
}  # fmt: skip
EMO_A = {
    "classifier": "Emo-A by the classifier",
    "judge": "Emo-A by the judge",
    "gap": "gap between the two (overfitting)",
}
IN_SAMPLE = (
    "The pipeline's own judges were trained on EmoSet's train split. If the reference holds images of it, as "
    "data/miniature/emoset/image does, real Emo-A, Sem-C and the gap are in-sample."
)
IN_PAPERS = ("fid", "lpips", "feature_distance", "sem_c", "sem_d_mse")


@click.command()
@click.argument("folder", type=FOLDER)
@click.option(
    "--reference", required=True, type=FOLDER, metavar="FOLDER", help="Folder of real images in the same layout."
)
@click.option("--against", type=FOLDER, metavar="FOLDER", help="Another folder of images, to compare FOLDER with.")
@click.option("--json", "out", type=FILE, metavar="FILE", help="Write every figure to this file as flat JSON.")
@clip_option
@classifier_option
@click.option("--judges", type=FOLDER, help="A folder with the judges on pixels.  [models/judges]")
@click.option(
    "--plausibility",
    type=FILE,
    help="Co-occurrence table for coherence.  [from the stage real_scores; without it no coherence]",
)
@click.option("--num-pairs", type=click.IntRange(min=1), help="Pairs of images per emotion, for LPIPS and Sem-D.")
@click.option("--batch-size", type=click.IntRange(1, 65536), help="Images per forward pass.")
@click.option("--follow-links", is_flag=True, help="Follow links out of both folders, to any file or folder.")
@miniature_option
def score(
    folder: Path, reference: Path, against: Path | None, out: Path | None, clip: str | None, classifier: Path | None,
    judges: Path | None, plausibility: Path | None, follow_links: bool, miniature: bool, **options: Any,
) -> None:  # fmt: skip
    """Score the images of FOLDER, which has one subfolder for each emotion, against those of --reference.

    \b
    evoke score images --reference data/miniature/emoset/image
    evoke score images --reference real --json scores.json
    evoke score mine --against theirs --reference real

    Computes Emo-A by two judges and the gap between them, FID, LPIPS, Sem-C, Sem-D and coherence under the protocols
    clean (FID of center crops, which the package clean-fid would squash) and emogen (as published, defects included),
    with 95 % intervals and the value of the real images beside. Files that are not whole images are counted by reason,
    and each is named with its reason on standard error. Options that are not given are taken from scores in
    params.yaml. If the judges were trained on the reference, as the pipeline's own judges were on the train split of
    data/miniature/emoset, real Emo-A and the gap are in-sample.

    --against scores a second folder in the same way and adds the difference of each figure with its interval and a
    verdict: higher, lower or unresolved, by the statistics of the experiments. If all images of the two folders have
    the same names, they are compared in pairs. How much another training would differ is not in the interval.
    """
    from evoke.against import differences, flat_differences
    from evoke.against import lines as difference_lines
    from evoke.scored_folder import plan_emotions
    from pipeline.artifacts import JUDGES, write_json

    models, panel = choose(clip, classifier), existing(judges or Path(JUDGES.path), "judges")
    settings, name, seed = _settings({key: value for key, value in options.items() if value is not None}, clip)
    folders = [folder, *([against] if against else [])]
    *images, real = (plan_emotions(path, follow_links) for path in (*folders, reference))
    for planned in (*images, real):
        for sheet in planned.sheets:
            click.echo(f"{planned.folder / sheet}: a contact sheet, left out", err=True)
    _check_emotions(images, real)
    for each in images:
        _check_drawn(each, models, judges, miniature)
    with _files(models, panel) as files:
        scored = _scored(images, real, files, settings, name, seed, plausibility)
    figures: Flat = {"seed": seed, **scored[0].figures}
    compared = differences(*(one.scores for one in scored), *(one.figures for one in scored)) if against else {}
    if out:
        write_json(out, figures | flat_differences(compared))
    for path, one in zip(folders, scored, strict=True):
        _name_refused(path, one.rejects)
    _name_refused(reference, scored[0].real_rejects)
    lines = [line for path, one in zip(folders, scored, strict=True) for line in _counts(path, one.figures)]
    lines += [*_counts(reference, figures, "real/"), *_overall(figures), *_by_emotion(figures)]
    lines += difference_lines(compared, dict(_figures(figures)), figures, scored[1].figures) if against else ()
    lines += _notes(figures)
    if models.news:
        lines.append(models.news)
    click.echo("\n".join(lines if (clip or classifier) and judges else [*lines, IN_SAMPLE]))


@contextmanager
def _files(models: Classifier, judges: Path) -> "Iterator[ModelFiles]":
    """Yield the folders of all models; a zero-shot head lies in a folder that is removed at the end."""
    from tempfile import TemporaryDirectory

    from pipeline.artifacts import PRETRAINED
    from pipeline.judges.head import save_head
    from pipeline.metrics.judgement import ModelFiles

    with TemporaryDirectory() as scratch:
        if models.head is None:
            save_head(models.load()[1].cpu(), Path(scratch), {})
        yield ModelFiles(models.clip, models.head or Path(scratch), judges, Path(PRETRAINED.path))


def _check_drawn(images: "EmotionFolder", models: Classifier, judges: Path | None, asked: bool) -> None:
    """Raise ValueError if CLIP or the judges are the miniature's and an image is not drawn, unless it was asked for."""
    from pipeline.artifacts import FOUNDATION_CLIP, JUDGES
    from pipeline.corpora.records import Reject

    outcomes = images.outcomes(images.files[:NUM_CHECKED])
    sizes = ((str(one.path), one.pixels.size) for one in outcomes if not isinstance(one, Reject))
    own = Path(FOUNDATION_CLIP.path)
    if is_miniature(models.clip):
        check_drawn(sizes, models.clip, "--clip and --judges", asked)
    elif judges is None and own.is_dir() and is_miniature(own):
        check_drawn(sizes, Path(JUDGES.path), "--judges", asked)


def _settings(options: "Mapping[str, Any]", clip: str | None) -> "tuple[Scores, str | None, int]":
    """Return the scores settings with the given values, the name of the CLIP, and the seed."""
    from pipeline.metrics.result import clip_name
    from pipeline.params import Scores, load_params

    settings, name, seed = Scores(
        batch_size=32, num_pairs=100, protocols=PROTOCOLS, inception_weights=None, alexnet_weights=None,
        lpips_heads=None, perceptual_px=64,
    ), None, 0  # fmt: skip
    if PARAMS.exists():
        params = load_params(PARAMS)
        settings, name, seed = params.scores, clip_name(params.foundation_clip), params.seed
    if clip:
        hub = HUB.fullmatch(clip)
        name = hub[1] if hub else f"clip_{Path(clip).absolute().name}"
    protocols = tuple(dict.fromkeys((*PROTOCOLS, *settings.protocols)))
    return settings.model_copy(update={**options, "protocols": protocols}), name, seed


def _check_emotions(images: "Sequence[EmotionFolder]", real: "EmotionFolder") -> None:
    """Raise ValueError if the reference, or one of two folders, lacks an emotion that another folder has."""
    for folder in images:
        for other in (real, *images):
            if missing := [emotion for emotion in folder.emotions if emotion not in other.emotions]:
                raise ValueError(
                    f"{other.folder} has no subfolder {', '.join(missing)}, but {folder.folder} has; "
                    "add or remove these subfolders"
                )


def _scored(
    images: "Sequence[EmotionFolder]", real: "EmotionFolder", files: "ModelFiles", settings: "Scores", name: str | None,
    seed: int, plausibility: Path | None,
) -> "list[FolderScores]":  # fmt: skip
    from functools import partial

    from evoke.scored_folder import folder_metrics
    from pipeline.artifacts import REAL_REFERENCE
    from pipeline.metrics.judgement import load_bench
    from pipeline.metrics.real import PLAUSIBILITY, load_plausibility
    from pipeline.metrics.summary import yardstick_of
    from pipeline.runtime import device, numpy_generator

    default = Path(REAL_REFERENCE.path) / PLAUSIBILITY
    file = plausibility or (default if default.exists() else None)
    bench = load_bench(files, settings, device())
    yardstick = yardstick_of(bench, settings, files.pretrained, name, load_plausibility(file) if file else None)
    weights = files.hashes(settings.inception_weights)
    return folder_metrics(images, real, bench, yardstick, weights, partial(numpy_generator, seed, "score"))


def _name_refused(folder: Path, rejects: "pa.Table") -> None:
    """Write one line per refused file to standard error; the detail of a reject begins with the path of its file."""
    for row in rejects.to_pylist():
        click.echo(f"{folder}: {row['reason']}: {row['detail']}", err=True)


def _counts(path: Path, figures: "Flat", prefix: str = "") -> "Iterator[str]":
    """Yield a line with the number of images of a folder and, if there are rejects, one with their reasons.

    prefix: "real/" for the reference.
    """
    yield f"{path}: {figures[f'{prefix}n']} {'real images, the reference' if prefix else 'images'}"
    if figures[f"{prefix}rejects"]:
        start = f"{prefix}rejects/"
        reasons = [f"{figures[key]} {key.removeprefix(start)}" for key in figures if key.startswith(start)]
        yield f"  rejected: {', '.join(reasons)}"


def _overall(figures: "Flat") -> "Iterator[str]":
    """Yield one line per figure: value, interval, value of the real images, and n."""
    yield f"\n{'overall':<44}{'value':>10}{'95 % interval':>24}{'real':>10}{'n':>7}"
    for key, title in _figures(figures):
        ends = [_number(figures[f"{key}/{end}"]) for end in ("low", "high")]
        interval = "-" if "-" in ends else " to ".join(ends)
        real, n = _number(figures.get(f"real/{key}")), figures[f"{key}/n"]
        yield f"{title:<44}{_number(figures[key]):>10}{interval:>24}{real:>10}{n:>7}"


def _by_emotion(figures: "Flat") -> "Iterator[str]":
    """Yield two lines per figure, the second for the real images, with one column per emotion.

    A dash stands for a value that could not be computed from too few images or none.
    """
    widths = {emotion: max(len(emotion), 9) + 2 for emotion in EMOTIONS}
    yield f"\n{'by emotion':<44}" + "".join(f"{emotion:>{width}}" for emotion, width in widths.items())
    for key, title in _figures(figures):
        for start, prefix in ((title, ""), ("  real", "real/")):
            values = {emotion: _number(figures.get(f"{prefix}{key}/{emotion}")) for emotion in EMOTIONS}
            yield f"{start:<44}" + "".join(f"{values[emotion]:>{width}}" for emotion, width in widths.items())


def _notes(figures: "Flat") -> "Iterator[str]":
    """Yield lines that say which figures are comparable with the papers' and which come from other networks."""
    comparable = [key for key, _ in _figures(figures) if figures.get(f"{key}/as_published")]
    measured = dict.fromkeys(tuple(key.split("/")[:2]) for key, _ in _figures(figures))
    trusted = {tuple(key.split("/")[:2]) for key in comparable}
    others = [
        f"{TITLES[name]} ({backbone})"
        for name, backbone in measured
        if name in IN_PAPERS and (name, backbone) not in trusted
    ]
    notes = [f"{key}, if --reference is all of EmoSet" if key.startswith("fid/") else key for key in comparable]
    yield f"\nComputed with the papers' own backbone and protocol: {'; '.join(notes) or 'none'}."
    yield f"Other backbones than the papers', so not comparable with their numbers: {', '.join(['Emo-A', *others])}."


def _figures(figures: "Flat") -> "Iterator[tuple[str, str]]":
    """Yield the keys and titles of the overall figures: Emo-A first, then the others by protocol."""
    for judge, title in EMO_A.items():
        yield f"emo_a/{judge}", title
    keys = [key.split("/") for key in figures if key.endswith("/as_published") and not key.startswith("real/")]
    order = list(TITLES)
    for name, backbone, protocol, _ in sorted(keys, key=lambda parts: (parts[2], order.index(parts[0]), parts[1])):
        yield f"{name}/{backbone}/{protocol}", f"{TITLES[name]} ({backbone}, {protocol})"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
