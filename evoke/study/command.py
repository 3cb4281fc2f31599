"""Define `evoke study make`, `serve` and `tally`, which ask people whose images they prefer, as CoEmoGen's Fig. 6."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import pandas as pd

    from evoke.study.design import Key, Questionnaire


SITE, KEY = "site", "key.json"
FOLDER = click.Path(path_type=Path)
MAX_BYTES = 10**6  # of a file of answers


@click.group()
def study() -> None:
    """Ask people which images they prefer, as CoEmoGen's user study (Fig. 6).

    \b
    evoke study make --methods coemogen_emoset,emogen,dreambooth --out study
    evoke study serve study
    evoke study tally study answers/*.json

    docs/STUDY.md says how a study is run.
    """


@study.command()
@click.option("--methods", required=True, metavar="FIRST,OTHER,...", help="Compare the first with each of the others.")
@click.option("--out", required=True, type=FOLDER, metavar="DIR", help="Output folder; must not exist, or be empty.")
@click.option("--images", type=FOLDER, help="Folder with the images of each method.  [data/images]")
@click.option("--questions", default="coemogen", show_default=True, help="coemogen, uniemo, or a YAML of your own.")
@click.option("--group-size", default=6, show_default=True, type=click.IntRange(1, 24), help="Images in a group.")
@click.option("--checks", default=6, show_default=True, type=click.IntRange(5), help="Attention checks of a person.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Seed of every draw.")
def make(
    methods: str, out: Path, images: Path | None, questions: str, group_size: int, checks: int, seed: int
) -> None:  # fmt: skip
    """Draw pairs of groups of images of a finished run, and write the page that shows them.

    DIR/site is the page: copy it to any web space. DIR/key.json says which group is by which method: do not publish it.
    """
    from evoke.study.design import design
    from evoke.study.page import write_site
    from evoke.study.tally import people_needed
    from pipeline.artifacts import ALL_IMAGES

    names = [name.strip() for name in methods.split(",")]
    if len(names) < 2 or len(set(names)) < len(names):
        raise ValueError(f"--methods {methods}: name two or more different methods, the first of which is compared")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} exists and is not an empty folder; name a new or empty folder")
    folder, words = images or Path(ALL_IMAGES.path), _questionnaire(questions)
    key = design({name: _ids(folder, name) for name in names}, words, seed, group_size, checks)
    encoded = {name: data for method in names for name, data in _encoded(folder, method, key)}
    out.resolve().parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{out.resolve().name}-", dir=out.resolve().parent) as aside:
        whole = Path(aside) / "study"
        write_site(whole / SITE, key, encoded)
        (whole / KEY).write_text(key.model_dump_json(indent=1) + "\n", encoding="utf-8")
        whole.replace(out)
    num = len(key.pairs) // (len(names) - 1)
    needed, needed_over_all = people_needed(0.6, num), people_needed(0.6, len(key.pairs))
    click.echo(
        f"{out / SITE}: {len(key.pairs)} pairs of {num} emotions, {len(words.questions)} questions, {checks} checks"
    )
    click.echo(f"{out / KEY}: which group is by which method; do not publish it")
    click.echo(
        f"to resolve 60 against 40 in one question: {needed} people against one method, {needed_over_all} against all, "
        "if two answers of a person correlate by .1"
    )


def _questionnaire(name: str) -> "Questionnaire":
    """Return a preset, or the questionnaire of a YAML file. Raises ValueError, which names what is allowed."""
    from evoke.study.design import PRESETS, questionnaire
    from pipeline.params import read_yaml

    if name in PRESETS:
        return questionnaire(name)
    if not Path(name).is_file():
        raise ValueError(f"--questions {name!r}: allowed are {', '.join(PRESETS)} and a YAML file that exists")
    try:
        return questionnaire(read_yaml(Path(name)))
    except ValueError as error:
        raise ValueError(f"{name}: {error}".removeprefix(f"{name}: {name}: ")) from None


def _ids(folder: Path, method: str) -> dict[str, list[str]]:
    """Return the ids of a method's images by emotion. Raises ValueError if there are none."""
    from pipeline.artifacts import read_shards
    from pipeline.schemas import IMAGES_SCHEMA

    methods = sorted(path.name for path in folder.glob("*/"))
    if method not in methods:
        raise ValueError(
            f"{folder} has no images of {method!r}; it has {', '.join(methods) or 'none'}. Run `evoke repro images`"
        )
    ids: dict[str, list[str]] = {}
    for row in read_shards(folder / method, IMAGES_SCHEMA, ["image_id", "emotion"]).to_pylist():
        ids.setdefault(row["emotion"], []).append(row["image_id"])
    return ids


def _encoded(folder: Path, method: str, key: "Key") -> list[tuple[str, bytes]]:
    """Return the id and the encoded file of each image of a method that the study shows."""
    from pipeline.artifacts import read_shards, take_rows
    from pipeline.schemas import IMAGES_SCHEMA

    ids = read_shards(folder / method, IMAGES_SCHEMA, ["image_id"])["image_id"].to_pylist()
    wanted = set(key.files.values())
    rows = [index for index, name in enumerate(ids) if name in wanted]
    table = take_rows(folder / method, rows, IMAGES_SCHEMA, ["image_id", "image"])
    return [(row["image_id"], row["image"]["bytes"]) for row in table.to_pylist()]


@study.command()
@click.argument("folder", type=FOLDER)
@click.option("--host", default="127.0.0.1", show_default=True, help="0.0.0.0 shows the page to your network.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0: any that is free.")
def serve(folder: Path, host: str, port: int) -> None:
    """Serve the page of the study in FOLDER, and nothing else of it, until Ctrl-C."""
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    class Handler(SimpleHTTPRequestHandler):
        extensions_map = {".html": "text/html", ".webp": "image/webp", "": "application/octet-stream"}  # noqa: RUF012

        def log_message(self, format: str, *args: object) -> None:
            """Keep no record of who asks."""

    if not (folder / SITE / "index.html").is_file():
        raise ValueError(f"{folder} holds no study; make one by `evoke study make --methods ... --out {folder}`")
    try:
        server = ThreadingHTTPServer((host, port), partial(Handler, directory=str(folder / SITE)))
    except OSError as error:
        raise ValueError(f"{host}:{port} cannot be used ({error.strerror}); name another by --port") from None
    with server:
        click.echo(f"http://{host}:{server.server_port}/ (Ctrl-C ends it)")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo("ended")


@study.command()
@click.argument("folder", type=FOLDER)
@click.argument("answers", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--out", type=FOLDER, metavar="DIR", help="Folder for the tables and the figure.  [FOLDER/tally]")
@click.option("--resolve", default=0.6, show_default=True, type=float, help="Plan people for this preference.")
def tally(folder: Path, answers: tuple[Path, ...], out: Path | None, resolve: float) -> None:
    """Tally the files that the participants of the study in FOLDER sent.

    Writes preference.csv, participants.csv (who is left out, and why), answers.csv, and preference.png as Fig. 6.
    """
    import pandas as pd

    from evoke.study.tally import judge, people_needed, plot, preferences

    key = _key(folder / KEY)
    people_needed(resolve, 1)  # refuse an impossible share before anything is written
    people, rows = judge(key, {str(path): _value(path) for path in dict.fromkeys(answers)})
    out = out or folder / "tally"
    out.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(people).to_csv(out / "participants.csv", index=False)
    for person in people:
        if person.reason:
            click.echo(f"left out: {person.file}: {person.reason}")
    if rows.empty:
        raise ValueError(f"none of the {len(people)} files is left; {out / 'participants.csv'} says why")
    rows.to_csv(out / "answers.csv", index=False)
    table = preferences(key, rows)
    table.to_csv(out / "preference.csv", index=False, float_format="%.4f")
    plot(key, table, out / "preference.png")
    _tell(key, len(people), rows, table, resolve)
    click.echo(f"{out}: preference.csv, preference.png, participants.csv, answers.csv")


def _tell(key: "Key", num_files: int, rows: "pd.DataFrame", table: "pd.DataFrame", resolve: float) -> None:
    """Print the preferences, the agreement, and how many people resolve a preference where they differ most."""
    from evoke.study.tally import ALL, agreement, people_needed

    num = rows["participant"].nunique()
    click.echo(f"preference for {key.methods[0]}, {num} people of {num_files} files, 95 % intervals")
    shown = ["against", "question", "preference", "low", "high", "answers", "verdict"]
    click.echo(table[shown].to_string(index=False, float_format="{:.3f}".format))
    alphas = ", ".join(f"{name} {alpha:.2f}" for name, alpha in agreement(rows).items())
    click.echo(f"agreement (Krippendorff's alpha, 0 is chance): {alphas}")
    single = table[(table["against"] != ALL) & (table["question"] != ALL)]
    if num > 1:
        needed = people_needed(resolve, len(rows) // num // len(single), float(single["deviation"].max()))
        click.echo(f"to resolve {resolve:.0%} against {1 - resolve:.0%} in every row: {needed} people")


def _key(path: Path) -> "Key":
    """Return the key of a study. Raises ValueError if there is none, or if it is damaged."""
    from pydantic import ValidationError

    from evoke.study.design import Key, first_problem

    if not path.is_file():
        raise ValueError(f"{path} does not exist; it is made by `evoke study make` and never published")
    try:
        key = Key.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ValueError(f"{path} is damaged: {first_problem(error)}; bring back the file that was made") from None
    if key.study != key.digest:
        raise ValueError(f"{path} was edited: its digest is not {key.study}; bring back the file that was made")
    return key


def _value(path: Path) -> object:
    """Return the object of a file of answers, or a line that says why there is none."""
    from pipeline.artifacts import read_object

    try:
        if path.is_file() and path.stat().st_size > MAX_BYTES:
            return f"it has more than {MAX_BYTES:,} bytes"
        return read_object(path)
    except FileNotFoundError:
        return "there is no such file"
    except (ValueError, OSError) as error:
        return f"it is not JSON: {error}"
