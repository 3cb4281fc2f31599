"""The stage report on pictures of noise: one file that holds all it shows, well formed, in a browser too."""

import base64
import io
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from pipeline.artifacts import EMOSET, IMAGES, REPORT, encode_words, write_table
from pipeline.emotions import EMOTIONS
from pipeline.params import load_params
from stages import report
from tests.judges.conftest import row
from tests.metrics.bench import picture, rows
from tests.repository import enter_repository
from tests.stages.test_scores import generated
from tests.uniemo.test_reader import random_understanding

ROOT = Path(__file__).parents[2]
SECTIONS = ("claims", "funnel", "captions", "words", "sheets", "themes", "transfer", "attention", "tables", "curves",
            "confusion", "feedback", "provenance")  # fmt: skip
PLOTS = ("caption_filter/emoset/examples", "caption_filter/emoset/words", "caption_filter/emoart/words",
         "emoart_funnel/funnel", "correlation/heatmap", "grids/stable_diffusion/transfer",
         "grids/coemogen_emoset/fusion")  # fmt: skip
TABLES = {
    "uniemo_joint/curve": "step,ldm,cond,scene,object\n1,2,3,4,5\n2,1,2,3,4\n",
    "coemogen/emoset/curve": "step,ldm,sem,rate_factor\n1,2,3,1\n2,1,2,0\n",
    "coemogen/gone/curve": "step,ldm\n1,2\n",
    "judges/confusion": "labelled,classified,images\n"
    + "".join(f"{one},{other},{int(one == other)}\n" for one in EMOTIONS for other in EMOTIONS),
}
VOID = ("meta", "img", "br")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, models: Path) -> str:
    """The page of a toy repository, run twice with equal bytes."""
    torch.set_num_threads(1)
    random_understanding(models, "uniemo_understanding")
    folder = tmp_path_factory.mktemp("repository")
    with pytest.MonkeyPatch.context() as patch:
        enter_repository(patch, folder)
        write_repository(models)
        pages = []
        for _ in range(2):
            result = run()
            assert result.exit_code == 0, result.output
            pages.append(Path(REPORT.path).read_bytes())
    assert pages[0] == pages[1]
    return pages[0].decode()


def run() -> Result:
    return CliRunner().invoke(report.main, [])


def write_repository(models: Path) -> None:
    Path("params.yaml").symlink_to(ROOT / "params.yaml")
    Path("models").symlink_to(models)
    Path("experiments/results").mkdir(parents=True)
    corpus = sorted((row(index) | {"split": "test"} for index in range(16)), key=lambda one: one["image_id"])
    write_rows(Path(EMOSET.path), EMOSET.schema, corpus)
    for method in load_params(Path("params.yaml")).methods:
        skipped = {"disgust"} if method == "coemogen_emoart" else set()
        images = [generated(one) | {"prompt": "<script>&{S}", "model": f"hash-of-{method}"}
                  for one in rows(range(48)).to_pylist() if one["emotion"] not in skipped]  # fmt: skip
        write_rows(Path(IMAGES.of(method).path), IMAGES.schema, images)
    for index, name in enumerate((*PLOTS, "grids/gone/transfer")):
        path = Path(f"plots/{name}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(index, (1500, 300)).save(path)
    for name, table in TABLES.items():
        path = Path(f"plots/{name}.csv")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(table)
    write_metrics()


def write_rows(folder: Path, schema: Any, found: list[dict[str, Any]]) -> None:
    table = encode_words(pa.Table.from_pylist(found, schema.arrow), schema)
    write_table(folder / "part-00000.parquet", table, schema)


def write_metrics() -> None:
    found: dict[str, dict[str, Any]] = {
        "emoset": {"num_rows": 100, "num_images": 97, "images.train": 80, "rejects.truncated_image": 3,
                   "rejects.empty_file": 0},
        "caption_filter/emoset": {"num_kept": 64},
        "emoart_funnel": {f"num_{name}": 10 - index for index, name in enumerate(
            ("collected", "readable", "confident", "frequent", "captioned", "kept"))},
        "feedback": {"n": 256, "num_kept": 91, "num_both_ranks": 40, "kept_frac": 0.3555},
        "scores/stable_diffusion": {"n": 48, "emo_a/classifier": 0.5, "emo_a/classifier/low": 0.4,
                                    "emo_a/classifier/high": 0.6, "real/emo_a/classifier": 0.8},
    }  # fmt: skip
    for name, values in found.items():
        path = Path(f"metrics/{name}.json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))


class Checker(HTMLParser):
    """Every element that is opened is closed, in order; what is referred to is kept, with the ids and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        if values.get("id"):
            self.ids.append(str(values["id"]))
        self.references += [str(values[name]) for name in ("src", "href", "data", "srcset") if name in values]
        if tag == "img":
            self.images.append(values)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def checked(page: str) -> Checker:
    checker = Checker()
    checker.feed(page)
    checker.close()
    return checker


def test_the_page_is_well_formed_and_has_every_section(page: str, checked: Checker) -> None:
    assert page.lstrip().startswith("<!DOCTYPE html>")
    assert checked.open == []
    assert tuple(checked.ids) == SECTIONS
    assert [reference[1:] for reference in checked.references if reference.startswith("#")] == list(SECTIONS)


def test_nothing_is_loaded_and_nothing_runs(page: str, checked: Checker) -> None:
    assert all(reference.startswith(("#", "data:image/webp;base64,")) for reference in checked.references)
    assert "://" not in page
    assert not re.search(r"url\(|@import", page)
    assert not checked.tags & {"script", "link", "iframe", "object", "embed", "base"}


def test_it_is_made_for_phones_for_the_dark_and_for_paper(page: str) -> None:
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page
    for query in ("@media print", "prefers-color-scheme: dark", "max-width: 40rem"):
        assert query in page


def test_every_picture_decodes_has_its_size_and_says_what_it_shows(checked: Checker) -> None:
    assert len(checked.images) > 100
    for each in checked.images:
        with Image.open(io.BytesIO(base64.b64decode(str(each["src"]).partition(",")[2]))) as found:
            found.load()
            assert [str(length) for length in found.size] == [each["width"], each["height"]]
        assert each["alt"]


def test_every_method_shows_every_emotion_that_it_knows(checked: Checker) -> None:
    shown = [str(each["alt"]) for each in checked.images]
    for method in load_params(ROOT / "params.yaml").methods:
        for emotion in EMOTIONS:
            known = (method, emotion) != ("coemogen_emoart", "disgust")
            assert shown.count(f"{emotion} by {method}") == (2 if known else 0)


def test_plots_are_shown_but_for_those_of_other_params(checked: Checker) -> None:
    shown = [str(each["alt"]) for each in checked.images]
    for alt in ("examples, caption_filter emoset", "words, caption_filter emoart", "funnel of emoart_funnel",
                "curve of coemogen emoset", "curve of uniemo_joint", "confusion of judges",
                "transfer, grids stable_diffusion"):  # fmt: skip
        assert shown.count(alt) == 1, alt
    assert not any("gone" in alt for alt in shown)
    wide = [each for each in checked.images if each["alt"] == "funnel of emoart_funnel"]
    assert (wide[0]["width"], wide[0]["height"]) == ("1280", "256")


def test_a_test_picture_of_each_emotion_has_both_overlays(checked: Checker) -> None:
    shown = [str(each["alt"]) for each in checked.images]
    assert [alt for alt in shown if alt.startswith("a test image")] == [f"a test image of {name}" for name in EMOTIONS]
    assert shown.count("where scene queries look") == shown.count("where object queries look") == len(EMOTIONS)


def test_counts_tables_and_provenance_are_told_and_what_comes_from_data_is_escaped(page: str, checked: Checker) -> None:
    assert "Rejected: 3 truncated image." in checked.text
    assert "hash-of-uniemo_joint" in checked.text
    assert "<script>&{S}" in checked.text
    assert "<script>" not in page
    for said in ("CoEmoGen, Table 1.", "UniEmo, Table VIII.", "paper 40.66", "40.00 to 60.00", "n 48, real 80.00",
                 "Not the same quantity as the paper's number", "drop_fraction", "0.3555"):  # fmt: skip
        assert said in checked.text, said


IN_A_BROWSER = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium here; Debian's is the package chromium")
FRAME = """<!DOCTYPE html><iframe src="index.html" width="{width}" height="800" onload="
const page = this.contentDocument.documentElement;
document.body.append(`needs ${{page.scrollWidth}} of ${{page.clientWidth}}`)"></iframe>"""


def browse(folder: Path, *options: str, name: str = "index.html") -> bytes:
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files",
               f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=5000", *options]  # fmt: skip
    url = (folder / name).as_uri()
    return subprocess.run([*command, url], capture_output=True, timeout=900, check=True).stdout


@IN_A_BROWSER
def test_a_browser_opens_it_and_draws_it(page: str, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(page, encoding="utf-8")
    dumped, shot = browse(tmp_path, "--dump-dom"), tmp_path / "page.png"
    assert all(f'id="{section}"'.encode() in dumped for section in SECTIONS)
    browse(tmp_path, "--window-size=1280,2400", f"--screenshot={shot}")
    with Image.open(shot) as drawn:
        assert len(drawn.convert("RGB").resize((100, 200)).getcolors(20_000) or []) > 50


@IN_A_BROWSER
@pytest.mark.parametrize("width", [360, 390, 1280])
def test_it_fits_the_width_of_a_phone(page: str, tmp_path: Path, width: int) -> None:
    """In a frame, as a window of Chromium is never narrower than 500 px."""
    (tmp_path / "index.html").write_text(page, encoding="utf-8")
    (tmp_path / "frame.html").write_text(FRAME.format(width=width))
    told = re.search(rb">needs (\d+) of (\d+)<", browse(tmp_path, "--dump-dom", name="frame.html").replace(b"\n", b""))
    assert told, "the page was not loaded"
    needed, given = map(int, told.groups())
    assert width - 20 <= given <= width
    assert needed <= given


@IN_A_BROWSER
def test_it_prints(page: str, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(page, encoding="utf-8")
    browse(tmp_path, f"--print-to-pdf={tmp_path / 'page.pdf'}")
    printed = (tmp_path / "page.pdf").read_bytes()
    assert printed.startswith(b"%PDF")
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 60
