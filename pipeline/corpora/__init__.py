"""Corpora: a dataset on disk, in its own layout, becomes a stream of checked records and of rejects with reasons."""
