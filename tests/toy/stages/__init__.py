"""The stages of the toy."""
