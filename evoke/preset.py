"""Define `evoke preset NAME`, which sets params.yaml to a preset and prints what changed.

presets/NAME.yaml holds values by section and a header `preset`, which says what the values are laid over (`base`: the
defaults, another preset, or params.yaml as it is) and which keys a user keeps (`keeps`). A hub model without a revision
is pinned when the preset is applied: to --revision, else to the pin that is already there, else to the hub's current
commit. Comments of params.yaml are kept.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import click
from pydantic import Field, ValidationError

from evoke import completion
from evoke.params import Change, changed_keys, replace
from evoke.params_text import Comments, descriptions, params_text, read_comments, shown
from pipeline.params import Params, Section, default_values, dotted_keys, parse_params, read_yaml

DEFAULTS, PRESENT = "defaults", "params"  # bases that are no presets
PRESETS = Path("presets")
MINIATURE = "miniature"  # the defaults themselves: it has no file
MISSING = object()


class Header(Section):
    """The header of a preset's file. Without it, the preset is laid over params.yaml as it is."""

    base: Annotated[str, Field(description="defaults, params, or the name of another preset")] = PRESENT
    keeps: Annotated[
        tuple[str, ...],
        Field(strict=False, description="dotted keys that stay if the user has changed them from the default"),
    ] = ()
    num_images: Annotated[
        int | None, Field(ge=1, description="images of the corpus for `evoke plan` while its folder does not exist")
    ] = None


@dataclass(frozen=True)
class Preset:
    """A preset: values by section, whether all other keys get their defaults, and the keys that a user keeps.

    `num_images` is the number of images that it is meant for.
    """

    values: Mapping[str, Any]
    is_whole: bool
    keeps: tuple[str, ...] = ()
    num_images: int | None = None

    def applied_to(self, old: Mapping[str, Any]) -> dict[str, Any]:
        """Return the plain values of params.yaml with this preset, with unknown keys of `old` left as they are."""
        defaults = default_values()
        values = laid_over(old, laid_over(defaults, self.values) if self.is_whole else self.values)
        for key in self.keeps:
            kept = _at(old, key)
            if kept is not None and kept != _at(defaults, key):
                *sections, name = key.split(".")
                _holder(values, sections)[name] = kept
        return values


@click.command()
@click.argument("name", shell_complete=completion.presets)
@click.option("--revision", "revisions", multiple=True, metavar="SECTION=HEX", help="Pin a hub model to a commit.")
def preset(name: str, revisions: tuple[str, ...]) -> None:
    """Set params.yaml to the preset NAME and print the difference key by key.

    \b
    Whole presets set every key:
      miniature      the defaults; keeps nothing
      smoke          the miniature in seconds, for tests; keeps nothing
      paper          the papers' setting, with what fails replaced (docs/PAPER_PRESET.md)
      paper-literal  paper with the papers' own values, including those that fail
      paper-xl       paper on Stable Diffusion XL (UniEmo's Table IV)
      desk           8 x 1,000 photographs, one GPU of 12 to 24 GB, an afternoon
      desk-xl        desk on Stable Diffusion XL, one GPU of 24 GB, a night

    Those of paper and desk keep the seeds, the folders and the caption overrides that you have changed from the
    default, and the pins of the same hub models.

    \b
    Overlays set the keys in their file and keep the rest:
      full           adds the baselines of the papers' tables to the methods
      xl             the miniature in the format of Stable Diffusion XL
      yours          presets/NAME.yaml without a header, or with `preset: {base: params}`
    """
    changes = apply_preset(Path("params.yaml"), load_preset(name), dict(_pair(text) for text in revisions))
    for key, old, new in changes:
        click.echo(f"{key}: {shown(old)} -> {shown(new)}")
    click.echo(f"params.yaml: {len(changes)} value(s) changed to the preset {name}")


def load_preset(name: str, folder: Path = PRESETS, above: tuple[str, ...] = ()) -> Preset:
    """Return the preset of a name, laid over the presets that it is based on.

    `above` are the presets that are based on this one. Raises ValueError, which names the existing presets, if there is
    none with this name.
    """
    if name in above:
        raise ValueError(f"preset.base: the preset {name} is based on itself, by {' and '.join(above)}")
    if name == MINIATURE:
        return Preset({}, is_whole=True)
    path = folder / f"{name}.yaml"
    if not path.is_file():
        presets = ", ".join(sorted({MINIATURE, *(file.stem for file in folder.glob("*.yaml"))}))
        raise ValueError(f"there is no preset {name!r}; the presets are {presets}")
    values = read_yaml(path)
    if not isinstance(values, dict):
        raise ValueError("the preset holds no sections, such as `seed: 0`; take it again from the repository")
    header = _header(values.pop("preset", {}), path)
    if header.base in (DEFAULTS, PRESENT):
        return Preset(values, header.base == DEFAULTS, header.keeps, header.num_images)
    base = load_preset(header.base, folder, (*above, name))
    keeps = (*base.keeps, *header.keeps)
    return Preset(laid_over(base.values, values), base.is_whole, keeps, header.num_images or base.num_images)


def apply_preset(path: Path, preset: Preset, revisions: Mapping[str, str]) -> list[Change]:
    """Set a params file to a preset and return what changed.

    The file is replaced in one rename, once the whole is valid. Raises ParamsError if the result would be invalid; the
    file is then unchanged.
    """
    old = _sections(path)
    values = preset.applied_to(old)
    _pin_hub_models(values, preset.values, old, revisions)
    parse_params(values, f"{path.name} with the preset")
    changes = list(changed_keys(old, values))
    if changes:
        comments = read_comments(path.read_text(encoding="utf-8"))
        beside = {key: text for key, text in descriptions().items() if _at(old, key, MISSING) is MISSING}
        replace(
            path, values, params_text(values, Comments(beside | dict(comments.beside), comments.above, comments.end))
        )
    return changes


def params_with(path: Path, preset: Preset, revision: str) -> Params:
    """Return the params of a file with a preset, writing nothing. Open pins become `revision`."""
    values = preset.applied_to(_sections(path))
    for section in values.values():
        if isinstance(section, dict) and section.get("source") == "hub":
            section["hub_revision"] = section.get("hub_revision") or revision
    return parse_params(values, f"{path.name} with the preset")


def laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of plain values with those of `above` set key by key."""
    values = copy.deepcopy(dict(below))
    for key, value in above.items():
        old = values.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            values[key] = laid_over(old, value)
        else:
            values[key] = copy.deepcopy(value)
    return values


def resolve_revision(hub_id: str) -> str:
    """Return the current commit of a hub model, 40 hex digits.

    Raises ValueError if the hub cannot be reached.
    """
    import huggingface_hub
    from huggingface_hub.errors import HTTPError  # a broken connection is not an OSError

    try:
        return str(huggingface_hub.HfApi().model_info(hub_id).sha)
    except (OSError, ValueError, HTTPError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"cannot ask the hub for the present commit of {hub_id} ({reason})") from None


def _header(values: Any, path: Path) -> Header:
    """Return a checked header. Raises ValueError with one line."""
    try:
        header = Header.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(["preset", *map(str, first["loc"])])
        raise ValueError(f"{path}: {key}: {first['msg']}; allowed are base, keeps and num_images") from None
    unknown = [key for key in header.keeps if key not in set(dotted_keys())]
    if unknown:
        raise ValueError(f"{path}: preset.keeps: {', '.join(unknown)}: no such key in params.yaml")
    return header


def _sections(path: Path) -> dict[str, Any]:
    values = read_yaml(path)
    if not isinstance(values, dict):
        raise ValueError(f"{path.name} holds no sections, such as `seed: 0`; take it again from the repository")
    return values


def _at(values: Any, key: str, missing: Any = None) -> Any:
    """Return the value of a dotted key, or `missing`."""
    for name in key.split("."):
        if not isinstance(values, Mapping) or name not in values:
            return missing
        values = values[name]
    return values


def _holder(values: dict[str, Any], sections: list[str]) -> dict[str, Any]:
    for name in sections:
        values = values[name]
    return values


def _pin_hub_models(
    values: dict[str, Any], preset: Mapping[str, Any], old: Mapping[str, Any], revisions: Mapping[str, str]
) -> None:
    """Fill in, in place, the revisions that a preset leaves open."""
    open_sections = [
        name for name in values if _at(preset, f"{name}.source") == "hub" and _at(preset, f"{name}.hub_id")
    ]
    for name in revisions:
        if name not in open_sections:
            raise ValueError(
                f"--revision {name}: no hub model of this preset; they are {', '.join(open_sections) or 'none'}"
            )
    for name in open_sections:
        hub_id = values[name]["hub_id"]
        pinned = _at(old, f"{name}.hub_revision") if _at(old, f"{name}.hub_id") == hub_id else None
        try:
            values[name]["hub_revision"] = revisions.get(name) or pinned or resolve_revision(hub_id)
        except ValueError as error:
            raise ValueError(f"{error}; give it by --revision {name}=<40 hex digits>") from None


def _pair(text: str) -> tuple[str, str]:
    section, equals, revision = text.partition("=")
    if not equals:
        raise ValueError(f"--revision {text}: wanted SECTION=HEX, such as foundation_clip=<40 hex digits>")
    return section, revision
