"""Files of trained weights in the cache folder: cells that need the same model share it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from ebmood.core.errors import EbmoodError
from ebmood.core.files import atomic_path


def write_weights(file: Path, model: nn.Module, events: tuple[str, ...]) -> None:
    """Write the weights of a model, and one line for every rollback of its training.

    Raises:
        EbmoodError: the file cannot be written.
    """
    tensors = {name: value.cpu().contiguous() for name, value in model.state_dict().items()}
    with atomic_path(file) as temporary:
        save_file(tensors, temporary, {"events": json.dumps(events)})


def read_weights(file: Path, model: nn.Module) -> tuple[str, ...]:
    """Load the weights into `model`. Return one line for every rollback of the training."""
    with safe_open(file, "pt") as stored:
        tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118  # not a mapping
        model.load_state_dict(tensors)
        return tuple(json.loads((stored.metadata() or {}).get("events", "[]")))


@contextmanager
def weights_lock(file: Path) -> Iterator[None]:
    """Hold the lock of a file of weights: the first cell trains the model, and the other cells wait for it.

    Raises:
        EbmoodError: the folder cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(file.with_suffix(".lock"))
        lock.acquire()
    except OSError as error:
        raise EbmoodError(
            f"{file.parent}: cannot be written ({error.strerror}); set EBMOOD_CACHE to another folder"
        ) from error
    try:
        yield
    finally:
        lock.release()
