"""Folders of models: safetensors, meta.json, spaces, heads, judges, understandings, and pickles in their place.

Held elsewhere: foreign checkpoints and pickles (tests/evoke/foreign), a 2^60 header and no safetensors at all
(tests/test_weights.py), models of another CLIP or diffusion model (tests/uniemo/test_reader.py, tests/generation).
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.foundation.clip import load_clip
from pipeline.generation.folder import Foundation, load_foundation
from pipeline.generation.load import load_generator
from pipeline.generation.space import load_space
from pipeline.judges.head import EmotionHead, load_head, save_head
from pipeline.judges.panel import load_judges
from pipeline.uniemo.folder import load_understanding
from pipeline.weights import load_safetensors, load_trained, save_safetensors
from tests.generation.trained import random_coemogen
from tests.uniemo.test_reader import random_understanding

from .images import PICTURES
from .running import SPECIAL, process, refusal, run

PICKLE = b"\x80\x04cposix\nsystem\n(S'touch canary'\ntR."
ONE = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


def file_of(header: object, data: bytes = b"") -> bytes:
    """A safetensors file of any header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def one(**changes: object) -> bytes:
    return file_of({"a": ONE | changes}, bytes(4))


SAFETENSORS = {
    "overlapping offsets": file_of({"a": ONE, "b": ONE}, bytes(4)),
    "a hole": file_of({"a": ONE | {"data_offsets": [4, 8]}}, bytes(8)),
    "bytes that nothing names": file_of({"a": ONE}, bytes(8)),
    "fewer bytes than it names": file_of({"a": ONE}, bytes(3)),
    "a shape of 2^80": one(shape=[2**40, 2**40]),
    "a negative shape": one(shape=[-1]),
    "offsets that go back": one(data_offsets=[4, 0]),
    "an unknown type": one(dtype="F99"),
    "lists a hundred thousand deep": file_of(b"[" * 100_000),
    "metadata that is no text": file_of({"__metadata__": {"a": 3}}),
    "a header that is no UTF-8": file_of(b"\xff\xfe{}"),
    "a header beyond the file": (10**6).to_bytes(8, "little") + b"{}",
    "a header of no length": bytes(8),
    "a pickle": PICKLE,
    "an archive": b"PK\x03\x04" + bytes(100),
    "a pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\n",
}


@pytest.mark.parametrize("name", SAFETENSORS)
def test_hostile_weights_are_one_line_that_names_the_file(place: Path, name: str) -> None:
    (place / "x.safetensors").write_bytes(SAFETENSORS[name])
    with pytest.raises(ValueError, match=r"x\.safetensors: not a safetensors file: ") as caught:
        load_safetensors(place / "x.safetensors")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", SPECIAL)
def test_weights_that_are_no_file_are_not_waited_for(place: Path, name: str) -> None:
    SPECIAL[name](place / "x.safetensors")
    with pytest.raises(ValueError, match=r"the weights file .*x\.safetensors does not exist"):
        load_safetensors(place / "x.safetensors")


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64], ids=str
)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_are_not_finite_are_refused_with_the_name_of_the_tensor(
    place: Path, value: float, dtype: torch.dtype
) -> None:
    tensors = {"good": torch.ones(3), "bad": torch.tensor([0.0, value]).to(dtype)}
    from safetensors.torch import save_file

    save_file(tensors, place / "x.safetensors")
    with pytest.raises(ValueError, match=r"x\.safetensors: bad contains NaN or infinity; delete the file"):
        load_safetensors(place / "x.safetensors")


@pytest.mark.parametrize("tensors", [
    {"weight": torch.zeros(3, 2)}, {"weight": torch.zeros(2, 3), "bias": torch.zeros(2), "more": torch.zeros(1)},
    {"weight": torch.zeros(2, 3, dtype=torch.int64), "bias": torch.zeros(2)},
    {"weight": torch.zeros(2, 3, dtype=torch.complex64), "bias": torch.zeros(2)}, {}, {"bias\0": torch.zeros(2)},
])  # fmt: skip
def test_weights_of_other_names_shapes_or_types_are_not_those_of_the_model(place: Path, tensors: Any) -> None:
    save_safetensors(place / "x.safetensors", tensors)
    with pytest.raises(ValueError, match=r"does not match the weights recorded in meta\.json"):
        load_trained(torch.nn.Linear(3, 2), place / "x.safetensors")


@pytest.fixture(scope="module")
def generator(models: Path) -> Path:
    return random_coemogen(models, "coemogen_hostile")


@pytest.fixture(scope="module")
def foundation(models: Path) -> Foundation:
    return load_foundation(models / "foundation/diffusion", models / "foundation/clip")


@pytest.fixture(scope="module")
def understanding(models: Path) -> Path:
    return random_understanding(models, "understanding_hostile")[0]


def copied(model: Path, place: Path) -> Path:
    shutil.copytree(model, place / "model")
    return place / "model"


def meta_with(folder: Path, **changes: object) -> bytes:
    return json.dumps(json.loads((folder / "meta.json").read_text()) | changes).encode()


METAS: dict[str, Callable[[Path], bytes]] = {
    "nothing": lambda _: b"",
    "a list": lambda _: b"[]",
    "a number": lambda _: b"3",
    "lists within each other": lambda _: b"[" * 100_000,
    "another encoding": lambda _: b"\xff\xfe{}",
    "no number": lambda folder: meta_with(folder, temperature=float("nan"), weight=float("nan")),
    "a pickle": lambda _: PICKLE,
    "another kind": lambda folder: meta_with(folder, kind="\x1b[31mresnet"),
    "a kind that is a list": lambda folder: meta_with(folder, kind=["coemogen"]),
    "params that are a list": lambda folder: meta_with(folder, params=[1]),
    "params of nothing": lambda folder: meta_with(folder, params={}),
    "params with one more": lambda folder: meta_with(
        folder, params=json.loads((folder / "meta.json").read_text())["params"] | {"steps": "x" * 10**5, "run": "rm"}
    ),
    "params of another kind": lambda folder: meta_with(folder, params={"prompt": "{S}"}),
}


@pytest.mark.parametrize("name", METAS)
@pytest.mark.parametrize("kind", ["generator", "understanding"])
def test_a_hostile_meta_is_one_short_line_that_names_the_folder_and_the_remedy(
    place: Path, request: pytest.FixtureRequest, kind: str, name: str
) -> None:
    folder = copied(request.getfixturevalue(kind), place)
    (folder / "meta.json").write_bytes(METAS[name](folder))
    foundation = request.getfixturevalue("foundation")
    loads = {"generator": (load_generator, foundation), "understanding": (load_understanding, foundation.clip)}
    load, on = loads[kind]
    with pytest.raises(ValueError, match="model") as caught:
        load(folder, on)
    said = str(caught.value)
    assert said.isprintable()
    assert len(said) < 700
    assert "dvc repro" in said or "allowed are" in said


@pytest.mark.parametrize("name", SPECIAL)
def test_a_meta_that_is_no_file_is_as_if_there_were_none(place: Path, foundation: Foundation, name: str) -> None:
    (place / "model").mkdir()
    SPECIAL[name](place / "model/meta.json")
    with pytest.raises(ValueError, match=r"model is not the folder of a generator: it has no meta\.json"):
        load_generator(place / "model", foundation)


def test_a_meta_behind_a_link_to_a_secret_does_not_tell_it(place: Path, foundation: Foundation) -> None:
    (place / "model").mkdir()
    (place / "secret").write_text("password=hunter2")
    (place / "model/meta.json").symlink_to(place / "secret")
    with pytest.raises(ValueError, match="is damaged") as caught:
        load_generator(place / "model", foundation)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("prompt", ["no gap", "{S} {0.__class__}", "", 3, None, ["{S}"]])
def test_a_prompt_that_is_none_is_refused(place: Path, foundation: Foundation, prompt: object) -> None:
    (place / "model").mkdir()
    meta = {"kind": "prompt", "params": {"prompt": prompt}, "diffusion": foundation.digest}
    (place / "model/meta.json").write_text(json.dumps(meta))
    with pytest.raises(ValueError, match=r"meta\.json: params\.prompt = ") as caught:
        load_generator(place / "model", foundation)
    assert "\n" not in str(caught.value)


WIDE, SQUARE = torch.zeros(4), torch.zeros(4, 4)
WHOLE = {"mean": WIDE, "deviation": WIDE, "factor": SQUARE}
AWE = {f"visual/awe/{name}": tensor for name, tensor in WHOLE.items()}
SPACES: dict[str, dict[str, torch.Tensor]] = {
    "no deviation": {"visual/awe/mean": WIDE, "visual/awe/factor": SQUARE},
    "a mean of no width": {f"visual/awe/{name}": torch.zeros(0) for name in WHOLE},
    "a mean that is a number": {f"visual/awe/{name}": torch.tensor(1.0) for name in WHOLE},
    "a factor of another width": AWE | {"visual/awe/factor": torch.zeros(3, 3)},
    "an unknown emotion": {f"visual/joy/{name}": tensor for name, tensor in WHOLE.items()},
    "no emotion": {"mean": WIDE},
    "two widths": AWE
    | {f"visual/fear/{name}": torch.zeros(*(5 for _ in tensor.shape)) for name, tensor in WHOLE.items()},
    "real features of another width": AWE | {"visual/awe/real": SQUARE[:, :2].clone()},
}


@pytest.mark.parametrize("name", SPACES)
def test_a_space_that_is_not_whole_is_refused_before_anything_is_drawn(place: Path, name: str) -> None:
    save_safetensors(place / "space.safetensors", SPACES[name])
    with pytest.raises(
        ValueError, match=r"space\.safetensors: the shapes of .* expected .*; delete the folder and run"
    ):
        load_space(place)


def test_a_space_of_another_kind_of_model_is_one_line(place: Path, generator: Path, foundation: Foundation) -> None:
    folder = copied(generator, place)
    save_safetensors(folder / "space.safetensors", {f"emotion/awe/{name}": tensor for name, tensor in WHOLE.items()})
    with pytest.raises(ValueError, match="the space has no visual, because it belongs to another kind of model"):
        load_generator(folder, foundation)


@pytest.mark.parametrize("name", ["weights.safetensors", "space.safetensors"])
def test_generating_with_a_pickle_or_nothing_for_weights_is_one_line_and_no_picture(
    place: Path, models: Path, generator: Path, name: str
) -> None:
    folder = copied(generator, place)
    shutil.copytree(models / "foundation", place / "foundation", symlinks=True)
    (folder / name).write_bytes(PICKLE)
    assert f"{name}: not a safetensors file" in refusal("generate", "awe", "--model", folder, "--out", "out")
    (folder / name).unlink()
    (folder / name).with_suffix(".bin").write_bytes(PICKLE)
    assert f"{name} does not exist" in refusal("generate", "awe", "--model", folder, "--out", "out")
    assert not (place / "out").exists()


SHAPES = {
    "a billion wide": '{"width": 1000000000, "hidden": 1000000000, "dropout": 0, "normalized": true, "epoch": 1}',
    "negative": '{"width": -4, "hidden": null, "dropout": 0, "normalized": true, "epoch": 1}',
    "a text": '{"width": "4", "hidden": null, "dropout": 0, "normalized": true, "epoch": 1}',
    "with more": '{"width": 4, "hidden": null, "dropout": 0, "normalized": true, "epoch": 1, "run": 1}',
    "of nothing": "{}",
    "a list": "[]",
    "deep": "[" * 100_000,
    "no JSON": "canary",
}
HEAD = "from pathlib import Path; from pipeline.judges.head import load_head; load_head(Path('head'))"


@pytest.mark.parametrize("name", SHAPES)
def test_a_head_whose_shape_lies_is_one_line_and_takes_no_memory(place: Path, name: str) -> None:
    save_safetensors(place / "head.safetensors", EmotionHead(4, None).state_dict(), {"head": SHAPES[name]})
    with pytest.raises(ValueError, match=r"head\.safetensors: not an emotion classifier of this project"):
        load_head(place)


def test_a_head_is_read_as_it_was_written(place: Path) -> None:
    head = EmotionHead(4, 5, 0.1)
    head.temperature.fill_(1.5)
    save_head(head, place, {})
    for name, tensor in load_head(place).state_dict().items():
        assert torch.equal(tensor, head.state_dict()[name])


JUDGES: dict[str, object] = {
    "a network of any name": {"backbone": "regnet_y_128gf", "image_px": 64, "scenes": [], "objects": []},
    "a function of a library": {"backbone": "list_models", "image_px": 64, "scenes": [], "objects": []},
    "pictures of a million px": {"backbone": "small", "image_px": 10**6, "scenes": [], "objects": []},
    "pictures of no px": {"backbone": "small", "image_px": 0, "scenes": [], "objects": []},
    "pictures of text": {"backbone": "small", "image_px": "64", "scenes": [], "objects": []},
    "names of nothing": {"backbone": "small", "image_px": 64, "scenes": None, "objects": None},
    "a list": [],
}


@pytest.mark.parametrize("name", JUDGES)
def test_judges_whose_shape_lies_are_one_line(place: Path, name: str) -> None:
    save_safetensors(place / "judge.safetensors", {"x": torch.zeros(1)}, {"judge": json.dumps(JUDGES[name])})
    with pytest.raises(ValueError, match=r"judge\.safetensors: not a judge of this project"):
        load_judges(place)


@pytest.mark.parametrize("text", ["[" * 100_000, "{}", "3", '[["x"]]', "null", '"text"'], ids=lambda text: text[:8])
def test_attributes_whose_names_lie_are_one_line(place: Path, models: Path, understanding: Path, text: str) -> None:
    folder = copied(understanding, place)
    file = folder / "attributes.safetensors"
    features, names = load_safetensors(file)
    save_safetensors(file, features, names | {"scene": text})
    with pytest.raises(ValueError, match=r"attributes\.safetensors (is damaged|does not have exactly one vector)"):
        load_understanding(folder, models / "foundation/clip")


@pytest.mark.parametrize("temperature", ["0", "-1", '"hot"', "null", "[1]", "1e999", "NaN"])
def test_a_temperature_that_is_none_is_refused(
    place: Path, models: Path, understanding: Path, temperature: str
) -> None:
    folder = copied(understanding, place)
    (folder / "meta.json").write_bytes(meta_with(folder, temperature=0.125).replace(b"0.125", temperature.encode()))
    with pytest.raises(ValueError, match=r"meta\.json does not describe an understanding model"):
        load_understanding(folder, models / "foundation/clip")


@pytest.mark.parametrize(
    "name", ["pytorch_model.bin", "open_clip_pytorch_model.bin", "model.pt", "model.ckpt", "x.pkl"]
)
def test_a_clip_that_has_a_pickle_for_weights_has_none(place: Path, models: Path, name: str) -> None:
    clip = place / "clip"
    shutil.copytree(models / "foundation/clip", clip)
    for file in clip.glob("*.safetensors"):
        file.unlink()
    (clip / name).write_bytes(PICKLE)
    with pytest.raises(OSError, match="has no weights"):
        load_clip(clip)


def test_reading_hostile_pictures_is_a_line_each_and_the_others_are_read(
    place: Path, models: Path, understanding: Path
) -> None:
    bad = {f"{number}.jpg": hostile for number, hostile in enumerate(PICTURES.values())}
    for name, hostile in bad.items():
        (place / name).write_bytes(hostile.make())
    result = run("read", *bad, "--model", understanding, "--json")
    assert result.exit_code == 1
    read = [name for name, hostile in bad.items() if hostile.reason in (None, "extreme_shape")]
    assert [json.loads(line)["image"] for line in result.stdout.splitlines()] == read
    refused = [line.split(":")[:2] for line in result.stderr.splitlines()]
    assert refused == [[name, f" {bad[name].reason}"] for name in bad if name not in read]


def test_a_head_of_a_billion_numbers_leaves_a_small_process_alive(place: Path) -> None:
    (place / "head").mkdir()
    save_safetensors(
        place / "head/head.safetensors", EmotionHead(4, None).state_dict(), {"head": SHAPES["a billion wide"]}
    )
    ended = process("-c", HEAD, limit_mb=6000)
    assert "not an emotion classifier of this project" in ended.output
    assert "MemoryError" not in ended.output
