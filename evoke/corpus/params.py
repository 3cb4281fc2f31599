"""Set `corpora` in params.yaml, and every key that follows from it."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

from pipeline.artifacts import CORPUS, MINIATURE, read_shards
from pipeline.emotion_set import EMOTIONS
from pipeline.params import COEMOGEN, Baseline, Made, Params

LAYOUTS = {"emoset": "emoset", "emoart": "wikiart"}  # the drawn data that each corpus may be made of


def with_corpora(values: Mapping[str, Any], names: Iterable[str], labelled: str) -> dict[str, Any]:
    """Return the values of params.yaml that name these corpora, as far as they follow from `names` and `labelled`.

    Methods of corpora that are left out become those of the labelled corpus, and corpora that are new get their own.
    Data are drawn if a corpus is made of them, and the drawn truth is compared if both are. A list of layouts that is
    empty stays so: nothing is drawn at paper scale.
    """
    corpora, layouts = list(dict.fromkeys(names)), values["miniature"]["layouts"]
    drawn = [
        layout
        for corpus, layout in LAYOUTS.items()
        if corpus in corpora and Path(values[corpus]["folder"]) == Path(MINIATURE.of(layout).path) and layouts
    ]
    has_truth = labelled == "emoset" and len(drawn) == len(LAYOUTS)
    baselines = [name for name, field in Params.model_fields.items() if _is_baseline(field.annotation)]
    return {
        "corpora": corpora,
        "corpus": labelled,
        "methods": _methods(values["methods"], [labelled, *corpora], corpora),
        "grids": {"methods": _methods(values["grids"]["methods"], [labelled], corpora), "fused": _fused(values)},
        "miniature": {"layouts": [*drawn, *(layout for layout in layouts if layout not in LAYOUTS.values())]},
        "truth_checks": {"corpora": [*LAYOUTS] if has_truth else []},
        **{name: {"corpora": [name] if name in corpora else []} for name in get_args(Made)},
        **{name: {"corpora": [labelled]} for name in baselines if values[name]["corpora"]},
    }


def without_contents(values: Mapping[str, Any], labelled: str) -> dict[str, Any]:
    """Return the values that follow if the labelled corpus names no scene and no object: feedback without Sem-C.

    Published scene or object judges know their own classes, whatever the corpus names.
    """
    folder = Path(CORPUS.of(labelled).path)
    if not folder.is_dir() or any(values["judges"][key] for key in ("scene_weights", "object_weights")):
        return {}
    rows = read_shards(folder, columns=["scene", "objects"])
    has_names = rows["scene"].null_count < len(rows) or any(rows["objects"].to_pylist())
    return {} if has_names else {"feedback": {"metrics": "emotion"}}


def _fused(values: Mapping[str, Any]) -> list[str]:
    """Return the emotions that the sheets fuse: those of params.yaml if all are in use, else the first ones in use."""
    fused = values["grids"]["fused"]
    return list(fused) if set(fused) <= set(EMOTIONS) else list(EMOTIONS[:3])


def check_made(names: Iterable[str]) -> None:
    """Raise ValueError if one of these corpora is the user's own and was not added yet."""
    for name in names:
        folder = Path(CORPUS.of(name).path)
        if name not in get_args(Made) and not folder.is_dir():
            raise ValueError(f"corpora: there is no {folder}; `evoke corpus add {name} FOLDER` makes it")


def _methods(methods: Iterable[str], added: Iterable[str], corpora: Iterable[str]) -> list[str]:
    """Return methods with those of CoEmoGen on the `added` corpora, in the place of those that are not on `corpora`.

    Where there is no method of CoEmoGen, none is added.
    """
    own, kept = [f"{COEMOGEN}{name}" for name in added], {f"{COEMOGEN}{name}" for name in corpora}
    listed: list[str] = []
    for name in methods:
        listed += [name] if not name.startswith(COEMOGEN) else [*own, *([name] if name in kept else [])]
    return list(dict.fromkeys(listed))


def _is_baseline(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Baseline)
