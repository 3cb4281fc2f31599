"""A tar is read as the folder that unpacking it would make; a hostile one gives rejects and never more memory."""

import io
import tarfile
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.corpora import tar
from pipeline.corpora.folder import plan as plan_folder
from pipeline.corpora.images import MAX_IMAGE_BYTES
from pipeline.corpora.picture import Picture
from pipeline.corpora.records import Reject

from .gallery import stored, write_files, write_tar

DATA = stored()


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, link
    return info


def raw(*parts: tarfile.TarInfo | bytes) -> bytes:
    """The bytes of a tar, header by header: data are padded to blocks, and the end mark is the caller's."""
    blocks = [part.tobuf(tarfile.GNU_FORMAT) if isinstance(part, tarfile.TarInfo) else part for part in parts]
    return b"".join(block + bytes(-len(block) % 512) for block in blocks)


END = bytes(1024)


def outcomes(path: Path) -> dict[str, Picture | Reject]:
    found = list(tar.read(path, "mine", "", tar.images(path)))
    ids = [one.image_id if isinstance(one, Picture) else one.image_id_or_path for one in found]
    assert ids == sorted(set(ids)), "ids ascend and are unique"
    return dict(zip(ids, found, strict=True))


def of(path: Path, data: bytes) -> dict[str, str]:
    """Writes a tar of these bytes; the reason of each reject, and "" for an image, by id below mine/."""
    path.write_bytes(data)
    return {
        key.removeprefix("mine/"): one.reason.value if isinstance(one, Reject) else ""
        for key, one in outcomes(path).items()
    }


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_a_tar_is_the_folder_that_it_unpacks_to(tmp_path: Path, form: int) -> None:
    files = {
        "b/2.png": stored(number=2), "a.jpg": DATA, "a.png": stored(number=1), "b/2.txt": b"a caption",
        "x/._a.jpg": b"",
        f"{'long' * 40}/und ä ö.png": stored(number=3), "nameless": stored(number=4), ".hidden/a.png": DATA,
        "b/2.left.png": stored(number=5), "cut.png": DATA[:40], "none.png": b"", "page.jpg": b"<html>",
    }  # fmt: skip
    folder = write_files(tmp_path / "mine", files)
    packed = write_tar(tmp_path / "mine.tar", files, form=form, mtime=1.5)
    units = plan_folder(folder, "mine", 100)
    from_folder = [one for unit in units for one in unit.read()]
    for ours, theirs in zip(outcomes(packed).values(), from_folder, strict=True):
        if isinstance(theirs, Picture) and isinstance(ours, Picture):
            assert (ours.image_id, ours.path, ours.image_bytes) == (theirs.image_id, theirs.path, theirs.image_bytes)
        else:
            assert ours == theirs


def test_members_that_are_no_plain_images_are_rejects_with_their_reasons(tmp_path: Path) -> None:
    data = raw(
        member("/etc/a.png", size=len(DATA)), DATA,
        member("../../up.png", size=len(DATA)), DATA,
        member("in/../../up2.png", size=len(DATA)), DATA,
        member("soft.png", tarfile.SYMTYPE, link="/etc/passwd"),
        member("hard.png", tarfile.LNKTYPE, link="ok.png"),
        member("pipe.png", tarfile.FIFOTYPE),
        member("device.png", tarfile.CHRTYPE),
        member("sparse.png", tarfile.GNUTYPE_SPARSE, size=512), bytes(512),
        member("new\nline.png", size=len(DATA)), DATA,
        member("back\\slash.png", size=len(DATA)), DATA,
        member("folder.png", tarfile.DIRTYPE),
        member("./ok.png", size=len(DATA)), DATA,
        END,
    )  # fmt: skip
    assert of(tmp_path / "a.tar", data) == {
        "/etc/a": "path_outside_folder", "../../up": "path_outside_folder", "../up2": "path_outside_folder",
        "soft": "unreadable_file", "hard": "unreadable_file", "pipe": "unreadable_file", "device": "unreadable_file",
        "sparse": "unreadable_file", "new_line": "malformed_path", "back_slash": "malformed_path", "ok": "",
    }  # fmt: skip


def test_a_huge_member_is_refused_unread_and_what_follows_is_read(tmp_path: Path) -> None:
    huge = MAX_IMAGE_BYTES + 512
    path = tmp_path / "a.tar"
    with path.open("wb") as file:
        file.write(raw(member("huge.png", size=huge)))
        file.seek(huge, io.SEEK_CUR)  # a hole
        file.write(raw(member("ok.png", size=len(DATA)), DATA, END))
    tracemalloc.start()
    found = outcomes(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [getattr(one, "reason", None) for one in found.values()] == ["file_too_large", None]
    assert peak < 4_000_000


BOMB = raw(member("pax", tarfile.XHDTYPE, size=1 << 40), b"30 path=x\n")


@pytest.mark.parametrize(
    ("tail", "reason"),
    [
        (b"", "unreadable_file"),  # without an end mark
        (raw(b"\x01" * 512), "unreadable_file"),  # no header
        (BOMB, "unreadable_file"),  # an extended header of a terabyte
        (raw(member("pax", tarfile.XHDTYPE, size=512), b"0 path=x\n"), "unreadable_file"),
        (raw(member("pax", tarfile.XHDTYPE, size=512), b"99999999 "), "unreadable_file"),
        (raw(member("x.png", size=-512)), "unreadable_file"),
        (raw(END, member("behind.png", size=len(DATA)), DATA, END), "unreadable_file"),  # two tars in one
    ],
)
def test_damage_is_a_reject_under_the_name_of_the_tar_and_what_stands_before_is_read(
    tmp_path: Path, tail: bytes, reason: str
) -> None:
    assert of(tmp_path / "a.tar", raw(member("z.png", size=len(DATA)), DATA) + tail) == {"a.tar": reason, "z": ""}


def test_a_tar_cut_anywhere_gives_what_is_whole_and_says_that_it_is_cut(tmp_path: Path) -> None:
    whole = raw(member("a.png", size=len(DATA)), DATA, member("b.png", size=len(DATA)), DATA, END)
    reasons = {"", "truncated_image", "unreadable_file", "unsupported_format"}
    for end in range(0, len(whole) - len(END) + 1, 64):
        found = of(tmp_path / "a.tar", whole[:end])
        assert found["a.tar"] in ("unreadable_file", "unsupported_format" if not end or end < 512 else "")
        assert set(found.values()) <= reasons
        assert (found.get("a") == "") == (end >= 512 + len(DATA))
    assert of(tmp_path / "a.tar", whole) == {"a": "", "b": ""}


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_a_compressed_tar_is_one_reject_that_says_what_to_do(tmp_path: Path, mode: str) -> None:
    path = write_tar(tmp_path / "a.tar", {"a.png": DATA}, mode=mode)
    (only,) = outcomes(path).values()
    assert isinstance(only, Reject)
    assert only.reason == "unsupported_format"
    assert "if it is compressed, unpack it" in only.detail


def test_a_tar_of_very_many_images_is_read_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar, "MAX_IMAGES", 3)
    files = {f"{number}.png": stored(number=number) for number in range(5)}
    path = write_tar(tmp_path / "many.tar", files)
    assert [getattr(one, "reason", "") for one in outcomes(path).values()] == ["", "", "", "file_too_large"]


def test_the_rest_of_an_extended_header_is_read_in_time_that_grows_with_it(tmp_path: Path) -> None:
    header = b"5 =\n\n" * 200_000  # a megabyte of the shortest records
    data = raw(member("pax", tarfile.XHDTYPE, size=len(header)), header, member("a.png", size=len(DATA)), DATA, END)
    assert of(tmp_path / "a.tar", data) == {"a": ""}


def test_names_of_surrogates_and_a_path_of_a_megabyte_are_rejects(tmp_path: Path) -> None:
    names: Sequence[bytes] = (b"\xff.png", b"n" * 5000 + b".png")
    parts = [
        part
        for name in names
        for part in (member("l", tarfile.GNUTYPE_LONGNAME, size=len(name)), name, member("x", size=len(DATA)), DATA)
    ]
    assert set(of(tmp_path / "a.tar", raw(*parts, END)).values()) == {"malformed_path"}
