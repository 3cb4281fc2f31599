"""Why a foreign file is not taken: one word that a test or a script can compare, and what was found, for a person."""

from enum import StrEnum


class Refusal(StrEnum):
    """Why what a foreign file holds is not taken. Files that cannot even be read have pipeline.corpora's Reason."""

    html_page = "html_page"  # a download that got an error page or a login
    not_a_pickle = "not_a_pickle"  # another format, or a protocol before 2, which no Python 3 writes unasked
    malformed_pickle = "malformed_pickle"  # ends early, or its opcodes do not fit together
    forbidden_opcode = "forbidden_opcode"  # builds what no list, dictionary or array needs
    forbidden_global = "forbidden_global"  # names code: what a hostile pickle is made of
    repeated_container = "repeated_container"  # one object in several places, as in a billion laughs
    too_many_opcodes = "too_many_opcodes"  # more than an honest file of this size limit
    not_a_torch_zip = "not_a_torch_zip"  # a tar or bare pickle of an old torch, or no checkpoint at all
    malformed_archive = "malformed_archive"  # truncated, or its entries are not those that torch.save writes
    wrong_type = "wrong_type"  # another container or element than EmoGen's
    wrong_keys = "wrong_keys"  # missing, excess or unusable names
    wrong_shape = "wrong_shape"
    not_finite = "not_finite"  # NaN or an infinity
    out_of_range = "out_of_range"  # no probabilities, or a deviation below 0
    ambiguous = "ambiguous"  # several files of one name with different bytes
    incomplete = "incomplete"  # some of the files that only make sense together are missing


class RefusedError(ValueError):
    """Raised for one foreign file, whose importer notes it and goes on with the next."""

    def __init__(self, reason: StrEnum, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
