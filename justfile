# Commands for developers; `just` lists them. They run in the environment that `just install` makes.

export PATH := justfile_directory() / ".venv/bin:" + env("PATH")

_default:
    @just --list

# Make .venv, install the package with all tools, and install the git hooks
install:
    python3.11 -m venv .venv
    pip install -e '.[dev]'
    pre-commit install

# Correct style and format of all Python files
format:
    ruff check --fix .
    ruff format .

# Check style, imports between packages, and types
check:
    ruff check .
    ruff format --check .
    lint-imports
    pyright

# Run all tests, or some: just test tests/models -k radial
test *arguments:
    pytest {{ arguments }}

# Run the tests that take less than five seconds each
test-fast *arguments:
    pytest -m "not slow" {{ arguments }}

# Build the documentation into site/; a broken link or reference is an error
docs:
    zensical build --strict

# Show the documentation in a browser and rebuild it when a file changes
docs-serve:
    zensical serve

# Draw the figures of the concept pages again
figures:
    python docs/figures/concepts.py

# Build wheel and sdist, and install them on every supported Python that exists here
packages *arguments:
    .ci/packages {{ arguments }}

# Time training steps beside plain PyTorch: just bench --only ssm
bench *arguments:
    python benchmarks/steps.py {{ arguments }}

# The same with pytest-benchmark, which stores and compares: just bench-compare -k cd --benchmark-json steps.json
bench-compare *arguments:
    pytest benchmarks {{ arguments }}

# Run another benchmark by its name in benchmarks/: just bench-of equal_quality --seeds 1
bench-of name *arguments:
    python benchmarks/{{ name }}.py {{ arguments }}

# Run the short study: real data, every method, short training
quick *arguments:
    ebmood study quick {{ arguments }}

# Run everything that CI runs, in a fresh environment
ci:
    .ci/run
