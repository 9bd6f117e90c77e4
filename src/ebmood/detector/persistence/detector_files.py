"""A fitted detector on the disk: a folder with one JSON file and its weights, and no pickle.

    detector.json                   settings, columns, calibration scores, probes, versions, and the SHA-256 of all
    score-<sha256>.safetensors      preprocessing and energy
    embed-<sha256>.safetensors      weights of the user's embedding, if there is one

Weights are named by their content and come first; then `detector.json` is put in place in one step, and it alone
says which weights are meant. A crash at any moment leaves the old model or the new one, whole.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, JsonValue, ValidationError, model_validator
from safetensors import SafetensorError
from safetensors.torch import load as tensors_from_bytes
from safetensors.torch import save as tensors_to_bytes
from torch import Tensor

from ebmood.core.errors import EbmoodError, InputError
from ebmood.core.files import atomic_path
from ebmood.core.settings import Settings
from ebmood.detector.score_model import EnergySettings
from ebmood.detector.self_test import Probe

FORMAT = "ebmood-detector"
VERSION = 1
JSON_NAME = "detector.json"
LARGEST_JSON = 2**30  # bytes
MODEL = "model."  # what the score model's tensors are called by in the file
_WEIGHTS = re.compile(r"(score|embed)-[0-9a-f]{64}\.safetensors")

Weights = dict[str, Tensor]
Read = TypeVar("Read")


class Columns(Settings):
    """What X was at the fit.

    Attributes:
        shape: of one row, `(D,)` for a table; None for inputs of an embedding that are no floating-point numbers.
        names: of the columns of a data frame.
    """

    shape: tuple[int, ...] | None
    names: tuple[str, ...] | None


class DetectorRecord(Settings):
    """All of a fitted detector but its tensors.

    Attributes:
        alpha, calibration, supervised, gamma, device: parameters of `EnergyDetector`.
        seed: what `random_state` came to.
        energy: settings of the energy.
        features: width of the rows that the energy sees (after an embedding, if there is one).
        columns: what X was.
        classes: the classes of a supervised fit.
        training_rows: how many rows the energy was fitted on.
        calibration_scores: ascending.
        class_calibration_scores: for each class, ascending.
        probes: the self-test.
        embedding: class of the user's module; None without one.
        events: one line for every time that training diverged, went back and on.
        versions: of the libraries that fitted and wrote it.
        notes: whatever the writer wanted kept.
        files: SHA-256 of each file of weights, by its part.
    """

    alpha: float = Field(gt=0, lt=1)
    calibration: int | float
    supervised: bool
    gamma: float = Field(ge=0, allow_inf_nan=False)
    device: str
    seed: int
    energy: EnergySettings
    features: int = Field(ge=1)
    columns: Columns
    classes: tuple[bool | int | float | str, ...] | None
    training_rows: int = Field(ge=1)
    calibration_scores: tuple[float, ...] = Field(min_length=1)
    class_calibration_scores: tuple[tuple[float, ...], ...] | None
    probes: tuple[Probe, ...]
    embedding: str | None
    events: tuple[str, ...] = ()
    versions: dict[str, str]
    notes: dict[str, JsonValue]
    files: dict[Literal["score", "embed"], str]

    @model_validator(mode="after")
    def _holds_together(self) -> "DetectorRecord":
        every = [self.calibration_scores, *(self.class_calibration_scores or ())]
        for scores in every:
            if any(not abs(score) < float("inf") for score in scores) or list(scores) != sorted(scores):
                raise ValueError("calibration scores must be finite and ascending")
        if (self.classes is None) != (self.class_calibration_scores is None) or len(every) - 1 != len(
            self.classes or ()
        ):
            raise ValueError("classes and their calibration scores must go together")
        if set(self.files) != {"score"} | ({"embed"} if self.embedding else set()):
            raise ValueError("files must name the score's weights, and the embedding's if there is one")
        if not all(re.fullmatch("[0-9a-f]{64}", digest) for digest in self.files.values()):
            raise ValueError("files must hold SHA-256 digests")
        return self


def write_record(
    folder: Path, record: Callable[[dict[str, str]], DetectorRecord], parts: dict[str, Weights]
) -> None:
    """Write weights and record to `folder`, which is made if it is not there; replaces a detector that is there.

    Args:
        folder: where to.
        record: the record, given the digests of the files.
        parts: tensors of `score`, and of `embed` if there is an embedding.

    Raises:
        EbmoodError: the disk is full, the folder cannot be written, or something is no JSON; what was there stays.
    """
    if folder.exists() and not folder.is_dir():
        raise EbmoodError(f"{folder}: is a file; give a folder to save the detector to")
    contents = {
        part: tensors_to_bytes(
            {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
        )
        for part, tensors in parts.items()
    }
    digests = {part: hashlib.sha256(content).hexdigest() for part, content in contents.items()}
    try:
        content = json.loads(record(digests).model_dump_json())
        document = {"format": FORMAT, "version": VERSION, "sha256": _digest(content), "detector": content}
        text = json.dumps(document, indent=1, ensure_ascii=False).encode()
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{'.'.join(map(str, first['loc']))}: cannot be saved: {first['msg']}") from error
    except ValueError as error:  # half of a surrogate pair in a name
        raise InputError(f"{folder}: cannot be written as JSON: {_one_line(error)}") from error
    made = not folder.exists()
    files = {folder / _file_name(part, digests[part]): content for part, content in contents.items()}
    new = [path for path in files if not path.exists()]
    try:
        for path, content in files.items():
            _write(path, content)
        _write(folder / JSON_NAME, text)
    except BaseException:  # Ctrl-C too, which may come when the JSON is in place: then its weights must stay
        with suppress(OSError):
            if not (folder / JSON_NAME).is_file() or (folder / JSON_NAME).read_bytes() != text:
                for path in new:
                    path.unlink(missing_ok=True)
                if made:
                    folder.rmdir()
        raise
    current = {_file_name(part, digest) for part, digest in digests.items()}
    for path in folder.iterdir():
        if _WEIGHTS.fullmatch(path.name) and path.name not in current:
            path.unlink(missing_ok=True)


def read_record(folder: Path) -> tuple[DetectorRecord, dict[str, Weights]]:
    """Read what `write_record` wrote: the record, and the tensors of each part.

    Raises:
        EbmoodError: no detector there, or one that is changed, truncated, malformed or of a newer version.
    """
    path = folder / JSON_NAME
    if not path.is_file():
        reason = f"no {JSON_NAME} in it" if folder.is_dir() else "no such folder"
        raise EbmoodError(f"{folder}: not a saved detector ({reason}); give the folder that was saved to")
    record = _parse(path, _read(path, LARGEST_JSON))
    weights = {}
    for part, digest in record.files.items():
        file = folder / _file_name(part, digest)
        if not file.is_file():
            raise EbmoodError(
                f"{file}: missing; the saved detector is incomplete, copy the whole folder again"
            )
        content = _read(file)
        if hashlib.sha256(content).hexdigest() != digest:
            raise EbmoodError(
                f"{file}: changed or truncated (its SHA-256 is another); copy or save the detector again"
            )
        try:
            weights[part] = tensors_from_bytes(content)
        except (SafetensorError, ValueError, KeyError) as error:
            raise EbmoodError(f"{file}: not a safetensors file ({_one_line(error)})") from error
    return record, weights


def _parse(path: Path, content: bytes) -> DetectorRecord:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise EbmoodError(
            f"{path}: changed or truncated, no JSON ({_one_line(error)}); save the detector again"
        ) from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise EbmoodError(f"{path}: not a detector of ebmood (no format {FORMAT!r})")
    version = document.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise EbmoodError(
            f"{path}: its version {str(version)[:40]!r} is no whole number from 1; save the detector again"
        )
    if version > VERSION:
        raise EbmoodError(
            f"{path}: format {version} of a newer ebmood; this one reads up to {VERSION}, update ebmood"
        )
    if document.get("sha256") != _digest(document.get("detector")):
        raise EbmoodError(
            f"{path}: changed since it was written (its SHA-256 is another); save the detector again"
        )
    try:
        return DetectorRecord.model_validate_json(json.dumps(document["detector"]))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "detector"
        raise EbmoodError(f"{path}: {where}: {first['msg']}; not as ebmood writes it") from error
    except (ValueError, RecursionError) as error:
        raise EbmoodError(f"{path}: {_one_line(error)}; not as ebmood writes it") from error


def _digest(content: Any) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _file_name(part: str, digest: str) -> str:
    return f"{part}-{digest}.safetensors"


def _write(path: Path, content: bytes) -> None:
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())  # the JSON must never reach the disk before the weights that it names


def _read(path: Path, largest: int | None = None) -> bytes:
    try:
        size = path.stat().st_size
        if largest is not None and size > largest:
            raise EbmoodError(f"{path}: {size} bytes, too large for what it should be")
        return path.read_bytes()
    except OSError as error:
        raise EbmoodError(f"{path}: cannot be read ({error.strerror or error})") from error


def _one_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
