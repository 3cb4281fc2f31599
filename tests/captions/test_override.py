"""A CSV of the user's captions is read as written, or refused with the line that is wrong."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.captions.override import check_known, read_captions, write_csv

HEADER = "image_id,caption\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "captions.csv"


def test_captions_with_commas_quotes_and_line_breaks_are_read(file: Path) -> None:
    file.write_text(f'{HEADER}emoset/a,"a beach, with ""sand"""\n emoset/b ,"a lake\n at  night"\n')
    assert read_captions(file) == {"emoset/a": 'a beach, with "sand"', "emoset/b": "a lake at night"}


def test_what_spreadsheets_leave_behind_is_read(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbfimage_id,caption\r\nemoset/a,a caf\xc3\xa9\r\n\r\n")
    assert read_captions(file) == {"emoset/a": "a café"}


def test_a_file_of_the_header_alone_has_no_captions(file: Path) -> None:
    file.write_text(HEADER)
    assert read_captions(file) == {}


def test_only_ids_of_the_prefix_are_returned_but_all_are_checked(file: Path) -> None:
    file.write_text(f"{HEADER}emoset/a,a beach\nemoart/a,a lake\n")
    assert read_captions(file, "emoart/") == {"emoart/a": "a lake"}
    file.write_text(f"{HEADER}emoset/a,\nemoart/a,a lake\n")
    with pytest.raises(ValueError, match="line 2"):
        read_captions(file, "emoart/")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"the file is empty; its first line must be image_id,caption"),
        ("image_id;caption\nemoset/a;a beach\n", r"the first line is 'image_id;caption'"),
        (
            f"{HEADER}emoset/a,a beach, with sand\n",
            r"line 2: 3 columns, expected .*; put captions that contain commas in quotes",
        ),
        (f"{HEADER}emoset/a\n", r"line 2: 1 columns, expected image_id,caption"),
        (f"{HEADER}emoset/a,a beach\nemoset/b, \n", r"line 3: the caption of emoset/b is empty"),
        (f"{HEADER}emoset/a,a\0beach\n", r"line 2: the caption of emoset/a contains a control character"),
        (f"{HEADER}emoset/a,a beach\nemoset/a,a lake\n", r"line 3: emoset/a already has a caption"),
        (f"{HEADER}amusement_00001,a beach\n", r"line 2: 'amusement_00001' is not an image_id"),
        (f'{HEADER}emoset/a,"a beach\nemoset/b,a lake\n', r"line 3: unexpected end of data"),
        (f"{HEADER}emoset/a,{'a' * 200_000}\n", r"line 2: field larger than field limit"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    with pytest.raises(ValueError, match=rf"captions\.csv.*{message}"):
        read_captions(file)


def test_another_encoding_is_named(file: Path) -> None:
    file.write_bytes(f"{HEADER}emoset/a,a café\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"captions\.csv: not UTF-8"):
        read_captions(file)


def test_captions_for_no_picture_are_counted(file: Path) -> None:
    captions = {"emoset/a": "a beach", "emoset/x": "a lake", "emoset/y": "a park"}
    with pytest.raises(ValueError, match=r"2 captions have an image_id that is in no corpus; the first is emoset/x"):
        check_known(captions, {"emoset/a"}, file)
    check_known(captions, set(captions), file)


TEXTS = (
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1)
    .map(lambda text: " ".join(text.split()))
    .filter(bool)
)


@given(st.dictionaries(st.from_regex(r"emoset/\w+", fullmatch=True), TEXTS))
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, captions: dict[str, str]) -> None:
    file = tmp_path_factory.getbasetemp() / "written.csv"
    assert write_csv(captions.items(), file) == len(captions)
    assert read_captions(file) == captions
    assert b"\r" not in file.read_bytes()
