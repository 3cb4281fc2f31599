"""What a reader believes: the papers' numbers, ours beside them, and one page that shows everything."""
