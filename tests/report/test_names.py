"""People read names, not identifiers."""

import pytest

from pipeline.params import METHODS
from pipeline.report.names import readable

ALL = (*METHODS, "coemogen_emoset", "coemogen_emoart")


@pytest.mark.parametrize("method", ALL)
def test_every_method_has_a_name_of_its_own(method: str) -> None:
    assert "_" not in readable(method)
    assert [readable(other) for other in ALL].count(readable(method)) == 1


def test_a_corpus_of_ones_own_is_named() -> None:
    assert readable("coemogen_mine") == "CoEmoGen on mine"
    assert readable("coemogen_emoart") == "CoEmoGen on EmoArt"
    assert readable("some_reader") == "some reader"
