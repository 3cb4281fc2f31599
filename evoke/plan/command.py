"""Define `evoke plan`, which predicts the images, bytes, FLOPs and hours of each stage before a run begins.

With --curate it plans a curation of any number of images instead.
"""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from evoke.plan.inputs import Curated, Setting
    from pipeline.params import Params


PARAMS, LOCK, DAG = Path("params.yaml"), Path("dvc.lock"), Path("dvc.yaml")
GRIDS = Path("experiments/plan.py")
FOUNDATION = ("foundation_clip", "foundation_vit", "foundation_diffusion", "foundation_captioner")
ANY_REVISION = "0" * 40  # for a hub model that is not pinned yet; its cost does not depend on it


@click.command()
@click.option("--preset", metavar="NAME", help="Merge this preset into params.yaml for the plan; nothing is written.")
@click.option("--device", help="cpu, h200, h100, a100, l40s, rtx4090, rtx3090 or rtx3060-12gb.  [this machine's]")
@click.option("--gpus", default=1, show_default=True, type=click.IntRange(min=1), help="Number of GPUs.")
@click.option("--csv", "as_csv", is_flag=True, help="Print one CSV line per stage, for other programs.")
@click.option("--experiments", is_flag=True, help="Plan every grid of experiments/ instead, one line per grid.")
@click.option("--curate", type=click.FloatRange(min=1), metavar="NUMBER", help="Plan a curation of so many images.")
@click.option("--nodes", default=1, show_default=True, type=click.IntRange(min=1), help="Nodes of that curation.")
@click.option("--price", multiple=True, metavar="DEVICE=PRICE", help="Price of its nodes per hour, such as cpu=1.50.")
def plan(
    preset: str | None, device: str | None, gpus: int, as_csv: bool, experiments: bool, curate: float | None,
    nodes: int, price: tuple[str, ...],
) -> None:  # fmt: skip
    """Predict what each stage takes: images, FLOPs, bytes, GPU memory and hours, and where each figure comes from.

    \b
    evoke plan                                       params.yaml, on this machine
    evoke plan --preset paper --device h200          before a preset is set
    evoke plan --preset desk --device rtx4090        photographs of your own, one consumer card
    evoke plan --preset paper --device a100 --gpus 8
    evoke plan --experiments                         hours of each grid, on this machine
    evoke plan --curate 100e6 --nodes 8 --price cpu=1.50 --price h200=4    `evoke curate`, on CPU nodes and on a GPU

    FLOPs and GPU memory are counted from the models' shapes, without weights. Hours assume that a device reaches the
    share of its peak that the notes name; for this machine's CPU they come from a probe that runs now. Nothing is
    downloaded.
    """
    from evoke.plan.memory import memory_of
    from evoke.plan.rates import device_of
    from evoke.plan.stages import workload
    from evoke.plan.table import schedule, to_csv, to_text
    from evoke.preset import load_preset
    from pipeline.memory import is_low
    from pipeline.runtime import forbid_downloads

    forbid_downloads()
    if curate is not None:
        plan_curation(round(curate), device, nodes, price)
        return
    if experiments:
        if preset is not None or gpus > 1:
            raise ValueError(
                "--experiments plans the grids under params.yaml on one device; leave out --preset, --gpus"
            )
        plan_experiments(device, as_csv)
        return
    params, hardware = wanted_params(preset), device_of(device or this_device())
    num_assumed = load_preset(preset).num_images if preset else None
    setting = replace(setting_of(params, num_assumed), is_low=is_low(hardware.memory_bytes))
    source = f"{PARAMS.name} with the preset {preset}" if preset else PARAMS.name
    title = f"{source}, on {gpus if gpus > 1 else 'one'} {hardware.name}"
    notes = (*setting.corpora.notes, *setting.models.notes, *hardware.notes)
    memory = partial(memory_of, setting) if hardware.memory_bytes else None
    rows = schedule(workload(setting, items_of(params)), hardware, gpus, memory)
    click.echo(to_csv(rows) if as_csv else to_text(title, rows, notes), nl=not as_csv)


def plan_curation(number: int, device: str | None, nodes: int, price: Sequence[str]) -> None:
    """Print the plan of a curation on CPU nodes and on the devices that are priced or named, by default an H200."""
    from evoke.plan.curation import CPU, curations, priced, to_text

    prices = dict(map(priced, price))
    devices = dict.fromkeys([CPU, *([device] if device else []), *prices])
    click.echo(to_text(number, curations(number, [*devices] if len(devices) > 1 else [CPU, "h200"], nodes, prices)))


def plan_experiments(device: str | None, as_csv: bool) -> None:
    """Print the plan of the grids, by the module of the checkout in the current folder, which no package holds.

    Raises ValueError outside a checkout, and exits with the module's status if it fails.
    """
    if not GRIDS.is_file():
        raise ValueError(f"there is no {GRIDS} here; run `evoke plan --experiments` in a checkout of the project")
    options = [*(["--device", device] if device else []), *(["--csv"] if as_csv else [])]
    status = subprocess.run([sys.executable, "-m", "experiments.plan", *options], check=False)
    if status.returncode:
        sys.exit(status.returncode)


def this_device() -> str:
    """Return the name of this machine's device in the plan's tables, as EVOKE_DEVICE or the hardware says.

    Raises ValueError for a GPU whose rates are unknown.
    """
    from evoke.plan.rates import name_of
    from pipeline.runtime import device

    torch_device = device()
    if torch_device.type == "cpu":
        return "cpu"
    import torch

    return name_of(torch.cuda.get_device_name(torch_device))


def wanted_params(preset: str | None) -> "Params":
    """Return params.yaml, or its values with a preset merged in. Raises ValueError for an unknown preset."""
    from evoke.preset import load_preset, params_with
    from pipeline.params import load_params

    if preset is None:
        return load_params(PARAMS)
    return params_with(PARAMS, load_preset(preset), ANY_REVISION)


def items_of(params: "Params") -> Mapping[str, Sequence[str]]:
    """Return the items of every stage of dvc.yaml under some params."""
    from evoke.dag import stage_items
    from pipeline.params import read_yaml

    values = params.model_dump(mode="json")
    return {name: stage_items(entry, values) for name, entry in read_yaml(DAG)["stages"].items()}


def setting_of(params: "Params", num_assumed: int | None = None) -> "Setting":
    """Return the models and corpora of some params, using the files in this repository.

    `num_assumed` is the number of images of an EmoSet folder that does not exist yet.
    """
    from evoke.plan.inputs import Setting, corpora_of, models_of
    from pipeline.artifacts import BUNDLED, CORPUS, MINIATURE

    models = models_of(params, Path(BUNDLED.path), made_folders(params))
    packed = Path(CORPUS.path).parent
    return Setting(params, corpora_of(params, Path(MINIATURE.path).parent, curated(), packed, num_assumed), models)


def made_folders(params: "Params") -> Mapping[str, Path]:
    """Return the folders of downloaded models that DVC made from exactly these params, and those of your own models.

    Shapes of all other models are known without their folders. Raises ClickException if a model of your own is missing.
    """
    from pipeline.artifacts import FOUNDATION_CAPTIONER, FOUNDATION_CLIP, FOUNDATION_DIFFUSION, FOUNDATION_VIT
    from pipeline.params import read_yaml

    artifacts = (FOUNDATION_CLIP, FOUNDATION_VIT, FOUNDATION_DIFFUSION, FOUNDATION_CAPTIONER)
    outs = dict(zip(FOUNDATION, artifacts, strict=True))
    folders = {
        name: Path(out.path)
        for name, out in outs.items()
        if getattr(getattr(params, name), "source", None) == "hub" and any(Path(out.path).glob("*.json"))
    }
    stages = read_yaml(LOCK)["stages"] if folders and LOCK.is_file() else {}
    recorded = {name: stages.get(name, {}).get("params", {}).get(PARAMS.name, {}).get(name) for name in folders}
    own = {
        name: Path(getattr(params.foundation_folders, name.removeprefix("foundation_")))
        for name in FOUNDATION
        if getattr(getattr(params, name), "source", None) == "folder"
    }
    for name, folder in own.items():
        if not folder.is_dir():
            key = f"foundation_folders.{name.removeprefix('foundation_')}"
            raise click.ClickException(
                f"{key} = {str(folder)!r}: there is no such folder, whose model is to be planned"
            )
    return own | {
        name: folder
        for name, folder in folders.items()
        if recorded[name] == getattr(params, name).model_dump(mode="json")
    }


def curated() -> "Curated | None":
    """Return the counts of what the last run of emoart kept, or None if it has not run."""
    from evoke.plan.inputs import Curated
    from pipeline.artifacts import EMOART_METRICS, read_json

    file = Path(EMOART_METRICS.path)
    if not file.is_file():
        return None
    metrics = read_json(file)
    emotions = sum(key.startswith("num_kept_") for key in metrics)
    return Curated(int(metrics["num_collected"] or 0), float(metrics["share_kept"] or 0.0), emotions)
