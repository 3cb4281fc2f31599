"""Images of an emotion: where v comes from, how conditions are mixed, one entry point for every generator."""
