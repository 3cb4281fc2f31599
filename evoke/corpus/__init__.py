"""Add your own labelled images as a corpus, and write corpora as data sets for others."""
