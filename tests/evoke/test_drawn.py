"""The bundled models are said to know drawn pictures alone, and no other models are."""

import shutil
from pathlib import Path

import pytest

from evoke.drawn import warn_of_drawings

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("preset", "says"), [("bundled", True), ("hub", False), ("of something else", False)])
def test_only_the_bundled_clip_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], preset: str, says: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    warn_of_drawings("--clip")
    assert not capsys.readouterr().err
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    text = Path("params.yaml").read_text()
    assert text.index("foundation_clip:") < text.index("source: bundled") < text.index("foundation_diffusion:")
    if preset == "hub":
        pinned = (("source: bundled", "source: hub"), ("hub_id: null", "hub_id: somebody/clip"),
                  ("hub_revision: null", f"hub_revision: '{'1' * 40}'"))  # fmt: skip
        for old, new in pinned:
            text = text.replace(old, new, 1)
    Path("params.yaml").write_text("lr: 0.1\n" if preset == "of something else" else text)
    warn_of_drawings("--clip")
    assert ("drawn images only; for photographs, give --clip" in capsys.readouterr().err) == says
