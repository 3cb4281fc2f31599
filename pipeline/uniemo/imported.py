"""Name imported coefficients as the corpus names its attributes.

EmoGen's tables come from folders, so their names lack what a folder's name cannot hold: EmoSet's scene bakery/shop is
shop there. An attribute of the corpus without a coefficient gets the mean of its kind (`fusion.coefficient_table`).
"""

import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence

import pyarrow as pa

log = logging.getLogger("evoke")


def named_as(annotated: Sequence[str], table: pa.Table) -> pa.Table:
    """Return an imported correlation table with the names of the corpus, sorted by attribute.

    `annotated` are the attributes of the corpus, kind/name. Attributes that stay without a coefficient are named in a
    warning. Raises ValueError if none of the corpus has one.
    """
    listed = table["attribute"].to_pylist()
    renamed = matches(annotated, listed)
    names = [renamed.get(name, name) for name in listed]
    unmatched = sorted(set(annotated) - set(names))
    if unmatched:
        told = f"{len(unmatched)} of {len(annotated)} attributes of the corpus have no imported coefficient"
        if len(unmatched) == len(annotated):
            raise ValueError(
                f"{told}: the corpus has names such as {', '.join(unmatched[:3])}, the imported table such as "
                f"{', '.join(listed[:3])}; import the table of this corpus, or set correlation.source to computed"
            )
        log.warning("%s and get the mean of their kind: %s", told, ", ".join(unmatched))
    for column, values in (("attribute", names), ("name", [name.partition("/")[2] for name in names])):
        table = table.set_column(table.column_names.index(column), column, pa.array(values, pa.string()))
    return table.sort_by("attribute")


def matches(annotated: Sequence[str], listed: Sequence[str]) -> Mapping[str, str]:
    """Return the listed names that mean an annotated one without doubt, with that one; equal names are left out.

    Two names match if they have a spelling in common and neither shares one with a third name that has no equal.
    """
    open_names = {name: spellings(name) for name in annotated if name not in set(listed)}
    others = {name: spellings(name) for name in listed if name not in set(annotated)}
    pairs = [(name, other) for name, own in open_names.items() for other, its in others.items() if own & its]
    counts = Counter(name for pair in pairs for name in set(pair))
    return {other: name for name, other in pairs if counts[name] == counts[other] == 1}


def spellings(attribute: str) -> set[str]:
    """Return the ways in which sources write the name of an attribute, kind/name, each as kind/words.

    They are its letters and digits, without what is in brackets, and the last part of a name with slashes: for
    object/organ_(musical_instrument) also object/organ, and for scene/bakery/shop also scene/shop.
    """
    kind, _, name = attribute.partition("/")
    ways = (name, re.sub(r"\(.*?\)", "", name), name.rpartition("/")[2])
    words = (" ".join(re.findall(r"[^\W_]+", way.lower())) for way in ways)
    return {f"{kind}/{way}" for way in words if way}
