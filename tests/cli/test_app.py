import subprocess
import sys

import pytest

CODE = """
import sys
from ebmood.cli import main
sys.argv = ["ebmood", *sys.argv[1:]]
try:
    main()
finally:
    print("HEAVY", {"torch", "pyarrow", "numpy", "sklearn", "matplotlib"} & set(sys.modules))
"""


@pytest.mark.parametrize("command", ["fit", "score", "evaluate", "inspect", "report", "export"])
def test_help_imports_no_heavy_library_and_shows_examples(command):
    arguments = [sys.executable, "-c", CODE, command, "--help"]
    process = subprocess.run(arguments, capture_output=True, text=True)
    assert process.stdout.rstrip().endswith("HEAVY set()"), process
    assert f"ebmood {command} " in process.stdout.split("Example")[1]


def test_help_shows_text_in_square_brackets():
    """Rich would hide it as markup if it were not escaped."""
    for command, text in (("export", "ebmood[onnx]"), ("fit", "[default: 16]")):
        arguments = [sys.executable, "-c", CODE, command, "--help"]
        assert text in subprocess.run(arguments, capture_output=True, text=True).stdout
