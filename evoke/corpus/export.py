"""Define `evoke corpus export NAME --out DIR`, which writes a corpus as a data set of the Hugging Face Hub.

The shards in data/corpora/ mix the splits, because the stages read them in the order of image_id; so the folder is
written anew, with files for each split.
"""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evoke.hub import Push, files_of, push_options, send
from evoke.origin import OWN_LICENCE

if TYPE_CHECKING:
    from pipeline.params import Params


FOLDER = click.Path(path_type=Path, file_okay=False)
DRAWN = Path("data/miniature")


@click.command()
@click.argument("name")
@click.option("--out", required=True, type=FOLDER, metavar="DIR", help="Output folder; must not exist.")
@click.option("--license", "licence", metavar="ID", help="Licence of the images.  [apache-2.0 if they are drawn]")
@push_options
def export(name: str, out: Path, licence: str | None, push_to_hub: Push | None) -> None:
    """Write the corpus NAME with a card and files for train, val and test; the emotion is a ClassLabel.

    \b
    evoke corpus export emoset --out shared/emoset
    python -c 'import datasets; print(datasets.load_dataset("shared/emoset"))'

    --push-to-hub ORG/NAME lists what would be sent to the Hugging Face Hub, and sends it with --yes. If DIR has the
    corpus already, it is sent as it is.
    """
    from evoke.corpus.dataset import write_corpus
    from pipeline.artifacts import CORPUS, EMOART, LABELLED
    from pipeline.params import load_own_params

    artifact = EMOART if name == "emoart" else LABELLED
    params = load_own_params(Path("params.yaml"), "corpora")
    folder = CORPUS.of(name).path
    if not Path(folder).is_dir():
        raise ValueError(f"there is no {folder}; `evoke corpus list` lists the corpora")
    if licence is None and params and is_drawn(name, params):
        licence = OWN_LICENCE
    if push_to_hub and licence is None:
        raise ValueError(
            "the licence of these images is not known; give the one that they have, as in --license cc-by-4.0"
        )
    if not (push_to_hub and (out / "README.md").is_file() and (out / "data").is_dir()):
        if out.exists():
            raise ValueError(f"{out} exists; name a new folder")
        assert artifact.schema is not None
        aside = out.with_name(f".{out.name}.tmp")
        shutil.rmtree(aside, ignore_errors=True)  # of a run that was killed
        numbers = write_corpus(aside, name, Path(folder), artifact.schema, licence)
        os.replace(aside, out)
        click.echo(f"{out}: " + ", ".join(f"{number} {split}" for split, number in numbers.items()))
    if push_to_hub:
        send(push_to_hub, "dataset", out, files_of(out))


def is_drawn(name: str, params: "Params") -> bool:
    """Return True if the images of a corpus are drawn ones, which have the licence of the project."""
    return name in ("emoset", "emoart") and Path(getattr(params, name).folder).is_relative_to(DRAWN)
