"""Metrics of images: one function per metric, a named protocol, and n and an interval with each number."""
