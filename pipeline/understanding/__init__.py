"""Measure how well emotions are read: every reader on every labelled data set (UniEmo IV-B, Tables I-III)."""
