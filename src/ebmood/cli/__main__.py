"""`python -m ebmood.cli` is equivalent to `ebmood`."""

from ebmood.cli import main

if __name__ == "__main__":
    main()
