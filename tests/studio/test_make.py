"""The room Make: images as they come, which the command and the Python that it gives make again."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from evoke.cli import main
from evoke.png import recipe_of
from evoke.studio.make import NONE, Wish, command, images, last_image, python, run, wish_of
from evoke.studio.models import Studio, generators, readers
from pipeline.emotion_set import EMOTIONS
from pipeline.generation.defaults import GUIDANCE, SOLVER, SOURCE, STEPS

MIX = {"amusement": 0.6, "fear": 0.35}
WISH = Wish(MIX, "small street", 'a "dog"', 0.85, 7, 2, 2, 4.5, "ddim", "mean")


@pytest.fixture(scope="module")
def made(shared: Studio) -> list[Path]:
    return list(images(shared, WISH, "coemogen_one"))


def pixels(paths: list[Path]) -> np.ndarray:
    return np.stack([np.asarray(Image.open(path)) for path in paths])


def test_the_command_makes_the_same_images_again(made: list[Path], trained: Path, tmp_path: Path) -> None:
    words = shlex.split(command(WISH, trained / "coemogen_one"))
    assert words[:2] == ["evoke", "generate"]
    words[words.index("--out") + 1] = str(tmp_path / "again")
    result = CliRunner().invoke(main, words[1:])
    assert result.exit_code == 0, result.output
    again = sorted((tmp_path / "again").glob("*-0000?.png"))
    assert (pixels(again) == pixels(made)).all()
    assert (pixels(made)[0] != pixels(made)[1]).any()


def test_the_python_makes_the_same_images_again(made: list[Path], trained: Path) -> None:
    names: dict[str, list[Image.Image]] = {}
    exec(python(WISH, trained / "coemogen_one"), {}, names)
    assert (np.stack([np.asarray(image) for image in names["images"]]) == pixels(made)).all()


def test_a_file_carries_its_recipe(made: list[Path], trained: Path, shared: Studio) -> None:
    recipes = [recipe_of(path.read_bytes()) or {} for path in made]
    assert [recipe["index"] for recipe in recipes] == [0, 1]
    assert len({recipe["seed"] for recipe in recipes}) == 2
    assert recipes[0]["emotions"] == MIX
    assert recipes[0]["prompt"] == "{S} small street"
    assert recipes[0]["command"] == command(WISH, trained / "coemogen_one")
    assert last_image(shared) == made[1]
    assert all(path.parent == shared.images for path in made)


def inputs(**changes: object) -> list[object]:
    values: dict[str, object] = dict.fromkeys(EMOTIONS, 0) | {
        "transfer": "", "negative": "", "strength": 1, "seed": 0, "images": 2, "steps": 1, "guidance": GUIDANCE,
        "solver": SOLVER, "source": SOURCE,
    }  # fmt: skip
    return list((values | changes).values())


def test_two_models_draw_by_turns_from_the_same_noise(shared: Studio) -> None:
    pages = list(run(shared, "coemogen_one", "coemogen_two", *inputs(fear=1)))
    assert [page[0].count("<img") for page in pages] == [0, 1, 2, 3, 4]
    assert [page[0].count("ev-wait") for page in pages] == [4, 3, 2, 1, 0]
    assert pages[-1][1].count("evoke generate fear") == pages[-1][2].count("images = ") == 2
    files = re.findall(r'src="images/([^"]+)"', pages[-1][0])
    seeds = [(recipe_of((shared.images / file).read_bytes()) or {})["seed"] for file in files]
    assert seeds[:2] == seeds[2:]


def test_what_cannot_be_drawn_is_said_in_place(shared: Studio) -> None:
    (page,) = run(shared, "coemogen_one", NONE, *inputs())
    assert "role=alert>No emotion is chosen: move at least one of the sliders above 0" in page[0]
    last = list(run(shared, "coemogen_one", "coemogen_two", *inputs(awe=1, images=1)))[-1][0]
    assert "The model knows no awe" in last  # of the second; the first has drawn its own
    assert last.count("<img") == 1
    assert "there are coemogen_one, coemogen_two" in next(run(shared, "gone", NONE, *inputs(fear=1)))[0]
    for changes, message in (
        ({"transfer": "{S} and {S}"}, "may contain {S} at most once"), ({"seed": -1}, "allowed are whole numbers"),
        ({"transfer": "<b>" + "word " * 90}, "CLIP allows at most"),
    ):  # fmt: skip
        text = list(run(shared, "coemogen_one", NONE, *inputs(fear=1, **changes)))[-1][0]
        assert message in text
        assert "<b>" not in text


def test_a_noun_follows_the_emotion_and_a_prompt_stands_for_itself() -> None:
    prompts = [Wish(MIX, text).prompt for text in ("", " street ", "a {S} street", "{S}")]
    assert prompts == ["{S}", "{S} street", "a {S} street", "{S}"]
    assert (
        wish_of([1] + [0] * (len(EMOTIONS) - 1), "", "", 1, 0, 1, STEPS, GUIDANCE, SOLVER, SOURCE).label == EMOTIONS[0]
    )


def test_every_folder_that_can_draw_or_read_is_found(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (trained / "broken").mkdir(exist_ok=True)
    (trained / "broken/meta.json").write_text("{")
    assert list(generators(trained)) == ["coemogen_one", "coemogen_two"]
    assert list(readers(trained)) == ["uniemo_understanding", "CLIP zero-shot"]
    monkeypatch.chdir(Path(__file__).parents[2])
    assert "coemogen_emoset" in {name.removesuffix(" (bundled)") for name in generators()}


def test_two_generators_stay_in_memory_and_an_unknown_name_says_which_there_are(shared: Studio) -> None:
    studio = Studio.of(shared.models, shared.out)
    for name, source in (("coemogen_one", "mean"), ("coemogen_two", "mean"), ("coemogen_one", "full")):
        studio.generator(name, source)  # type: ignore[arg-type]
    assert list(studio.loaded) == [("coemogen_two", "mean"), ("coemogen_one", "full")]
    with pytest.raises(ValueError, match="there is no model 'nobody'; there are coemogen_one, coemogen_two"):
        studio.generator("nobody")
