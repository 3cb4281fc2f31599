"""Set `corpora` in params.yaml, and every key that follows from it."""

from collections.abc import Iterable, Mapping
from typing import Any, get_args

from pipeline.params import COEMOGEN, Baseline, Made, Params

LAYOUTS = {"emoset": "emoset", "emoart": "wikiart"}  # the drawn data that each corpus is made of


def with_corpora(values: Mapping[str, Any], names: Iterable[str], labelled: str) -> dict[str, Any]:
    """Return the values of params.yaml that name these corpora, as far as they follow from `names` and `labelled`.

    Methods of corpora that are left out become those of the labelled corpus, once, and corpora that are new get their
    own. Drawn data that no corpus is made of are not drawn, and the drawn truth is compared with nothing else. Where
    emoset and emoart come back, so does what they need.
    """
    corpora = list(dict.fromkeys(names))
    whole = labelled == "emoset" and set(corpora) >= {"emoset", "emoart"}
    drawn = list(values["miniature"]["layouts"])
    new = {
        "corpora": corpora,
        "corpus": labelled,
        "methods": _methods(values["methods"], corpora, labelled, adds=True),
        "grids": {"methods": _methods(values["grids"]["methods"], corpora, labelled, adds=False)},
        "truth_checks": {"corpora": [name for name in corpora if name in get_args(Made)] if whole and drawn else []},
    }
    for name in get_args(Made):
        new[name] = {"corpora": [name] if name in corpora else []}
    for name, field in Params.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Baseline) and values[name]["corpora"]:
            new[name] = {"corpora": [labelled]}
    if drawn:
        needed = [layout for corpus, layout in LAYOUTS.items() if corpus in corpora]
        new["miniature"] = {"layouts": [*needed, *(name for name in drawn if name not in LAYOUTS.values())]}
    return new


def _methods(methods: Iterable[str], corpora: list[str], labelled: str, adds: bool) -> list[str]:
    """Return methods with those of CoEmoGen on these corpora in the place of the others, each once."""
    own = [f"{COEMOGEN}{name}" for name in ([labelled, *corpora] if adds else [labelled])]
    listed = [name for name in methods if not name.startswith(COEMOGEN) or name in own]
    first = next((place for place, name in enumerate(methods) if name.startswith(COEMOGEN)), len(listed))
    return [*dict.fromkeys([*listed[:first], *own, *listed[first:]])] if adds or first < len(listed) else listed
