"""Classifiers that score and curate: the emotion head on CLIP features, and the independent networks on pixels."""
