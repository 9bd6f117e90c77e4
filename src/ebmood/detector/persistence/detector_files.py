"""The files of a saved detector: a folder with one JSON file and its weights. There is no pickle.

    detector.json                   settings, columns, calibration scores, probes, versions, SHA-256 of all files
    score-<sha256>.safetensors      views, energies, the training rows in memory, and calibration rows
    embed-<sha256>.safetensors      weights of the user's embedding, if there is one

Weights are written first, under names that contain their SHA-256. Then `detector.json` is replaced atomically; it alone
determines which weights belong to the detector. A crash at any time leaves either the old or the new detector complete.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as tensors_from_bytes
from safetensors.torch import save as tensors_to_bytes
from torch import Tensor

from ebmood.core.errors import EbmoodError, InputError, one_line, setting_problem
from ebmood.core.files import atomic_path, wait_for_folder
from ebmood.core.interface import for_interface
from ebmood.detector.persistence.metadata import DetectorMetadata

JSON_NAME = "detector.json"
CLASSIFIER_JSON = "classifier.json"
PATCH_FORMAT = "ebmood-patches"
MAX_JSON_BYTES = 2**30
_WEIGHTS_NAME = re.compile(r"(score|embed|patches)-[0-9a-f]{64}\.safetensors")

Weights = dict[str, Tensor]


class Metadata(Protocol):
    """The content of the JSON file: settings that name SHA-256 of each file of weights."""

    @property
    def files(self) -> Mapping[Any, str]:
        """SHA-256 of each file of weights, by its part."""
        ...

    def model_dump_json(self) -> str:
        """Return the content as JSON."""
        ...

    @classmethod
    def model_validate_json(cls, json_data: str) -> Self:
        """Return the content of JSON after a check."""
        ...


M = TypeVar("M", bound=Metadata)


@dataclass(frozen=True)
class Format(Generic[M]):
    """A kind of saved detector.

    Attributes:
        name: the name of the format in the JSON file.
        version: the version that is written.
        oldest: the oldest version that is read.
        json_name: name of the JSON file.
        metadata: the class of the content.
        what: what the folder holds, for messages.
    """

    name: str
    version: int
    oldest: int
    json_name: str
    metadata: type[M]
    what: str


DETECTOR = Format("ebmood-detector", 8, 3, JSON_NAME, DetectorMetadata, "detector")
"""An `EnergyDetector`.

Version 4 adds embedders and views for features, version 5 further numbers of neighbours, version 6 clusters,
version 7 residuals of columns, version 8 automatic calibration.
"""


def write_detector(
    folder: Path,
    metadata: Callable[[dict[str, str]], M],
    parts: dict[str, Weights],
    form: Format[M] = DETECTOR,
) -> None:
    """Write weights and metadata to `folder`. A detector that is already there is replaced.

    Args:
        folder: created if it does not exist.
        metadata: returns the metadata; its argument is the SHA-256 of each file of weights.
        parts: the tensors of each part, such as `score`, and `embed` if there is an embedding.
        form: the kind of detector.

    Raises:
        EbmoodError: the disk is full, the folder cannot be written, or a value cannot be written as JSON. A detector
            that was there before is unchanged.
    """
    if folder.exists() and not folder.is_dir():
        raise EbmoodError(f"{folder}: is a file; give a folder to save the detector to")
    contents = {part: _serialize(tensors) for part, tensors in parts.items()}
    digests = {part: hashlib.sha256(content).hexdigest() for part, content in contents.items()}
    text = _to_json(folder, lambda: metadata(digests), form)
    files = {folder / _file_name(part, digests[part]): content for part, content in contents.items()}
    with wait_for_folder(folder):  # else two saves may delete the weights of each other
        _replace_files(folder, files, text, form.json_name)
        for path in folder.iterdir():
            if _WEIGHTS_NAME.fullmatch(path.name) and path not in files:
                path.unlink(missing_ok=True)


def read_detector(folder: Path, form: Format[M] = DETECTOR) -> tuple[M, dict[str, Weights]]:
    """Read what `write_detector` wrote: the metadata, and the tensors of each part.

    Args:
        folder: the folder of the detector.
        form: the kind of detector that is expected.

    Raises:
        EbmoodError: there is no detector, or it was changed, truncated, is malformed, or has a newer format.
    """
    path = folder / form.json_name
    if form.name != PATCH_FORMAT and is_patch_detector(folder):
        takes = for_interface(
            "`ebmood score`, `serve`, `evaluate`, `monitor`, `recalibrate`, `report` and `inspect` take it",
            "load it with ebmood.load",
        )
        raise EbmoodError(f"{folder}: a detector of patches, to which this does not apply; {takes}")
    if form.json_name != CLASSIFIER_JSON and not path.is_file() and (folder / CLASSIFIER_JSON).is_file():
        takes = for_interface(
            "`ebmood score`, `evaluate`, `monitor`, `recalibrate`, `report`, `export` and `inspect` take it",
            "load it with ClassifierDetector.load",
        )
        raise EbmoodError(f"{folder}: a detector of a classifier, to which this does not apply; {takes}")
    if not path.is_file():
        other = next((name for name in (JSON_NAME, CLASSIFIER_JSON) if (folder / name).is_file()), None)
        missing = "it is a file, not a folder" if folder.exists() else "no such folder"
        reason = f"no {form.json_name} in it" if folder.is_dir() else missing
        reason += f", but {other}, of another kind of detector" if other else ""
        raise EbmoodError(
            f"{folder}: not a saved {form.what} ({reason}); give the folder of a saved {form.what}"
        )
    while True:
        content = _read(path, MAX_JSON_BYTES)
        metadata = _parse(path, content, form)
        try:
            weights = {
                part: _read_weights(folder / _file_name(part, digest), digest)
                for part, digest in metadata.files.items()
            }
        except EbmoodError:
            if _read(path, MAX_JSON_BYTES) == content:  # else another process has saved a detector since
                raise
        else:
            return metadata, weights


def digests(parts: dict[str, Weights]) -> dict[str, str]:
    """Return the SHA-256 of the file of each part, as `write_detector` writes it."""
    return {part: hashlib.sha256(_serialize(tensors)).hexdigest() for part, tensors in parts.items()}


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


def _to_json(folder: Path, metadata: Callable[[], M], form: Format[M]) -> bytes:
    try:
        content = json.loads(metadata().model_dump_json())
        document = {
            "format": form.name,
            "version": form.version,
            "sha256": _digest(content),
            "detector": content,
        }
        return json.dumps(document, indent=1, ensure_ascii=False).encode()
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"{'.'.join(map(str, first['loc']))}: cannot be saved: {setting_problem(error)}"
        ) from error
    except ValueError as error:  # half of a surrogate pair in a name
        raise InputError(f"{folder}: cannot be written as JSON: {one_line(error)}") from error


def _replace_files(folder: Path, files: dict[Path, bytes], text: bytes, json_name: str) -> None:
    """Write the weights and then the JSON. If that fails, delete the weights that are new."""
    new = [path for path in files if not path.exists()]
    try:
        for path, content in files.items():
            _write(path, content)
        _write(folder / json_name, text)
    except BaseException:  # also KeyboardInterrupt; if the JSON is already replaced, its weights must stay
        with suppress(OSError):
            if not (folder / json_name).is_file() or (folder / json_name).read_bytes() != text:
                for path in new:
                    path.unlink(missing_ok=True)
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
        raise EbmoodError(f"{file}: not a safetensors file ({one_line(error)})") from error


def _parse(path: Path, content: bytes, form: Format[M]) -> M:
    document = _parse_document(path, content, form)
    try:
        return form.metadata.model_validate_json(json.dumps(document["detector"]))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "detector"
        raise EbmoodError(
            f"{path}: {key}: {setting_problem(error)}; ebmood did not write this file"
        ) from error
    except (ValueError, RecursionError) as error:
        raise EbmoodError(f"{path}: {one_line(error)}; ebmood did not write this file") from error


def _parse_document(path: Path, content: bytes, form: Format[M]) -> dict[str, Any]:
    """Return the JSON document after a check of its format, version and SHA-256."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise EbmoodError(
            f"{path}: changed or truncated, not valid JSON ({one_line(error)}); save the detector again"
        ) from error
    if not isinstance(document, dict) or document.get("format") != form.name:
        raise EbmoodError(f"{path}: not a {form.what} of ebmood (no format {form.name!r})")
    version = document.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise EbmoodError(
            f"{path}: version {str(version)[:40]!r} is not a whole number from 1; save the detector again"
        )
    if version < form.oldest:
        release = "0.2 or earlier" if version < 2 else "0.3"
        raise EbmoodError(
            f"{path}: saved by ebmood {release}, whose detectors this version does not read; fit the detector again, "
            f"or score with ebmood<{'0.3' if version < 2 else '0.4'}"
        )
    if version > form.version:
        raise EbmoodError(
            f"{path}: format {version} of a newer ebmood; this version reads up to {form.version}, update ebmood"
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
