"""Generate images of an emotion: sources of v, mixing of conditions, one entry point for every generator."""
