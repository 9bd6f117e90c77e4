"""The files of a saved detector: a folder with one JSON file and its weights. There is no pickle.

    detector.json                   settings, columns, calibration scores, probes, versions, SHA-256 of all files
    score-<sha256>.safetensors      views, energies, the training rows in memory, and calibration rows
    embed-<sha256>.safetensors      weights of the user's embedding, if there is one
    patches-<sha256>.safetensors    of a detector of patches: its memory, and training images

Weights are written first, under names that contain their SHA-256. Then `detector.json` is replaced atomically; it alone
determines which weights belong to the detector. A crash at any time leaves either the old or the new detector complete.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as tensors_from_bytes
from safetensors.torch import save as tensors_to_bytes
from torch import Tensor

from ebmood.core.errors import EbmoodError, InputError
from ebmood.core.files import atomic_path
from ebmood.core.settings import Settings
from ebmood.detector.persistence.metadata import DetectorMetadata

FORMAT = "ebmood-detector"
VERSION = 3
PATCH_FORMAT = "ebmood-patches"
JSON_NAME = "detector.json"
MAX_JSON_BYTES = 2**30
_WEIGHTS_NAME = re.compile(r"(score|embed|patches)-[0-9a-f]{64}\.safetensors")

Weights = dict[str, Tensor]
Metadata = TypeVar("Metadata", bound=Settings)


@dataclass(frozen=True)
class FileFormat(Generic[Metadata]):
    """A format of saved detectors.

    Attributes:
        name: its name in `detector.json`.
        version: the version that is written, and the only one that is read.
        metadata: the content of `detector.json`. Its field `files` has the SHA-256 of each part.
    """

    name: str
    version: int
    metadata: type[Metadata]


ROWS = FileFormat(FORMAT, VERSION, DetectorMetadata)
"""The format of an `EnergyDetector`."""


def write_detector(
    folder: Path, metadata: Callable[[dict[str, str]], DetectorMetadata], parts: dict[str, Weights]
) -> None:
    """Write weights and metadata of an `EnergyDetector`; see `write_files`.

    Args:
        folder: created if it does not exist.
        metadata: returns the metadata; its argument is the SHA-256 of each file of weights.
        parts: the tensors of `score`, and of `embed` if there is an embedding.
    """
    write_files(folder, ROWS, metadata, parts)


def write_files(
    folder: Path,
    kind: FileFormat[Metadata],
    metadata: Callable[[dict[str, str]], Metadata],
    parts: dict[str, Weights],
) -> None:
    """Write weights and metadata to `folder`. A detector that is already there is replaced.

    Args:
        folder: created if it does not exist.
        kind: the format.
        metadata: returns the metadata; its argument is the SHA-256 of each file of weights.
        parts: the tensors of each part.

    Raises:
        EbmoodError: the disk is full, the folder cannot be written, or a value cannot be written as JSON. A detector
            that was there before is unchanged.
    """
    if folder.exists() and not folder.is_dir():
        raise EbmoodError(f"{folder}: is a file; give a folder to save the detector to")
    contents = {part: _serialize(tensors) for part, tensors in parts.items()}
    digests = {part: hashlib.sha256(content).hexdigest() for part, content in contents.items()}
    text = _to_json(folder, kind, lambda: metadata(digests))
    files = {folder / _file_name(part, digests[part]): content for part, content in contents.items()}
    _replace_files(folder, files, text)
    for path in folder.iterdir():
        if _WEIGHTS_NAME.fullmatch(path.name) and path not in files:
            path.unlink(missing_ok=True)


def read_detector(folder: Path) -> tuple[DetectorMetadata, dict[str, Weights]]:
    """Read what `write_detector` wrote; see `read_files`.

    Raises:
        EbmoodError: as `read_files`; or it is a detector of patches.
    """
    if is_patch_detector(folder):
        raise EbmoodError(
            f"{folder}: a detector of patches (`ebmood fit --where`), to which this does not apply; `ebmood score`, "
            "`evaluate`, `report` and `inspect` take it, and in Python ebmood.load"
        )
    return read_files(folder, ROWS)


def read_files(folder: Path, kind: FileFormat[Metadata]) -> tuple[Metadata, dict[str, Weights]]:
    """Read what `write_files` wrote: the metadata, and the tensors of each part.

    Raises:
        EbmoodError: there is no detector, or it was changed, truncated, is malformed, or has another format.
    """
    path = folder / JSON_NAME
    if not path.is_file():
        reason = f"no {JSON_NAME} in it" if folder.is_dir() else "no such folder"
        raise EbmoodError(f"{folder}: not a saved detector ({reason}); give the folder of a saved detector")
    metadata = _parse(path, kind, _read(path, MAX_JSON_BYTES))
    files: dict[str, str] = metadata.files  # type: ignore[attr-defined]  # every format has it
    weights = {
        part: _read_weights(folder / _file_name(part, digest), digest) for part, digest in files.items()
    }
    return metadata, weights


def is_patch_detector(folder: Path) -> bool:
    """Return whether a folder has a detector of patches. A folder without a readable detector has none."""
    path = folder / JSON_NAME
    try:
        document = json.loads(_read(path, MAX_JSON_BYTES)) if path.is_file() else None
    except (EbmoodError, ValueError, RecursionError):
        return False
    return isinstance(document, dict) and document.get("format") == PATCH_FORMAT


def _serialize(tensors: Weights) -> bytes:
    return tensors_to_bytes(
        {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    )


def _to_json(folder: Path, kind: FileFormat[Metadata], metadata: Callable[[], Metadata]) -> bytes:
    try:
        content = json.loads(metadata().model_dump_json())
        head = {"format": kind.name, "version": kind.version, "sha256": _digest(content)}
        document = head | {"detector": content}
        return json.dumps(document, indent=1, ensure_ascii=False).encode()
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{'.'.join(map(str, first['loc']))}: cannot be saved: {first['msg']}") from error
    except ValueError as error:  # half of a surrogate pair in a name
        raise InputError(f"{folder}: cannot be written as JSON: {_one_line(error)}") from error


def _replace_files(folder: Path, files: dict[Path, bytes], text: bytes) -> None:
    """Write the weights and then the JSON. If that fails, delete the weights that are new."""
    folder_is_new = not folder.exists()
    new = [path for path in files if not path.exists()]
    try:
        for path, content in files.items():
            _write(path, content)
        _write(folder / JSON_NAME, text)
    except BaseException:  # also KeyboardInterrupt; if the JSON is already replaced, its weights must stay
        with suppress(OSError):
            if not (folder / JSON_NAME).is_file() or (folder / JSON_NAME).read_bytes() != text:
                for path in new:
                    path.unlink(missing_ok=True)
                if folder_is_new:
                    folder.rmdir()
        raise


def _read_weights(file: Path, digest: str) -> Weights:
    if not file.is_file():
        raise EbmoodError(f"{file}: missing; the saved detector is incomplete, copy the whole folder again")
    content = _read(file)
    if hashlib.sha256(content).hexdigest() != digest:
        raise EbmoodError(
            f"{file}: changed or truncated (the SHA-256 differs); copy or save the detector again"
        )
    try:
        return tensors_from_bytes(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise EbmoodError(f"{file}: not a safetensors file ({_one_line(error)})") from error


def _parse(path: Path, kind: FileFormat[Metadata], content: bytes) -> Metadata:
    document = _parse_document(path, kind, content)
    try:
        return kind.metadata.model_validate_json(json.dumps(document["detector"]))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "detector"
        raise EbmoodError(f"{path}: {key}: {first['msg']}; ebmood did not write this file") from error
    except (ValueError, RecursionError) as error:
        raise EbmoodError(f"{path}: {_one_line(error)}; ebmood did not write this file") from error


def _parse_document(path: Path, kind: FileFormat[Any], content: bytes) -> dict[str, Any]:
    """Return the JSON document after a check of its format, version and SHA-256."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise EbmoodError(
            f"{path}: changed or truncated, not valid JSON ({_one_line(error)}); save the detector again"
        ) from error
    if not isinstance(document, dict) or document.get("format") != kind.name:
        raise EbmoodError(f"{path}: not a detector of ebmood (no format {kind.name!r})")
    version = document.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise EbmoodError(
            f"{path}: version {str(version)[:40]!r} is not a whole number from 1; save the detector again"
        )
    if version < kind.version:
        release = "0.2 or earlier" if version < 2 else "0.3"
        raise EbmoodError(
            f"{path}: saved by ebmood {release}, whose detectors this version does not read; fit the detector again, "
            f"or score with ebmood<{'0.3' if version < 2 else '0.4'}"
        )
    if version > kind.version:
        raise EbmoodError(
            f"{path}: format {version} of a newer ebmood; this version reads up to {kind.version}, update ebmood"
        )
    if document.get("sha256") != _digest(document.get("detector")):
        raise EbmoodError(
            f"{path}: changed since it was written (the SHA-256 differs); save the detector again"
        )
    return document


def _digest(content: Any) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _file_name(part: str, digest: str) -> str:
    return f"{part}-{digest}.safetensors"


def _write(path: Path, content: bytes) -> None:
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())  # the weights must be on the disk before the JSON that names them


def _read(path: Path, max_bytes: int | None = None) -> bytes:
    try:
        size = path.stat().st_size
        if max_bytes is not None and size > max_bytes:
            raise EbmoodError(f"{path}: {size} bytes, which is too large; save the detector again")
        return path.read_bytes()
    except OSError as error:
        raise EbmoodError(f"{path}: cannot be read ({error.strerror or error})") from error


def _one_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
