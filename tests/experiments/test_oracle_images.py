"""Oracle images are drawn once, decoded once, and come with the emotions that they are annotated with."""

from pathlib import Path

import pytest

from experiments.uniemo_oracle import drawn


def test_oracle_images_are_drawn_and_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    oracle = drawn(tmp_path / "oracle", 8)
    assert oracle.squares.shape == (8, 64, 64, 3)
    assert oracle.emotions.shape == (8,)
    monkeypatch.setattr("subprocess.run", lambda *_, **__: pytest.fail("drawn again"))
    again = drawn(tmp_path / "oracle", 8)
    assert (again.squares == oracle.squares).all()
    assert again.emotions.tolist() == oracle.emotions.tolist()
