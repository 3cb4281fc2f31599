"""Define `evoke studio`, a page on localhost with four rooms: make images, read them, explore a run, watch one grow.

Each room is a file that has its functions, which know nothing of the page, and `build`, which lays out its part of it.
"""
