"""Define `evoke corpus`: add the user's own labelled images as a corpus, list corpora, use them in params.yaml, export.

Run these commands from the root of the repository.
"""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evoke.corpus.export import export

if TYPE_CHECKING:
    from evoke.corpus.own import Source
    from evoke.corpus.own_splits import Settled
    from pipeline.params import Params
    from pipeline.work import WorkFolder


PARAMS = Path("params.yaml")
ANY = click.Path(path_type=Path)
SHARE = click.FloatRange(0, 0.5, max_open=True)


@click.group()
def corpus() -> None:
    """Add your own labelled images as a corpus; list the corpora, have params.yaml use them, or export one."""


corpus.add_command(export)


@corpus.command()
@click.argument("name")
@click.argument("source", type=ANY)
@click.option("--images", type=ANY, metavar="DIR", help="Folder of a table's paths.  [the folder of the table]")
@click.option("--val-frac", type=SHARE, default=0.1, show_default=True, help="Share of each emotion in val, if drawn.")
@click.option("--test-frac", type=SHARE, default=0.15, show_default=True, help="The same for test.")
@click.option("--replace", is_flag=True, help="Replace a corpus of this name.")
def add(name: str, source: Path, images: Path | None, val_frac: float, test_frac: float, replace: bool) -> None:
    """Write the labelled images of SOURCE as the corpus NAME, in data/corpora/NAME.

    \b
    evoke corpus add mine photos                  photos/<emotion>/*.jpg, or photos/<train|val|test>/<emotion>/*.jpg
    evoke corpus add mine photos/labels.csv       path,emotion and, if you like, split,scene,objects,caption
    evoke corpus add mine dataset                 as Hugging Face's `datasets` saves it: columns image, emotion or label

    A table may be CSV, TSV or Parquet; its paths are relative to it, or to --images. Several objects are separated by
    |. Captions go to the file of your own captions (captions.override), so that no model is asked for them. Splits that
    SOURCE does not give are drawn within each emotion by the seed of params.yaml. Files that cannot be read and copies
    are left out, each with its reason in data/rejects/NAME.parquet.
    """
    from evoke.corpus.own import plan
    from pipeline.artifacts import CORPUS
    from pipeline.params import read_yaml

    values = read_yaml(PARAMS)
    check_name(name)
    params = _params_of(values, name)
    folder = CORPUS.locate("", name, params)
    if folder.exists() and not replace:
        raise ValueError(f"{folder} exists; pass --replace to replace it, or choose another name")
    planned = plan(source, name, images)
    work = _work_folder(name, planned, params, (val_frac, test_frac))
    with work.lock():
        try:
            pieces, settled = _pack(planned, params, work, (val_frac, test_frac))
        except ValueError:
            work.finish()  # it would fail again
            raise
        num_captions = _write(name, planned, pieces, settled, params, work)
        work.finish()
    _tell(folder, settled, num_captions)
    if name not in values["corpora"]:
        click.echo(f"`evoke corpus use {name}` sets params.yaml to it")


@corpus.command("list")
def list_corpora() -> None:
    """List the corpora in data/corpora with their images, and how params.yaml uses them."""
    from pipeline.artifacts import CORPUS, read_shards
    from pipeline.params import read_yaml

    values = read_yaml(PARAMS)
    packed = {path.name for path in Path(CORPUS.of(".").path).glob("[!.]*") if path.is_dir()}
    for name in sorted(packed | set(values["corpora"])):
        uses = (["captioned"] if name in values["corpora"] else []) + (["labelled"] if name == values["corpus"] else [])
        use = f"  [{', '.join(uses)}]" if uses else ""
        if name not in packed:
            click.echo(f"{name}: not made yet{use}")
            continue
        rows = read_shards(Path(CORPUS.of(name).path), columns=["emotion", "split"])
        click.echo(f"{name}: {_counted(rows['emotion'].to_pylist(), rows['split'].to_pylist())}{use}")


@corpus.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--labelled", metavar="NAME", help="The one that classifier, judges and UniEmo learn from.  [the first]")
def use(names: tuple[str, ...], labelled: str | None) -> None:
    """Set corpora in params.yaml to NAME..., and every key that follows from it; print what changed.

    \b
    evoke corpus use mine              your corpus alone: nothing is drawn, packed or curated for it
    evoke corpus use mine emoart       and art, curated by the classifier that learns from yours
    evoke corpus use emoset emoart     the default
    """
    from evoke.corpus.params import check_made, with_corpora, without_contents
    from evoke.params_text import shown
    from evoke.preset import Preset, apply_preset
    from pipeline.params import read_yaml

    before, labelled = read_yaml(PARAMS), labelled or names[0]
    values = with_corpora(before, names, labelled) | without_contents(before, labelled)
    changes = apply_preset(PARAMS, Preset(values, is_whole=False), {})
    for key, old, new in changes:
        click.echo(f"{key}: {shown(old)} -> {shown(new)}")
    click.echo(f"{PARAMS}: {len(changes)} value(s) changed")
    check_made(names)


def check_name(name: str) -> None:
    """Raise ValueError if a corpus of the user's own must not have this name."""
    from typing import get_args

    from pipeline.corpora.classes import SMALL_SETS
    from pipeline.params import NAME, Layout, Made

    if not re.fullmatch(NAME, name):
        raise ValueError(
            f"{name!r} is not a name for a corpus: at most 40 small letters, digits and _, the first a letter"
        )
    taken = {*SMALL_SETS, *get_args(Layout), *get_args(Made), "real"}
    if name in taken or (Path("stages") / f"{name}.py").exists():
        raise ValueError(f"the name {name} is taken by the pipeline itself; choose another, such as my_{name}")


def _params_of(values: Mapping[str, Any], name: str) -> "Params":
    """Return the params with this corpus alone, as `evoke corpus use` sets them.

    So a corpus can be added while params.yaml still names EmoSet and emotions.yaml has other emotions than Mikels'.
    """
    from evoke.corpus.params import with_corpora
    from evoke.preset import laid_over
    from pipeline.params import parse_params

    return parse_params(laid_over(values, with_corpora(values, [name], name)))


def _work_folder(name: str, planned: "Source", params: "Params", fractions: tuple[float, float]) -> "WorkFolder":
    """Return a work folder for the pieces of this command on these images, params and code."""
    from pipeline.closure import code_of
    from pipeline.work import WorkFolder, fingerprint

    unit = f"corpus@{name}"
    code = code_of(Path(__file__).resolve().parents[2], Path("evoke/corpus/command.py"))
    settings = {"fractions": fractions, "seed": params.seed, "emoset": params.emoset.model_dump(mode="json"),
                "items": repr(planned)}  # fmt: skip
    return WorkFolder(unit, fingerprint(unit, settings, code, planned.files, "no model"))


def _pack(
    planned: "Source", params: "Params", work: "WorkFolder", fractions: tuple[float, float]
) -> "tuple[list[Path], Settled]":
    """Read every image into pieces of the work folder, and settle which are kept in which split."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from evoke.corpus import own
    from evoke.corpus.own_splits import settle
    from pipeline.artifacts import EMOSET, REJECTS, read_table
    from pipeline.corpora import pack
    from pipeline.engine import map_shards
    from pipeline.runtime import numpy_generator

    names = map_shards(
        lambda: lambda items: pack.tables(own.read(planned.root, items)),
        planned.units(params.emoset.shard_images), work, {"records": EMOSET.schema, "rejects": REJECTS.schema},
    )  # fmt: skip
    pieces, parts = [work.part(name) for name in names["records"]], []
    for table in (read_table(piece, columns=["image_id", "image", "emotion", "sha256"]) for piece in pieces):
        path = pc.struct_field(table["image"], "path")
        parts.append(table.drop_columns("image").append_column("path", path))
    rejects = pa.concat_tables([read_table(work.part(name)) for name in names["rejects"]])
    given = {item.image_id: item.split for item in planned.items if not item.reject}
    generator = numpy_generator(params.seed, "corpus", "splits")
    return pieces, settle(pa.concat_tables(parts), rejects, given, *fractions, generator)


def _write(
    name: str, planned: "Source", pieces: list[Path], settled: "Settled", params: "Params", work: "WorkFolder"
) -> int:
    """Write the corpus, its rejects, metrics and captions, and return the number of captions.

    The corpus gets its name last, so that what a kill leaves is written again by the same command.
    """
    from evoke.corpus.own_splits import summary
    from pipeline.artifacts import (
        CORPUS,
        EMOSET,
        LABELLED_METRICS,
        REJECTS,
        read_shards,
        read_table,
        shard_name,
        write_json,
        write_table,
    )
    from pipeline.corpora.selection import shards
    from pipeline.work import place

    folder, rejects = (artifact.locate("", name, params) for artifact in (CORPUS, REJECTS))
    metrics = LABELLED_METRICS.locate("", None, params.model_copy(update={"corpus": name}))
    tables = (read_table(piece, EMOSET.schema) for piece in pieces)
    written: list[Path] = []
    for table in shards(tables, settled.splits, params.emoset.shard_images):
        written.append(work.outs / folder / shard_name(len(written)))
        write_table(written[-1], table, EMOSET.schema)
    write_table(work.outs / rejects, settled.rejects, REJECTS.schema)
    corpus = read_shards(work.outs / folder, columns=["emotion", "split", "scene", "objects"])
    write_json(work.outs / metrics, summary(corpus, settled.rejects))
    kept = (item for item in planned.items if not item.reject and item.image_id in settled.splits)
    captions = {item.image_id: item.caption for item in kept}
    _replace_captions(name, captions, params)
    for out in (rejects, metrics, folder):
        place(work.outs / out, out)
        if out != metrics:
            _ignore(out)
    return sum(map(bool, captions.values()))


def _replace_captions(name: str, captions: dict[str, str], params: "Params") -> None:
    """Replace the captions of a corpus in the file of the user's own captions."""
    from pipeline.artifacts import CAPTIONS_OVERRIDE
    from pipeline.captions.override import read_captions, write_csv
    from pipeline.work import written_aside

    override = CAPTIONS_OVERRIDE.locate("captions", None, params)
    before = read_captions(override) if override.exists() else {}
    after = {key: text for key, text in before.items() if not key.startswith(f"{name}/")}
    after |= {key: text for key, text in captions.items() if text}
    if after != before:
        override.parent.mkdir(parents=True, exist_ok=True)
        with written_aside(override) as aside:
            write_csv(sorted(after.items()), aside)


def _ignore(out: Path) -> None:
    """Have git ignore a file or folder, as DVC does with outs."""
    from pipeline.work import written_aside

    listed, line = out.parent / ".gitignore", f"/{out.name}"
    lines = listed.read_text(encoding="utf-8").splitlines() if listed.exists() else []
    if line not in lines:
        with written_aside(listed) as aside:
            aside.write_text("\n".join([*lines, line]) + "\n", encoding="utf-8")


def _tell(folder: Path, settled: "Settled", num_captions: int) -> None:
    """Print what was written and rejected, in at most five lines."""
    from pipeline.artifacts import read_shards
    from pipeline.corpora.pack import describe_rejects

    rows = read_shards(folder, columns=["emotion", "split", "scene", "objects"])
    click.echo(f"{folder}: {_counted(rows['emotion'].to_pylist(), rows['split'].to_pylist())}")
    if settled.drawn:
        click.echo(f"  {', '.join(settled.drawn)}: drawn within each emotion")
    named = {"a scene": len(rows) - rows["scene"].null_count, "objects": sum(map(bool, rows["objects"].to_pylist())),
             "a caption": num_captions}  # fmt: skip
    click.echo(f"  with {', '.join(f'{what} {number}' for what, number in named.items())}")
    if len(settled.rejects):
        click.echo(f"  rejected: {describe_rejects(settled.rejects)}")


def _counted(emotions: list[str], splits: list[str]) -> str:
    counts, in_split = Counter(emotions), Counter(splits)
    return (
        f"{len(emotions)} images ({', '.join(f'{number} {split}' for split, number in in_split.most_common())}); "
        f"{', '.join(f'{number} {emotion}' for emotion, number in counts.most_common())}"
    )
