"""The stage report on images of noise: one file that holds all it shows, well formed, and alive in a browser."""

import base64
import io
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from pipeline.artifacts import CAPTION_FILTER, CAPTIONS, CORRELATION, EMOSET, IMAGES, REPORT, encode_words, write_table
from pipeline.emotions import EMOTIONS
from pipeline.generation.grids import draw_grid, grids
from pipeline.params import load_params
from pipeline.report.names import readable
from stages import report
from tests.judges.conftest import row
from tests.metrics.bench import rows
from tests.repository import enter_repository
from tests.stages.test_scores import generated
from tests.uniemo.test_reader import random_understanding

ROOT = Path(__file__).parents[2]
SECTIONS = ("story", "results", "numbers", "play", "figures", "tables", "experiments", "appendix")
STORY = ("Real images", "Stable Diffusion", "CoEmoGen", "UniEmo after feedback")
TABLES = {
    "uniemo_joint/curve": "step,ldm,cond,scene,object\n1,2,3,4,5\n2,1,2,3,4\n",
    "coemogen/emoset/curve": "step,ldm,sem,rate_factor\n1,2,3,1\n2,1,2,0\n",
    "coemogen/gone/curve": "step,vanished\n1,2\n",
    "judges/confusion": "labelled,classified,images\n"
    + "".join(f"{one},{other},{int(one == other)}\n" for one in EMOTIONS for other in EMOTIONS),
}
GRID = {
    "grid": "coemogen_table2b", "seeds": [0, 1, 2], "images_per_seed": 1024, "outdated": "with older weights",
    "rows": {"one-hot": {"emo_a/judge": {"mean": 0.9}}, "text": {"emo_a/judge": {
        "mean": 0.8, "difference": -0.1, "low": -0.15, "high": -0.05, "resolves": 0.04, "verdict": "agrees"}}},
}  # fmt: skip
VOID = ("meta", "img", "br", "link", "input")
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
            result = CliRunner().invoke(report.main, [])
            assert result.exit_code == 0, result.output
            pages.append(Path(REPORT.path).read_bytes())
    assert pages[0] == pages[1]
    return pages[0].decode()


def write_repository(models: Path) -> None:
    Path("params.yaml").write_text(
        (ROOT / "params.yaml").read_text().replace("images_per_cell: 8", "images_per_cell: 2")
    )
    Path("models").symlink_to(models)
    corpus = sorted((row(index) | {"split": "test"} for index in range(16)), key=lambda one: one["image_id"])
    write_rows(Path(EMOSET.path), EMOSET.schema, corpus)
    for method in load_params(Path("params.yaml")).methods:
        skipped = {"disgust"} if method == "coemogen_emoart" else set()
        images = [generated(one) | {"prompt": "<script>&{S}", "model": f"hash-of-{method}", "seed": 7}
                  for one in rows(range(48)).to_pylist() if one["emotion"] not in skipped]  # fmt: skip
        write_rows(Path(IMAGES.of(method).path), IMAGES.schema, images)
        write_scores(method, images)
    write_scores("real", corpus)
    write_captions(corpus)
    attribute = {"attribute": "scene/beach", "kind": "scene", "name": "beach", "num_images": 3}
    numbers = dict.fromkeys(("coefficient", "mean", "standard_error", "in_sample"), [0.125] * len(EMOTIONS))
    write_one(Path(CORRELATION.path), CORRELATION.schema, [attribute | numbers])
    write_plots()
    write_metrics()


def write_rows(folder: Path, schema: Any, found: list[dict[str, Any]]) -> None:
    write_one(folder / "part-00000.parquet", schema, found)


def write_one(path: Path, schema: Any, found: list[dict[str, Any]]) -> None:
    write_table(path, encode_words(pa.Table.from_pylist(found, schema.arrow), schema), schema)


def write_scores(name: str, images: list[dict[str, Any]]) -> None:
    """Let the judge read awe in every image."""
    awe = np.eye(len(EMOTIONS))[EMOTIONS.index("awe")].tolist()
    table = pa.Table.from_pylist([{"image_id": one["image_id"], "judge": awe} for one in images])
    write_table(Path(f"data/scores/{name}/part-00000.parquet"), table)


def write_captions(corpus: list[dict[str, Any]]) -> None:
    captions = [{"image_id": one["image_id"], "variant": "emotion", "caption": f"a <b>quiet</b> {one['emotion']} lake",
                 "num_tokens": 4, "truncated": False} for one in corpus]  # fmt: skip
    filtered = [
        {"image_id": one["image_id"], "emotion": one["emotion"], "split": "train", "similarity": 0.1 + 0.02 * index,
         "rank": index % 2, "kept": index % 2 == 1, "reason": "x"} for index, one in enumerate(corpus)
    ]  # fmt: skip
    for name in ("emoset", "emoart"):
        write_rows(Path(CAPTIONS.of(name).path), CAPTIONS.schema, captions)
        write_one(Path(CAPTION_FILTER.of(name).path), CAPTION_FILTER.schema, filtered)


def write_plots() -> None:
    for name, table in TABLES.items():
        path = Path(f"plots/{name}.csv")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(table)
    grid = grids(EMOTIONS, load_params(Path("params.yaml")).grids)["strength"]
    for method in ("coemogen_emoset", "gone"):
        Path(f"plots/grids/{method}").mkdir(parents=True)
        draw_grid(grid, lambda requests: [np.full((64, 64, 3), index, np.uint8) for index, _ in enumerate(requests)],
                  Path(f"plots/grids/{method}/strength.png"))  # fmt: skip


def write_metrics() -> None:
    found: dict[str, dict[str, Any]] = {
        "emoset": {"num_rows": 100, "num_images": 97, "images.train": 80, "rejects.truncated_image": 3,
                   "rejects.empty_file": 0},
        "caption_filter/emoset": {"num_kept": 64},
        "emoart_funnel": {f"num_{name}": 10 - index for index, name in enumerate(
            ("collected", "readable", "confident", "frequent", "captioned", "kept"))},
        "feedback": {"n": 256, "num_kept": 91, "num_both_ranks": 40, "kept_frac": 0.3555},
        "real_scores": {"emo_a/judge": 0.8, "emo_a/judge/low": 0.75, "emo_a/judge/high": 0.85, "emo_a/judge/n": 16},
    }  # fmt: skip
    for method, emo_a in (("stable_diffusion", 0.5), ("coemogen_emoset", 0.9)):
        found[f"scores/{method}"] = {
            "n": 48, "seed": 0, "judge/judge": "judge_small", "real/emo_a/judge": 0.8, "emo_a/judge": emo_a,
            "emo_a/judge/low": emo_a - 0.1, "emo_a/judge/high": emo_a + 0.1, "emo_a/judge/awe": 0.3,
        }  # fmt: skip
    for name, values in found.items():
        path = Path(f"metrics/{name}.json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    Path("experiments/results").mkdir(parents=True)
    Path("experiments/results/coemogen_table2b.json").write_text(json.dumps(GRID))


class Checker(HTMLParser):
    """Every element that is opened is closed, in order; what is referred to is kept, with the ids and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.cells: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if values.get("id"):
            self.ids.append(str(values["id"]))
        self.references += [str(values[name]) for name in ("src", "href", "data", "srcset") if name in values]
        if tag == "img":
            self.images.append(values)
        if tag == "td":
            self.cells.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "script" not in self.open and "style" not in self.open:
            self.text += data
            if "td" in self.open:
                self.cells[-1] += data.strip()


@pytest.fixture(scope="module")
def checked(page: str) -> Checker:
    checker = Checker()
    checker.feed(page)
    checker.close()
    return checker


def test_the_page_is_well_formed_and_begins_with_the_story(page: str, checked: Checker) -> None:
    assert page.lstrip().startswith("<!DOCTYPE html>")
    assert checked.open == []
    assert tuple(name for name in checked.ids if name in SECTIONS) == SECTIONS
    assert len(checked.ids) == len(set(checked.ids))
    shown = [str(each["alt"]) for each in checked.images[: 4 * len(EMOTIONS)]]
    assert (
        shown == [f"{emotion}, a real image" for emotion in EMOTIONS] + [f"{emotion}, mine" for emotion in EMOTIONS] * 3
    )
    places = [checked.text.index(name) for name in STORY]
    assert places == sorted(places)


def test_nothing_is_loaded_from_anywhere(page: str, checked: Checker) -> None:
    assert all(reference.startswith(("#", "data:")) for reference in checked.references)
    assert "://" not in page
    assert not re.search(r"url\((?!data:image/webp;base64,)|@import|fetch\(|XMLHttp", page)
    assert "default-src 'none'" in page


def test_every_number_has_a_receipt(page: str, checked: Checker) -> None:
    links = {reference[1:] for reference in checked.references if reference.startswith("#")}
    assert links <= set(checked.ids)
    assert {"receipt-scores@stable_diffusion", "receipt-real_scores", "receipt-coemogen_table2b"} <= links
    assert re.search(
        r'data-unit="scores@coemogen_emoset"[^>]*data-measure="emo_a/judge" data-n="48"[^>]*>90.00</a>', page
    )
    for said in ("evoke repro scores@coemogen_emoset", "metrics/scores/coemogen_emoset.json",
                 "hash-of-coemogen_emoset", "judge_small", "python -m experiments.run coemogen_table2b",
                 "outdated: with older weights"):  # fmt: skip
        assert said in checked.text, said


def test_what_was_not_measured_takes_no_room(checked: Checker) -> None:
    assert "-" not in checked.cells
    assert "Sem-D" not in checked.text.partition("All numbers of this run")[2].partition("Try it")[0]
    assert "CoEmoGen over Stable Diffusion: +40.0 [" in " ".join(checked.text.split())
    assert "dvc repro" not in checked.text


def test_every_picture_decodes_has_its_size_and_says_what_it_shows(page: str, checked: Checker) -> None:
    assert len(checked.images) > 100
    for each in checked.images:
        with Image.open(io.BytesIO(base64.b64decode(str(each["src"]).partition(",")[2]))) as found:
            found.load()
            assert [str(length) for length in found.size] == [each["width"], each["height"]]
        assert each["alt"]
    sheets = re.findall(r"url\(data:image/webp;base64,([^)]+)\)", page)
    assert [Image.open(io.BytesIO(base64.b64decode(sheet))).size for sheet in sheets] == [(128, 64 * 12)]


def test_methods_have_names_and_what_they_lack_is_said(checked: Checker) -> None:
    shown = [readable(method) for method in load_params(ROOT / "params.yaml").methods]
    assert all(name in checked.text for name in shown)
    assert checked.text.count("not trained on it") == 1  # disgust by CoEmoGen on EmoArt
    before_appendix = checked.text.rpartition("Appendix")[0]
    assert "CoEmoGen" in before_appendix
    assert "coemogen_emoset" not in before_appendix


def test_what_is_drawn_is_of_these_params(page: str, checked: Checker) -> None:
    assert "Judge on pixels: 8 of 8 correct" in checked.text
    assert "ldm: 1 at step 2" in checked.text
    assert "vanished" not in checked.text
    assert "gone" not in page.partition("<script>")[0]
    assert page.count("<path d=") == 6


def test_a_test_picture_of_each_emotion_has_both_overlays(checked: Checker) -> None:
    shown = [str(each["alt"]) for each in checked.images]
    assert [alt for alt in shown if alt.startswith("a test image")] == [f"a test image of {name}" for name in EMOTIONS]
    assert shown.count("where scene queries look") == shown.count("where object queries look") == len(EMOTIONS)


def test_words_counts_and_verdicts_are_told_and_what_comes_from_data_is_escaped(page: str, checked: Checker) -> None:
    for said in ("Rejected from EmoSet: 3 truncated image.", "1 kept, 1 dropped", "a <b>quiet</b> awe lake", "0.3555",
                 "CoEmoGen, Table 1.", "UniEmo, Table VIII.", "40.66", "drop_fraction", "1 comparisons, 1 agree",
                 "Outdated: with older weights.", "printed differences are resolved"):  # fmt: skip
        assert said in checked.text, said
    assert "<script>&{S}" not in page
    assert "<b>quiet" not in page


IN_A_BROWSER = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium here; Debian's is the package chromium")
FRAME = """<!DOCTYPE html><iframe src="index.html" width="{width}" height="800" onload="
const page = this.contentDocument.documentElement;
document.body.append(`needs ${{page.scrollWidth}} of ${{page.clientWidth}}`)"></iframe>"""


def browse(folder: Path, *options: str, name: str = "index.html") -> bytes:
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files",
               f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=5000", *options]  # fmt: skip
    url = (folder / name).as_uri()
    return subprocess.run([*command, url], capture_output=True, timeout=900, check=True).stdout


def told(page: str, folder: Path, script: str) -> Any:
    """Return what a script finds in a browser once the page is loaded, as JSON."""
    errors = "<script>window.wrong = []; onerror = (message) => { wrong.push(message); };</script><style>"
    answer = f"btoa(JSON.stringify((() => {{ {script} }})()))"
    ends = f"<script>document.body.append('told ' + {answer} + ' end');</script></body>"
    changed = page.replace("<style>", errors, 1).replace("</body>", ends)
    (folder / "index.html").write_text(changed, encoding="utf-8")
    found = re.search(rb"told (\S+) end</body>", browse(folder, "--dump-dom").replace(b"\n", b""))
    assert found, "the script did not end"
    return json.loads(base64.b64decode(found[1]))


@IN_A_BROWSER
def test_a_browser_opens_it_and_draws_it_in_the_dark_too(page: str, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(page, encoding="utf-8")
    corners = []
    for scheme in ((), ("--blink-settings=preferredColorScheme=0",)):
        browse(tmp_path, "--window-size=1280,800", f"--screenshot={tmp_path / 'page.png'}", *scheme)
        with Image.open(tmp_path / "page.png") as drawn:
            assert len(drawn.convert("RGB").resize((100, 200)).getcolors(20_000) or []) > 50
            corners.append(drawn.convert("L").getpixel((2, 700)))
    assert corners == [255, 22]


@IN_A_BROWSER
def test_tables_sort_and_filter_numbers_show_their_receipt_and_sliders_move(page: str, tmp_path: Path) -> None:
    script = """
    const result = {}, first = () => document.querySelector("#numbers tbody tr th").textContent;
    const head = document.querySelectorAll("#numbers thead button")[1];
    head.click(); result.lowest = first(); head.click(); result.highest = first();
    document.querySelector("#numbers a.number").click();
    result.receipt = document.querySelector("dialog[open]").textContent; document.querySelector("dialog").close();
    document.querySelector(".tile").click(); result.image = document.querySelectorAll("dialog[open] img").length;
    document.querySelector("dialog").close();
    const filter = document.getElementById("filter");
    filter.value = "text"; filter.dispatchEvent(new Event("input", { bubbles: true }));
    result.tables = [...document.querySelectorAll("#tables details")].filter((one) => one.open).length;
    const seed = document.querySelector(".dial [data-of=seed]"), tile = document.querySelector(".dial .cut");
    seed.value = 1; seed.dispatchEvent(new Event("input", { bubbles: true }));
    result.dial = [getComputedStyle(tile).getPropertyValue("--s"), tile.getAttribute("aria-label")];
    document.getElementById("theme").click(); result.scheme = document.documentElement.style.colorScheme;
    location.hash = "#receipt-emoset"; result.errors = wrong; return result;"""
    result = told(page, tmp_path, script)
    assert (result["lowest"], result["highest"]) == ("Stable Diffusion", "CoEmoGen")
    assert "metrics/scores/coemogen_emoset.json" in result["receipt"]
    assert "80.00 to 100.00" in result["receipt"]
    assert result["image"] == 1
    assert result["tables"] == 1
    assert result["dial"] == ["1", "amusement, 1, seed 1, CoEmoGen"]
    assert result["scheme"] == "dark"
    assert result["errors"] == []


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
