"""Turn a dataset on disk, in its own layout, into a stream of checked records, and rejects with reasons."""
