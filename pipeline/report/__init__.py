"""Report the results: the papers' numbers, ours beside them, and one page that shows everything."""
