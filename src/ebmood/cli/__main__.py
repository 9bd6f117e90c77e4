"""`python -m ebmood.cli` is `ebmood`."""

from ebmood.cli import main

if __name__ == "__main__":
    main()
