"""`evoke report` says where the page is, opens it, and says what makes it."""

import webbrowser
from pathlib import Path

import pytest
from click.testing import CliRunner

from evoke.cli import main


def test_the_page_is_named_and_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def open_page(url: str) -> bool:
        opened.append(url)
        return True

    monkeypatch.setattr(webbrowser, "open", open_page)
    monkeypatch.chdir(tmp_path)
    missing = CliRunner().invoke(main, ["report", "--open"])
    assert missing.exit_code == 1
    assert "Error: report/index.html does not exist; `evoke repro report` makes it" in missing.output
    Path("report").mkdir()
    Path("report/index.html").write_text("<!DOCTYPE html>")
    shown = CliRunner().invoke(main, ["report"])
    assert shown.output.startswith(str(tmp_path.resolve() / "report/index.html"))
    assert opened == []
    assert CliRunner().invoke(main, ["report", "--open"]).exit_code == 0
    assert opened == [(tmp_path.resolve() / "report/index.html").as_uri()]


def test_without_a_browser_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webbrowser, "open", lambda url: False)
    monkeypatch.chdir(tmp_path)
    Path("report").mkdir()
    Path("report/index.html").write_text("<!DOCTYPE html>")
    result = CliRunner().invoke(main, ["report", "--open"])
    assert result.exit_code == 1
    assert "no browser was found" in result.output
