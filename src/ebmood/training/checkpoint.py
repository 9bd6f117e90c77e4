"""Checkpoints: a killed run goes on to the bits that it would have reached.

A checkpoint is two files, `000012.safetensors` and `000012.json`. The second is written after the first and
holds the SHA-256 of both their contents, so that a torn pair is known as such. The last two pairs are kept.
"""

import json
import logging
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from ebmood.errors import EbmoodError
from ebmood.files import atomic_path, write_text
from ebmood.training.run import State

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
    """The checkpoints of one run.

    Args:
        folder: theirs alone; made where it does not exist. Not for two runs at once.
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

    def due(self, step: int) -> bool:
        """Whether one should be written after `step`."""
        if self.steps is not None:
            return step % self.steps == 0
        return time.monotonic() - self._written >= max(self.seconds, self._took / SHARE)

    def save(self, saved: Saved, identity: str) -> None:
        """Write a checkpoint, then remove all but the last two.

        One that cannot be written (a full disk) is logged and does not end the run.

        Args:
            saved: what to write.
            identity: of the run.
        """
        began = time.monotonic()
        self._number += 1
        states = (*saved.good, saved.now)
        tensors = _named(states)
        content = {
            "identity": identity,
            "events": saved.events,
            "states": [{"step": state.step, "numbers": state.numbers} for state in states],
        }
        packed = safetensors.torch.save(tensors)
        try:
            with atomic_path(self._file(self._number, "safetensors")) as temporary:
                temporary.write_bytes(packed)
            write_text(
                self._file(self._number, "json"), json.dumps({"sha256": _digest(packed, content), **content})
            )
            self._remove_old()
        except (EbmoodError, OSError) as error:
            log.warning("%s; training goes on without this checkpoint", error)
        self._written = time.monotonic()
        self._took = self._written - began

    def latest(self, identity: str) -> Saved | None:
        """The newest checkpoint of this run that is whole, or None. One that is passed over is logged."""
        for number in sorted(self._numbers(), reverse=True):
            path = self._file(number, "json")
            try:
                return self._read(number, identity)
            except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
                log.warning("%s: checkpoint passed over (%s)", path, error or type(error).__name__)
        return None

    def _read(self, number: int, identity: str) -> Saved:
        content = json.loads(self._file(number, "json").read_bytes())
        expected = content.pop("sha256")
        packed = self._file(number, "safetensors").read_bytes()
        if _digest(packed, content) != expected:
            raise ValueError("torn: its SHA-256 is another")
        if content["identity"] != identity:
            raise ValueError("of a run with other settings or data")
        tensors = safetensors.torch.load(packed)
        states = []
        for index, state in enumerate(content["states"]):
            prefix = f"{index}/"
            own = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
            states.append(State(state["step"], own, state["numbers"]))
        return Saved(tuple(states[:-1]), states[-1], tuple(content["events"]))

    def _numbers(self) -> list[int]:
        return [int(path.stem) for path in self.folder.glob("[0-9]" * 6 + ".json")]

    def _file(self, number: int, kind: str) -> Path:
        return self.folder / f"{number:06d}.{kind}"

    def _remove_old(self) -> None:
        for path in self.folder.iterdir():
            own = OWN.fullmatch(path.name)
            if own and (path.name.startswith(".") or int(own[1]) < self._number - 1):
                path.unlink(missing_ok=True)


def _named(states: Sequence[State]) -> dict[str, Tensor]:
    """All tensors under one roof; safetensors takes none twice, and states may share what never changes."""
    named: dict[str, Tensor] = {}
    seen: set[int] = set()
    for number, state in enumerate(states):
        for name, tensor in state.tensors.items():
            packed = tensor.cpu().contiguous()
            named[f"{number}/{name}"] = packed.clone() if packed.data_ptr() in seen else packed
            seen.add(packed.data_ptr())
    return named


def _digest(packed: bytes, content: dict) -> str:
    plain = json.dumps(content, sort_keys=True)
    return sha256(sha256(packed).digest() + plain.encode()).hexdigest()
