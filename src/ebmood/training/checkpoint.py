"""Checkpoints: a killed run goes on to the bits that it would have reached.

A checkpoint is two files, `000012.safetensors` and `000012.json`. The second is written last and holds the
SHA-256 of the contents of both, so that a torn pair is known as such. The last two checkpoints are kept.

With several processes, each but the first writes a file more, `000012.1.safetensors` and so on: those of its tensors
that are not the first one's too. The JSON is written once all lie there, and holds the SHA-256 of each, so that files
of different checkpoints do not pass for one.
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
from ebmood.training.data_parallel import anywhere, from_all, from_first
from ebmood.training.run import State, Tensors

SHARE = 0.02
"""Share of the time that writing by the clock may take; beyond it, checkpoints come more seldom."""

OWN = re.compile(r"\.?(\d{6})\..*(safetensors|json)")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Saved:
    """What a checkpoint holds: the states to go back to, the present one, and what was healed so far."""

    good: tuple[State, ...]
    now: State
    events: tuple[str, ...]


class Checkpoints:
    """The checkpoints of one run. Its processes call every method together.

    Args:
        folder: theirs alone, and the same one for all processes; made where it does not exist. Not for two runs at
            once.
        seconds: time between two checkpoints; more where writing one takes longer than a fiftieth of that.
        steps: steps between two, in place of the clock.
    """

    def __init__(self, folder: Path | str, seconds: float = 30.0, steps: int | None = None):
        self.folder = Path(folder)
        self.seconds = seconds
        self.steps = steps
        self._number = max(self._numbers(), default=0)
        self._written = time.monotonic()
        self._took = 0.0

    def due(self, step: int, fabric: Fabric) -> bool:
        """Whether one should be written after `step`; the same in all processes."""
        if self.steps is not None:
            return step % self.steps == 0
        return anywhere(time.monotonic() - self._written >= max(self.seconds, self._took / SHARE), fabric)

    def save(self, saved: Saved, identity: str, fabric: Fabric) -> None:
        """Write a checkpoint, then remove all but the last two.

        One that cannot be written (a full disk) is logged and does not end the run.

        Args:
            saved: what to write.
            identity: of the run.
            fabric: of the run.
        """
        began = time.monotonic()
        self._number = from_first(self._number + 1, fabric)
        states = (*saved.good, saved.now)
        tensors = _named(states)
        numbers = [{"step": state.step, "numbers": state.numbers} for state in states]
        try:
            others = self._write_others(tensors, numbers, fabric)
            if fabric.is_global_zero:
                content = {"identity": identity, "events": saved.events, "states": numbers}
                self._write_first(tensors, content | ({"others": others} if others else {}))
                self._remove_old()
        except (EbmoodError, OSError) as error:
            if fabric.is_global_zero:
                log.warning("%s; training goes on without this checkpoint", error)
        self._written = time.monotonic()
        self._took = self._written - began

    def latest(self, identity: str, fabric: Fabric) -> Saved | None:
        """This process's state from the newest checkpoint that is whole and of this run, or None.

        All processes take the same one. One that is passed over is logged.

        Raises:
            EbmoodError: it is of this run, but with another number of processes.
        """
        for number in from_first(sorted(self._numbers(), reverse=True), fabric):
            saved, fault = None, None
            try:
                saved = self._read(number, identity, fabric)
            except (EbmoodError, OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
                fault = isinstance(error, EbmoodError), str(error) or type(error).__name__
            faults = [one for one in from_all(fault, fabric) if one]
            if not faults:
                return saved
            refused, reason = faults[0]
            if refused:
                raise EbmoodError(reason)
            if fabric.is_global_zero:
                log.warning("%s: checkpoint passed over (%s)", self._file(number, "json"), reason)
        return None

    def _write_others(self, tensors: Tensors, numbers: list[Any], fabric: Fabric) -> list[dict[str, Any]]:
        """Every process but the first writes its own tensors; gives what the first must know of each to find them."""
        if fabric.world_size == 1:
            return []
        first = from_first({name: _bits(tensor) for name, tensor in tensors.items()}, fabric)
        part, fault = {}, None
        if not fabric.is_global_zero:
            own = {name: tensor for name, tensor in tensors.items() if _bits(tensor) != first.get(name)}
            packed = safetensors.torch.save(own)
            lacks = [name for name in first if name not in tensors]
            part = {"sha256": sha256(packed).hexdigest(), "lacks": lacks, "states": numbers}
            try:
                self._write(f"{fabric.global_rank}.safetensors", packed)
            except EbmoodError as error:
                fault = str(error)
        _, *parts = from_all((part, fault), fabric)
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

    def _read(self, number: int, identity: str, fabric: Fabric) -> Saved:
        content = json.loads(self._file(number, "json").read_bytes())
        expected = content.pop("sha256")
        packed = self._file(number, "safetensors").read_bytes()
        if _digest(packed, content) != expected:
            raise ValueError("torn: its SHA-256 is another")
        if content["identity"] != identity:
            raise ValueError("of a run with other settings or data")
        others = content.get("others", [])
        count = len(others) + 1
        if count != fabric.world_size:
            raise EbmoodError(
                f"{self.folder}: its checkpoints are of {count} process{'es' * (count > 1)}, and this run has "
                f"{fabric.world_size}; go on with {count}, or choose another folder to begin anew"
            )
        tensors, states = safetensors.torch.load(packed), content["states"]
        if not fabric.is_global_zero:
            rank = fabric.global_rank
            other = others[rank - 1]
            packed = self._file(number, f"{rank}.safetensors").read_bytes()
            if sha256(packed).hexdigest() != other["sha256"]:
                raise ValueError(f"torn: the SHA-256 of what process {rank} wrote is another")
            tensors, states = tensors | safetensors.torch.load(packed), other["states"]
            for name in other["lacks"]:
                del tensors[name]
        unpacked = []
        for index, state in enumerate(states):
            prefix = f"{index}/"
            own = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
            unpacked.append(State(state["step"], own, state["numbers"]))
        return Saved(tuple(unpacked[:-1]), unpacked[-1], tuple(content["events"]))

    def _numbers(self) -> list[int]:
        return [int(path.stem) for path in self.folder.glob("[0-9]" * 6 + ".json")]

    def _file(self, number: int, kind: str) -> Path:
        return self.folder / f"{number:06d}.{kind}"

    def _remove_old(self) -> None:
        kept = sorted(self._numbers())[-2:]
        for path in self.folder.iterdir():
            own = OWN.fullmatch(path.name)
            if own and (path.name.startswith(".") or int(own[1]) not in kept):
                path.unlink(missing_ok=True)


def _named(states: Sequence[State]) -> Tensors:
    """All tensors under one roof; safetensors takes none twice, and states may share what never changes."""
    named: Tensors = {}
    seen: set[int] = set()
    for number, state in enumerate(states):
        for name, tensor in state.tensors.items():
            packed = tensor.cpu().contiguous()
            named[f"{number}/{name}"] = packed.clone() if packed.data_ptr() in seen else packed
            seen.add(packed.data_ptr())
    return named


def _bits(tensor: Tensor) -> str:
    return sha256(tensor.flatten().view(torch.uint8).numpy().data).hexdigest()


def _digest(packed: bytes, content: dict) -> str:
    plain = json.dumps(content, sort_keys=True)
    return sha256(sha256(packed).digest() + plain.encode()).hexdigest()
