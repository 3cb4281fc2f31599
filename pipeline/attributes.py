"""The kinds of attribute that images are annotated with, in the order in which UniEmo's layers look for them."""

ATTRIBUTE_KINDS = ("scene", "object")
