"""Run `python -m evoke`, which is the same as `evoke`."""

from evoke.cli import main

if __name__ == "__main__":
    main()
