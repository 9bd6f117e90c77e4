# What developers type; `just` lists it. Runs inside the environment that `just install` makes.

export PATH := justfile_directory() / ".venv/bin:" + env("PATH")

_default:
    @just --list

# Make .venv, put the package with all tools into it, and add the hooks to git
install:
    python3.11 -m venv .venv
    pip install -e '.[dev]'
    pre-commit install

# Rewrite the code as ruff wants it
format:
    ruff check --fix .
    ruff format .

# Style, types, and who may import whom
check:
    ruff check .
    ruff format --check .
    lint-imports
    pyright

# The tests, or those that are named: just test tests/models -k radial
test *arguments:
    pytest {{ arguments }}

# What the pages show: code, study files, commands, links
docs:
    pytest tests/test_docs.py tests/detector/test_guide.py

# Time of a training step beside plain PyTorch: just bench --only ssm
bench *arguments:
    python benchmarks/steps.py {{ arguments }}

# The same under pytest-benchmark, which keeps and compares: just bench-kept -k cd --benchmark-json steps.json
bench-kept *arguments:
    pytest benchmarks {{ arguments }}

# Another benchmark, by its name in benchmarks/: just bench-of equal_quality --seeds 1
bench-of name *arguments:
    python benchmarks/{{ name }}.py {{ arguments }}

# Real data, every method, short training
quick *arguments:
    ebmood study quick {{ arguments }}

# Everything, in a fresh environment
ci:
    .ci/run
