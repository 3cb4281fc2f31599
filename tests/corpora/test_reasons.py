"""Every reason for a reject has an example, in the tests of the reader or of the pass that gives it."""

from pipeline.corpora.records import Reason

from . import test_emoset, test_folder, test_wikiart

OF_SELECTION = {Reason.duplicate_image}  # tests/corpora/test_selection.py


def test_every_reason_has_its_example() -> None:
    examples = [test_emoset.EXAMPLES, test_folder.EXAMPLES, test_wikiart.EXAMPLES]
    assert set().union(*examples) | OF_SELECTION == set(Reason)
