"""`python -m ebmood` is equivalent to `ebmood`."""

from ebmood.cli import run

if __name__ == "__main__":
    run()
