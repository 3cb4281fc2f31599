"""The miniature foundation models: how each is trained, bundled and loaded, in the formats of the real ones."""
