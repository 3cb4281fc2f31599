"""Estimate a run before it begins: images, bytes, FLOPs and hours of each stage, and the source of each figure."""
