"""Define `evoke captions export` and `import`: write the captions to a CSV, and replace some with the user's own.

Imported captions go to the file that `captions.override` of params.yaml names, where the stage captions reads them. Run
these commands from the root of the repository.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pyarrow as pa

    from pipeline.artifacts import Artifact
    from pipeline.params import Params

PARAMS = Path("params.yaml")
FILE = click.Path(dir_okay=False, path_type=Path)


@click.group()
def captions() -> None:
    """Export the written captions, and replace some with your own.

    Export them, keep the header and the rows that you change, and import the result. The model never writes an imported
    caption again.
    """


@captions.command("export")
@click.argument("out", type=FILE)
@click.option("--corpus", metavar="NAME", help="Corpus whose captions to export.  [corpus in params.yaml]")
def export_captions(out: Path, corpus: str | None) -> None:
    """Write the captions of a corpus to OUT, a CSV of image_id,caption."""
    from pipeline.artifacts import CAPTIONS, CAPTIONS_OVERRIDE
    from pipeline.captions.override import write_csv
    from pipeline.params import load_params
    from pipeline.work import written_aside

    params = load_params(PARAMS)
    if out.resolve() == CAPTIONS_OVERRIDE.locate("captions", None, params).resolve():
        raise ValueError(f"{out} is the file of your own captions (captions.override); export to another file")
    corpus = corpus or params.corpus
    rows = read_columns(CAPTIONS, corpus, params, ["image_id", "caption"])
    out.parent.mkdir(parents=True, exist_ok=True)
    with written_aside(out) as aside:
        count = write_csv(zip(rows["image_id"].to_pylist(), rows["caption"].to_pylist(), strict=True), aside)
    click.echo(f"{out}: {count} captions of {corpus}")


@captions.command("import")
@click.argument("file", type=FILE)
@click.option("--replace", is_flag=True, help="Discard the captions imported earlier.")
def import_captions(file: Path, replace: bool) -> None:
    """Check FILE, a CSV of image_id,caption, and use its captions instead of the written ones.

    They are added to those imported before and replace those with the same image_id. Rows with an empty caption, as an
    export has them where the model wrote none, are left out. If FILE has an error, nothing is changed.
    """
    from pipeline.captions.override import check_known, read_captions
    from pipeline.params import load_params

    params = load_params(PARAMS)
    rows = read_captions(file, may_be_empty=True)
    check_known(rows, known_ids(rows, params), file)
    new = {image_id: caption for image_id, caption in rows.items() if caption}
    override, count = add_captions(new, params, replace)
    if len(new) < len(rows):
        click.echo(f"{file}: {len(rows) - len(new)} empty captions are left out")
    click.echo(f"{override}: {count} captions, {len(new)} of them from {file}; run `dvc repro` to use them")


def add_captions(captions: "Mapping[str, str]", params: "Params", replace: bool = False) -> tuple[Path, int]:
    """Add the user's captions by image_id to those of before, or replace all, and return their file and number."""
    from pipeline.artifacts import CAPTIONS_OVERRIDE
    from pipeline.captions.override import read_captions, write_csv
    from pipeline.work import written_aside

    override = CAPTIONS_OVERRIDE.locate("captions", None, params)
    before = read_captions(override) if override.exists() and not replace else {}
    override.parent.mkdir(parents=True, exist_ok=True)
    with written_aside(override) as aside:
        count = write_csv(sorted((before | dict(captions)).items()), aside)
    return override, count


def known_ids(image_ids: "Iterable[str]", params: "Params") -> set[str]:
    """Return the ids of those corpora of params.yaml that some image_id names in its first part."""
    from pipeline.artifacts import CORPUS

    named = {image_id.partition("/")[0] for image_id in image_ids}
    tables = [read_columns(CORPUS, corpus, params, ["image_id"]) for corpus in params.corpora if corpus in named]
    return {image_id for table in tables for image_id in table["image_id"].to_pylist()}


def read_columns(artifact: "Artifact", corpus: str, params: "Params", columns: list[str]) -> "pa.Table":
    """Return columns of the shards of a corpus as one table.

    Raises ValueError if the corpus is unknown or not made yet.
    """
    from pipeline.artifacts import read_shards

    if corpus not in params.corpora:
        raise ValueError(f"unknown corpus {corpus!r}; params.yaml lists {', '.join(params.corpora)}")
    folder = artifact.locate("captions", corpus, params)
    if not folder.is_dir():
        raise ValueError(f"{folder} does not exist; run `dvc repro` to create it")
    return read_shards(folder, artifact.schema, columns)
