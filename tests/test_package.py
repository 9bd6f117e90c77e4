"""`import ebmood` is light, and every public name can be imported."""

import subprocess
import sys
from importlib.metadata import version

import pytest

import ebmood


def test_import_loads_no_heavy_library():
    code = (
        "import sys, ebmood; "
        "print(*{name.partition('.')[0] for name in sys.modules} & {'torch', 'sklearn', 'numpy', 'pydantic'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_every_public_name_can_be_imported_from_its_module():
    for name in ebmood.__all__:
        value = getattr(ebmood, name)
        assert name in dir(ebmood)
        assert getattr(value, "__name__", name) == name
    lazy = {name for names in ebmood._MODULES.values() for name in names}
    eager = {name for name in vars(ebmood.core.errors) if name.endswith(("Error", "Warning"))} | {
        "__version__"
    }
    assert lazy | eager == set(ebmood.__all__)


def test_version_is_the_installed_version():
    assert ebmood.__version__ == version("ebmood")


def test_an_unknown_name_raises_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'Segmnt'"):
        ebmood.Segmnt  # noqa: B018  # the access is the test
