"""Define why a foreign file is refused: one word for tests and scripts to compare, and a detail for people."""

from enum import StrEnum


class Refusal(StrEnum):
    """The reason why the contents of a foreign file are refused. Unreadable files have pipeline.corpora's Reason."""

    html_page = "html_page"  # a download that returned an error or login page
    not_a_pickle = "not_a_pickle"  # another format, or a protocol before 2, which Python 3 never writes by default
    malformed_pickle = "malformed_pickle"  # ends early, or its opcodes do not fit together
    forbidden_opcode = "forbidden_opcode"  # builds objects that no list, dictionary or array needs
    forbidden_global = "forbidden_global"  # names code, as hostile pickles do
    repeated_container = "repeated_container"  # one object in several places, as in a billion-laughs attack
    too_many_opcodes = "too_many_opcodes"  # more than an honest file within the size limit has
    not_a_torch_zip = "not_a_torch_zip"  # a tar file or bare pickle of an old torch, or not a checkpoint
    malformed_archive = "malformed_archive"  # truncated, or with entries that torch.save does not write
    wrong_type = "wrong_type"  # not the container or element type of EmoGen's file
    wrong_keys = "wrong_keys"  # missing, excess or unusable names
    wrong_shape = "wrong_shape"
    not_finite = "not_finite"  # NaN or an infinity
    out_of_range = "out_of_range"  # not probabilities, or a deviation below 0
    ambiguous = "ambiguous"  # several files of one name with different bytes
    incomplete = "incomplete"  # one of several files that are only usable together is missing


class RefusedError(ValueError):
    """Raised for one foreign file; the importer records it and continues with the next."""

    def __init__(self, reason: StrEnum, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
