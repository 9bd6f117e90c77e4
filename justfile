# What developers type; `just` lists it. Runs inside the environment that `just install` makes.

export PATH := justfile_directory() / ".venv/bin:" + env("PATH")

_default:
    @just --list

# Make .venv and put the package with all tools into it
install:
    python3.11 -m venv .venv
    pip install -e '.[dev]'

# Rewrite the code as ruff wants it
format:
    ruff check --fix .
    ruff format .

# Style, types, and who may import whom
lint:
    ruff check .
    ruff format --check .
    lint-imports
    pyright

# The tests, or those that are named: just test tests/models -k radial
test *arguments:
    pytest {{ arguments }}

# Real data, every method, short training
quick *arguments:
    ebmood study quick {{ arguments }}

# Everything, in a fresh environment
ci:
    .ci/run
