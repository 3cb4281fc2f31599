"""The two colors that stand for what a filter keeps and drops, in figures of stages and of the report."""

KEPT_COLOR, DROPPED_COLOR = "#2b6f8f", "#d9713f"
