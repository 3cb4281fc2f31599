"""Commands for people: `evoke COMMAND`. Commands for DVC are `python -m stages.NAME`."""
