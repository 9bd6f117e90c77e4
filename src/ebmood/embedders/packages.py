"""Packages that ship weights: found without being imported, and named in the message if they are absent."""

import hashlib
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ebmood.core.errors import EbmoodError


def import_package(module: str, embedder: str, extra: str) -> Any:
    """Import a module that an extra of this package installs.

    Raises:
        EbmoodError: it is not installed; the message has the command to install it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise _absent(embedder, extra, str(error)) from error


def package_file(package: str, path: str, embedder: str, extra: str) -> Path:
    """Return the path of a file that a package ships, without importing the package.

    Raises:
        EbmoodError: the package is not installed, or has no such file.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise _absent(embedder, extra, f"No module named {package!r}")
    file = Path(spec.submodule_search_locations[0]) / path
    if not file.is_file():
        raise EbmoodError(
            f"{embedder}: the installed package {package} has no file {path}; run: pip install -U 'ebmood[{extra}]'"
        )
    return file


def file_sha256(*paths: Path) -> str:
    """Return the SHA-256 of the contents of files, one after the other.

    Raises:
        EbmoodError: a file cannot be read.
    """
    digest = hashlib.sha256()
    for path in paths:
        try:
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
        except OSError as error:
            raise EbmoodError(f"{path}: cannot be read ({error.strerror or error})") from error
    return digest.hexdigest()


def _absent(embedder: str, extra: str, reason: str) -> EbmoodError:
    return EbmoodError(
        f"{embedder}: needs the extra `{extra}` ({reason}); run: pip install 'ebmood[{extra}]'"
    )
