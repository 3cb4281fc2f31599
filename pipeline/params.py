"""params.yaml as one frozen, strict class per section: what a stage may be told, with range, unit and source.

The names are those of the stages; nothing here knows a path, a device or a model. What cannot change a result (device,
workers, threads, engine) is runtime and stands in the environment as EVOKE_*. Plumbing: no dependency of any stage.
"""

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.captions.prompts import Variant
from pipeline.foundation.recipes import CaptionerRecipe, ClipRecipe, DiffusionRecipe

Layout = Literal["emoset", "wikiart"]
Corpus = Literal["emoset"]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
BatchSize = Annotated[int, Field(ge=1, le=65536, description="images or texts in one forward pass; changes low bits")]
REVISION = r"^[0-9a-f]{40}$"


class ParamsError(ValueError):
    """params.yaml is wrong: one problem a line, each with the dotted key, the value and what is allowed."""


class Section(BaseModel):
    """A part of params.yaml: unknown keys are refused, values are never converted, objects never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Miniature(Section):
    """The drawn world (SCIENCE 1). `seed` draws it and is apart from the seed of everything else."""

    layouts: Annotated[tuple[Layout, ...], Field(strict=False, description="data sets to draw; none at paper scale")]
    seed: Annotated[Seed, Field(description="seed of the world: which pictures are drawn")]
    num_emoset: Annotated[Count, Field(description="images of the drawn EmoSet, 80/5/15 % train/val/test")]
    num_wikiart: Annotated[Count, Field(description="pictures of the drawn WikiArt")]
    polarity_share: Annotated[
        Fraction, Field(description="share of the brightness and colour signal carried by the polarity (SCIENCE 1.3)")
    ]

    @model_validator(mode="after")
    def _layouts_are_distinct(self) -> Self:
        _check_distinct("layouts", self.layouts)
        return self


class Foundation(Section):
    """Where a foundation model comes from: the project's own weights, its own training, or a model hub."""

    source: Annotated[Literal["bundled", "train", "hub"], Field(description="models/miniature, recipe, or hub_id")]
    hub_id: Annotated[str | None, Field(min_length=1, description="owner/name on the hub; null unless source is hub")]
    hub_revision: Annotated[
        str | None, Field(pattern=REVISION, description="commit of 40 hex digits; null unless source is hub")
    ]

    @model_validator(mode="after")
    def _hub_needs_a_pinned_model(self) -> Self:
        for name, value in (("hub_id", self.hub_id), ("hub_revision", self.hub_revision)):
            if (value is not None) != (self.source == "hub"):
                wanted = "must be given" if self.source == "hub" else "must be null"
                raise ValueError(f"{name} = {value!r}: {wanted} when source is {self.source}")
        return self


class FoundationClip(Foundation):
    """The CLIP that every feature, similarity and text condition comes from (papers: ViT-L/14)."""

    recipe: ClipRecipe


class FoundationDiffusion(Foundation):
    """The latent diffusion model that is taught emotions (papers: Stable Diffusion 1.5)."""

    recipe: DiffusionRecipe


class FoundationCaptioner(Foundation):
    """The image-text-to-text model that writes captions (CoEmoGen: LLaVA-NeXT)."""

    recipe: CaptionerRecipe


class Emoset(Section):
    """An EmoSet folder in the official layout, packed into shards."""

    folder: Annotated[str, Field(min_length=1, description="folder with info.json, image/ and annotation/")]
    shard_images: Annotated[int, Field(ge=1, le=100_000, description="images of one shard, at most")]
    max_shard_mb: Annotated[int, Field(ge=1, le=256, description="size of one shard in MB, at most")]
    max_reject_frac: Annotated[Fraction, Field(description="rejected share of the images above which the stage fails")]


class Features(Section):
    """CLIP image features, one vector v per image."""

    batch_size: BatchSize


class Captions(Section):
    """One caption per image that says what triggers its emotion (CoEmoGen 3.1)."""

    variant: Annotated[
        Variant,
        Field(description="prompt of the captioner (CoEmoGen Table 2a; the paper's choice is emotion)"),
    ]
    batch_size: BatchSize
    max_new_tokens: Annotated[int, Field(ge=1, le=1024, description="length of a caption, in the captioner's tokens")]
    override: Annotated[
        str,
        Field(min_length=1, description="CSV of image_id, caption in place of written ones; at least its header"),
    ]


class CaptionFeatures(Section):
    """Captions in CLIP's joint space."""

    batch_size: BatchSize


class CaptionFilter(Section):
    """Drops the captions that fit their image worst, within each emotion (CoEmoGen 3.1)."""

    drop_fraction: Annotated[float, Field(ge=0.0, lt=1.0, description="share dropped per emotion (CoEmoGen: 0.2)")]


class TruthChecks(Section):
    """What was made against what was drawn; of the miniature alone."""

    corpora: Annotated[tuple[Corpus, ...], Field(strict=False, description="drawn corpora; none at paper scale")]

    @model_validator(mode="after")
    def _corpora_are_distinct(self) -> Self:
        _check_distinct("corpora", self.corpora)
        return self


class Params(Section):
    """The whole of params.yaml."""

    seed: Annotated[Seed, Field(description="seed of everything but the drawn world and bundled weights")]
    corpora: Annotated[
        tuple[Corpus, ...], Field(strict=False, min_length=1, description="corpora to caption and filter")
    ]
    miniature: Miniature
    foundation_clip: FoundationClip
    foundation_diffusion: FoundationDiffusion
    foundation_captioner: FoundationCaptioner
    emoset: Emoset
    features: Features
    captions: Captions
    caption_features: CaptionFeatures
    caption_filter: CaptionFilter
    truth_checks: TruthChecks

    @model_validator(mode="after")
    def _truth_is_drawn(self) -> Self:
        _check_distinct("corpora", self.corpora)
        for corpus in self.truth_checks.corpora:
            if corpus not in self.corpora:
                raise ValueError(f"truth_checks.corpora: {corpus} is not one of corpora ({', '.join(self.corpora)})")
            if corpus not in self.miniature.layouts:
                raise ValueError(
                    f"truth_checks.corpora: {corpus} is not drawn; add it to miniature.layouts or remove it"
                )
        drawn = Path("data/miniature") / "emoset"
        if Path(self.emoset.folder) == drawn and "emoset" not in self.miniature.layouts:
            raise ValueError(
                f"emoset.folder = {self.emoset.folder!r}: nothing draws it; add emoset to miniature.layouts"
            )
        return self


def load_params(path: Path) -> Params:
    """The params of a YAML 1.2 file, as DVC reads it. Raises ParamsError that lists every problem."""
    return parse_params(read_yaml(path), path.name)


def read_yaml(path: Path) -> Any:
    """The plain values of a YAML 1.2 file. Raises ParamsError where there is none or it is no YAML."""
    try:
        return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(f"{path}: there is no such file; run this from the root of the repository") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path}: this is not YAML: {' '.join(str(error).split())}") from None


def parse_params(values: Any, name: str = "params.yaml") -> Params:
    """Checks plain values as a whole. Raises ParamsError that lists every problem, one a line."""
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        problems = [_problem(detail) for detail in error.errors(include_url=False)]
        raise ParamsError(
            "\n".join([f"{name}: {len(problems)} problem(s)", *(f"  {line}" for line in problems)])
        ) from None


def dotted_keys(model: type[BaseModel] = Params, prefix: str = "") -> Iterator[str]:
    """Every key of params.yaml in dotted form, sections before what they hold."""
    for name, field in model.model_fields.items():
        yield prefix + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from dotted_keys(field.annotation, f"{prefix}{name}.")


def _check_distinct(key: str, values: tuple[str, ...]) -> None:
    if len(set(values)) < len(values):
        raise ValueError(f"{key} = {list(values)}: each name at most once")


def _problem(detail: Any) -> str:
    """One pydantic error as a line: dotted key = value: what is allowed."""
    key = ".".join(str(part) for part in detail["loc"]) or "params.yaml"
    names = [part for part in detail["loc"] if isinstance(part, str)]
    if detail["type"] == "missing":
        return f"{key}: missing; allowed is {allowed(names)}"
    if detail["type"] == "extra_forbidden":
        known = list(_schema_of(names[:-1])["properties"])
        nearest = difflib.get_close_matches(str(names[-1]), known, 1, 0.0)
        return f"{key}: unknown key; the nearest right name is {'.'.join([*names[:-1], *nearest])}"
    if detail["type"] == "value_error":
        prefix = f"{'.'.join(names)}." if names else ""
        return f"{prefix}{detail['ctx']['error']}"
    return f"{key} = {detail['input']!r}: allowed is {allowed(names)}{_hint(detail['input'], names)}"


def _hint(value: object, names: list[str]) -> str:
    """Helps where a word is misspelt, or a number came as text: quoted, or in a form that YAML takes for no number."""
    schema = _schema_of(names)
    if not isinstance(value, str):
        return ""
    if words := schema.get("items", schema).get("enum"):
        return f"; the nearest is {difflib.get_close_matches(value, words, 1, 0.0)[0]}"
    if schema.get("type") not in ("integer", "number"):
        return ""
    try:
        return f" (this is text, not a number: write {float(value):.12g} without quotes)"
    except ValueError:
        return " (this is text, not a number)"


def _schema_of(names: list[str]) -> dict[str, Any]:
    """The JSON schema of a key given by its parts; the whole for no parts."""
    schema = root = Params.model_json_schema()
    for name in names:
        schema = schema["properties"][name]
        schema = root["$defs"][schema["$ref"].split("/")[-1]] if "$ref" in schema else schema
    return schema


def allowed(names: list[str]) -> str:
    """What a key may be, in words, such as 'a number >= 0 and < 1'."""
    return _words(_schema_of(names))


def _words(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_words(choice) for choice in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        choices = schema.get("enum", [schema.get("const")])
        return f"one of {', '.join(choices)}" if len(choices) > 1 else choices[0]
    match schema["type"]:
        case "array":
            return f"a list{' (not empty)' if schema.get('minItems') else ''}, each {_words(schema['items'])}"
        case "object":
            return f"a section with the keys {', '.join(schema['properties'])}"
        case "string":
            return "40 hex digits" if schema.get("pattern") == REVISION else "text"
        case "null":
            return "null"
    signs = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {schema[name]:g}" for name, sign in signs.items() if name in schema]
    noun = "a whole number" if schema["type"] == "integer" else "a number"
    return " ".join([noun, " and ".join(bounds)]).strip()
