"""Bundled generators: those of the default run in one file each, so that images can be made before anything is trained.

models/miniature/generators/NAME.safetensors holds all files of the folder models/NAME, with matrices in eight bits.
Beside them, the bundled foundation models are unpacked on first use into a folder named by the hash of all these files.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from pipeline.foundation import bundle
from pipeline.foundation.compact import compact, restored
from pipeline.weights import load_safetensors, save_safetensors

BUNDLE = Path("models/miniature")
GENERATORS = "generators"
INSIDE = "//"  # between the path of a weights file and the name of a tensor in it


def pack_generator(folder: Path, file: Path, facts: Mapping[str, str]) -> None:
    """Pack a generator's folder into `file`; `facts` are further metadata."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {path: path.relative_to(folder).as_posix() for path in files}
    weights = {name: load_safetensors(path) for path, name in names.items() if path.suffix == ".safetensors"}
    texts = {name: path.read_text() for path, name in names.items() if path.suffix != ".safetensors"}
    listed = {"texts": texts, "weights": {name: metadata for name, (_, metadata) in weights.items()}}
    tensors = {f"{name}{INSIDE}{key}": tensor for name, (of, _) in weights.items() for key, tensor in of.items()}
    save_safetensors(file, compact(tensors, in_eight_bits=True), {"files": json.dumps(listed, sort_keys=True), **facts})


def unpack_generator(file: Path, folder: Path) -> None:
    """Write the generator's folder from a packed file."""
    stored, metadata = load_safetensors(file)
    files = json.loads(metadata["files"])
    tensors = restored(stored)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files["texts"].items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for name, of_file in files["weights"].items():
        start = name + INSIDE
        own = {key.removeprefix(start): tensor for key, tensor in tensors.items() if key.startswith(start)}
        save_safetensors(folder / name, own, of_file)


def bundled(name: str, root: Path = Path()) -> Path | None:
    """Return the folder of a bundled generator, beside its foundation models, unpacked on first use into .work/bundled.

    `root` is the repository. Returns None if no generator of this name is bundled.
    """
    files = root / BUNDLE
    if not (files / GENERATORS / f"{name}.safetensors").is_file():
        return None
    models = root / ".work" / "bundled" / hash_of(files)
    if not models.is_dir():
        aside = models.with_name(f"{models.name}.part")
        shutil.rmtree(aside, ignore_errors=True)
        bundle.unpack(files / "clip" / bundle.CLIP, aside / "foundation" / "clip")
        bundle.unpack_diffusion(
            files / "diffusion", aside / "foundation" / "clip", aside / "foundation" / "diffusion", aside / "parts"
        )
        shutil.rmtree(aside / "parts")
        for file in sorted((files / GENERATORS).glob("*.safetensors")):
            unpack_generator(file, aside / file.stem)
        aside.rename(models)
    return models / name


def hash_of(files: Path) -> str:
    """Return the first 16 hex digits of the SHA-256 over the bundled files."""
    digest = hashlib.sha256()
    for file in sorted(files.rglob("*.safetensors")):
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]
