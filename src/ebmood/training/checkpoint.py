"""Checkpoints, from which an interrupted run resumes with bitwise equal results.

A checkpoint consists of two files, `000012.safetensors` and `000012.json`. The JSON file is written last and holds a
SHA-256 of the contents of both, so that a damaged pair is detected. The last two checkpoints are kept.

With several processes, every process except process 0 writes one more file, `000012.1.safetensors` and so on, with
those of its tensors that differ from the tensors of process 0. The JSON file is written when all of these exist. It
holds the SHA-256 of each, so that files of different checkpoints are not combined.
"""

import json
import logging
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from lightning_fabric import Fabric
from safetensors import SafetensorError
from torch import Tensor

from ebmood.core.errors import EbmoodError
from ebmood.core.files import atomic_path, write_text
from ebmood.training.data_parallel import all_gather, any_rank, broadcast
from ebmood.training.run import State, Tensors

MAX_TIME_FRACTION = 0.02
"""Largest fraction of the training time that writing checkpoints may take. Slower writing makes them less frequent."""

FILE_NAME = re.compile(r"\.?(\d{6})\..*(safetensors|json)")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """The content of a checkpoint.

    Attributes:
        snapshots: states for a rollback, the older first.
        current: the state after the last step.
        events: one line for every rollback so far.
    """

    snapshots: tuple[State, ...]
    current: State
    events: tuple[str, ...]


class Checkpoints:
    """A folder with the checkpoints of one run. All processes of the run must call every method together.

    Args:
        folder: the folder, created if it does not exist. All processes use the same folder; two runs must not use the
            same folder at the same time.
        seconds: time between two checkpoints; increased if writing takes more than 2 % of it.
        steps: number of steps between two checkpoints, instead of `seconds`.
    """

    def __init__(self, folder: Path | str, seconds: float = 30.0, steps: int | None = None):
        self.folder = Path(folder)
        self.seconds = seconds
        self.steps = steps
        self._number = max(self._numbers(), default=0)
        self._last_write = time.monotonic()
        self._write_seconds = 0.0

    def due(self, step: int, fabric: Fabric) -> bool:
        """Return whether a checkpoint should be written after `step`; the same in all processes."""
        if self.steps is not None:
            return step % self.steps == 0
        return any_rank(
            time.monotonic() - self._last_write >= max(self.seconds, self._write_seconds / MAX_TIME_FRACTION),
            fabric,
        )

    def save(self, checkpoint: Checkpoint, identity: str, fabric: Fabric) -> None:
        """Write a checkpoint, then remove all but the last two.

        If it cannot be written (for example to a full disk), the error is logged and training continues.

        Args:
            checkpoint: what to write.
            identity: digest of the run; see `Run.identity`.
            fabric: fabric of the run.
        """
        start = time.monotonic()
        self._number = broadcast(self._number + 1, fabric)
        states = (*checkpoint.snapshots, checkpoint.current)
        tensors = _merge_tensors(states)
        numbers = [{"step": state.step, "numbers": state.numbers} for state in states]
        try:
            others = self._write_others(tensors, numbers, fabric)
            if fabric.is_global_zero:
                content = {"identity": identity, "events": checkpoint.events, "states": numbers}
                self._write_first(tensors, content | ({"others": others} if others else {}))
                self._remove_old()
        except (EbmoodError, OSError) as error:
            if fabric.is_global_zero:
                log.warning("%s; training continues without this checkpoint", error)
        self._last_write = time.monotonic()
        self._write_seconds = self._last_write - start

    def latest(self, identity: str, fabric: Fabric) -> Checkpoint | None:
        """Return this process's part of the newest complete checkpoint of this run, or None.

        All processes return the same checkpoint. Every checkpoint that is skipped is logged.

        Raises:
            EbmoodError: the checkpoint is of this run, but another number of processes wrote it.
        """
        for number in broadcast(sorted(self._numbers(), reverse=True), fabric):
            checkpoint, fault = None, None
            try:
                checkpoint = self._read(number, identity, fabric)
            except (EbmoodError, OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
                fault = isinstance(error, EbmoodError), str(error) or type(error).__name__
            faults = [fault for fault in all_gather(fault, fabric) if fault]
            if not faults:
                return checkpoint
            is_fatal, reason = faults[0]
            if is_fatal:
                raise EbmoodError(reason)
            if fabric.is_global_zero:
                log.warning("%s: checkpoint skipped (%s)", self._file(number, "json"), reason)
        return None

    def _write_others(self, tensors: Tensors, numbers: list[Any], fabric: Fabric) -> list[dict[str, Any]]:
        """Write the tensors in which this process differs from process 0.

        Returns:
            What the JSON file holds about each process except process 0.
        """
        if fabric.world_size == 1:
            return []
        first = broadcast({name: _bits(tensor) for name, tensor in tensors.items()}, fabric)
        part, fault = {}, None
        if not fabric.is_global_zero:
            different = {name: tensor for name, tensor in tensors.items() if _bits(tensor) != first.get(name)}
            packed = safetensors.torch.save(different)
            missing = [name for name in first if name not in tensors]
            part = {"sha256": sha256(packed).hexdigest(), "lacks": missing, "states": numbers}
            try:
                self._write(f"{fabric.global_rank}.safetensors", packed)
            except EbmoodError as error:
                fault = str(error)
        _, *parts = all_gather((part, fault), fabric)
        for _, fault in parts:
            if fault:
                raise EbmoodError(fault)
        return [part for part, _ in parts]

    def _write_first(self, tensors: Tensors, content: dict[str, Any]) -> None:
        packed = safetensors.torch.save(tensors)
        self._write("safetensors", packed)
        text = json.dumps({"sha256": _digest(packed, content), **content})
        write_text(self._file(self._number, "json"), text)

    def _write(self, kind: str, packed: bytes) -> None:
        with atomic_path(self._file(self._number, kind)) as temporary:
            temporary.write_bytes(packed)

    def _read(self, number: int, identity: str, fabric: Fabric) -> Checkpoint:
        content = json.loads(self._file(number, "json").read_bytes())
        expected = content.pop("sha256")
        packed = self._file(number, "safetensors").read_bytes()
        if _digest(packed, content) != expected:
            raise ValueError("damaged: the SHA-256 does not match")
        if content["identity"] != identity:
            raise ValueError("it belongs to a run with other settings or data")
        others = content.get("others", [])
        count = len(others) + 1
        if count != fabric.world_size:
            raise EbmoodError(
                f"{self.folder}: these checkpoints were written by {count} process{'es' * (count > 1)}, but this run "
                f"has {fabric.world_size}; resume with {count}, or choose another folder to start again"
            )
        tensors, states = safetensors.torch.load(packed), content["states"]
        if not fabric.is_global_zero:
            rank = fabric.global_rank
            other = others[rank - 1]
            packed = self._file(number, f"{rank}.safetensors").read_bytes()
            if sha256(packed).hexdigest() != other["sha256"]:
                raise ValueError(f"damaged: the SHA-256 of the file of process {rank} does not match")
            tensors, states = tensors | safetensors.torch.load(packed), other["states"]
            for name in other["lacks"]:
                del tensors[name]
        unpacked = []
        for index, state in enumerate(states):
            prefix = f"{index}/"
            part = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
            unpacked.append(State(state["step"], part, state["numbers"]))
        return Checkpoint(tuple(unpacked[:-1]), unpacked[-1], tuple(content["events"]))

    def _numbers(self) -> list[int]:
        return [int(path.stem) for path in self.folder.glob("[0-9]" * 6 + ".json")]

    def _file(self, number: int, kind: str) -> Path:
        return self.folder / f"{number:06d}.{kind}"

    def _remove_old(self) -> None:
        newest = sorted(self._numbers())[-2:]
        for path in self.folder.iterdir():
            match = FILE_NAME.fullmatch(path.name)
            if match and (path.name.startswith(".") or int(match[1]) not in newest):
                path.unlink(missing_ok=True)


def _merge_tensors(states: Sequence[State]) -> Tensors:
    """Return the tensors of all states as `NUMBER/NAME`. Shared memory is copied, as safetensors rejects it."""
    merged: Tensors = {}
    addresses: set[int] = set()
    for number, state in enumerate(states):
        for name, tensor in state.tensors.items():
            packed = tensor.cpu().contiguous()
            merged[f"{number}/{name}"] = packed.clone() if packed.data_ptr() in addresses else packed
            addresses.add(packed.data_ptr())
    return merged


def _bits(tensor: Tensor) -> str:
    return sha256(tensor.flatten().view(torch.uint8).numpy().data).hexdigest()


def _digest(packed: bytes, content: dict) -> str:
    plain = json.dumps(content, sort_keys=True)
    return sha256(sha256(packed).digest() + plain.encode()).hexdigest()
