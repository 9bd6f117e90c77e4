"""Divergence of a training run: how it is detected, and the rollback to an earlier state.

A run diverges if a value is not finite (a logged value such as a loss or a gradient norm, a parameter, a buffer, an
optimiser state), or if a logged value leaves its running range and stays outside. The range is wide and follows the
run: some losses decrease without bound although nothing is wrong (data without a density have no smallest loss), and
one batch can have a gradient a hundred times as large as the next. The range therefore detects explosions only.

After a rollback, the run continues from the earlier state with new noise and lower learning rates.
"""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import replace

from pydantic import NonNegativeInt, PositiveInt

from ebmood.core.errors import EbmoodError
from ebmood.core.settings import Positive, Settings
from ebmood.training.checkpoint import Checkpoint
from ebmood.training.run import Run, State


class Rollback(Settings):
    """When a run counts as diverged, and how often it may roll back.

    Attributes:
        check_every: steps between two evaluations of the logged values. The first step is evaluated too.
        window: number of evaluations that define a value's running range, which is one plus the largest magnitude
            among them.
        lag: number of the newest evaluations in the window that are ignored, so that an exploding value does not
            widen its own range.
        factor: a value is outside if its magnitude exceeds `factor` times its range. Healthy runs reached 400.
        patience: consecutive evaluations outside after which the run counts as diverged. A value that is not finite
            counts immediately.
        snapshot_every: steps between two snapshots. The last two are stored; a rollback returns to the older one.
        retries: maximum number of rollbacks; 0 raises an error at the first divergence.
        rate_factor: factor by which each rollback multiplies the learning rates.
    """

    check_every: PositiveInt = 10
    window: PositiveInt = 50
    lag: NonNegativeInt = 10
    factor: Positive = 1e5
    patience: PositiveInt = 3
    snapshot_every: PositiveInt = 100
    retries: NonNegativeInt = 3
    rate_factor: Positive = 0.5


class DivergedError(EbmoodError):
    """Training diverged, and no rollback is left.

    Attributes:
        events: one line for every rollback.
    """

    def __init__(self, message: str, events: tuple[str, ...] = ()):
        super().__init__(message)
        self.events = events


class RunningRanges:
    """The running range of every value that a run logs.

    Args:
        settings: width of the ranges.

    >>> ranges = RunningRanges(Rollback(patience=2))
    >>> [ranges.check({"loss": loss}) for loss in (1.0, 2.0, 1e9)]
    [None, None, None]
    >>> ranges.check({"loss": 1e9})
    'loss is 1e+09, more than 100000 times its running range of 2 at 2 evaluations in a row'
    """

    def __init__(self, settings: Rollback):
        self.settings = settings
        self._recent: dict[str, deque[float]] = {}
        self._outside: dict[str, int] = {}

    @property
    def all_inside(self) -> bool:
        """Whether every value was inside its range at the last evaluation."""
        return not self._outside

    def check(self, values: Mapping[str, float]) -> str | None:
        """Add the values of one evaluation. Return which of them diverged and why, or None."""
        for name, value in values.items():
            recent = self._recent.setdefault(name, deque(maxlen=self.settings.window))
            magnitudes = list(recent)[: max(1, len(recent) - self.settings.lag)]
            # The unit is one: losses are in nats, and rows are scaled to about one.
            width = 1 + max(magnitudes, default=abs(value))
            if abs(value) <= self.settings.factor * width:
                recent.append(abs(value))  # A value outside must not widen the range.
                self._outside.pop(name, None)
                continue
            self._outside[name] = self._outside.get(name, 0) + 1
            if self._outside[name] >= self.settings.patience:
                return (
                    f"{name} is {value:.4g}, more than {self.settings.factor:g} times its running range of "
                    f"{width:.4g} at {self.settings.patience} evaluations in a row"
                )
        return None

    def state(self) -> dict[str, dict]:
        """Return the state as values that JSON can hold."""
        recent = {name: list(values) for name, values in self._recent.items()}
        return {"recent": recent, "outside": dict(self._outside)}

    def restore(self, state: Mapping[str, dict]) -> None:
        """Replace the state by one that `state` returned."""
        window = self.settings.window
        self._recent = {name: deque(values, window) for name, values in state["recent"].items()}
        self._outside = dict(state["outside"])


class DivergenceGuard:
    """Detects that a run diverges, and rolls it back.

    Args:
        run: the run, before its first step.
        settings: when the run counts as diverged, and how often it may roll back.
        name: prefix of events and errors; empty for none.

    Attributes:
        snapshots: the last two snapshots, the older first.
        events: one line for every rollback.
    """

    def __init__(self, run: Run, settings: Rollback, name: str = ""):
        self.run = run
        self.settings = settings
        self.name = name
        self.ranges = RunningRanges(settings)
        self.events: list[str] = []
        self.snapshots = deque([self.snapshot()], maxlen=2)

    def checks_next_step(self) -> bool:
        """Return whether `check` needs the values of the next step."""
        step = self.run.step + 1
        return self._checks_ranges(step) or self._keeps_snapshot(step) or step == self.run.steps

    def check(self, values: Mapping[str, float]) -> str | None:
        """Evaluate the values that the last step logged, and at snapshots all tensors too.

        Returns:
            What diverged, in one line, or None.
        """
        for name, value in values.items():
            if not math.isfinite(value):
                return f"{name} is {value}"
        step = self.run.step
        if self._checks_ranges(step) and (reason := self.ranges.check(values)):
            return reason
        if (self._keeps_snapshot(step) or step == self.run.steps) and (name := self.run.find_non_finite()):
            return f"{name} is not finite"
        return None

    def rollback(self, reason: str) -> str:
        """Restore the older snapshot, draw new noise and lower the learning rates.

        Returns:
            The event: the reason and what was done, in one line.

        Raises:
            DivergedError: no rollback is left.
        """
        step = self.run.step
        if len(self.events) >= self.settings.retries:
            message = self.with_name(self._describe_failure(f"{reason} at step {step}"))
            raise DivergedError(message, tuple(self.events))
        snapshot, attempt = self.snapshots[0], len(self.events) + 1
        self.snapshots = deque([snapshot], maxlen=2)
        self.restore(snapshot)
        self.run.reseed(attempt, self.settings.rate_factor**attempt)
        action = (
            f"rolled back to step {snapshot.step} with new noise and learning rates times {self.run.rate:g}"
        )
        self.events.append(self.with_name(f"{reason} at step {step}; {action}"))
        return self.events[-1]

    def with_name(self, text: str) -> str:
        """Return the text with the name of the run before it."""
        return f"{self.name}: {text}" if self.name else text

    def keep_snapshot(self) -> None:
        """Store a snapshot after the last step if one is due and every value is inside its range."""
        if self._keeps_snapshot(self.run.step) and self.ranges.all_inside:
            self.snapshots.append(self.snapshot())

    def snapshot(self) -> State:
        """Return the state after the last step, including the running ranges."""
        state = self.run.state()
        return replace(state, numbers=state.numbers | {"ranges": self.ranges.state()})

    def restore(self, snapshot: State) -> None:
        """Restore the run and the running ranges from a snapshot."""
        self.run.restore(snapshot)
        self.ranges.restore(snapshot.numbers["ranges"])

    def checkpoint(self) -> Checkpoint:
        """Return everything that `resume` needs."""
        return Checkpoint(tuple(self.snapshots), self.snapshot(), tuple(self.events))

    def resume(self, checkpoint: Checkpoint) -> None:
        """Continue from a checkpoint."""
        self.snapshots = deque(checkpoint.snapshots, maxlen=2)
        self.events = list(checkpoint.events)
        self.restore(checkpoint.current)

    def _checks_ranges(self, step: int) -> bool:
        return step == 1 or step % self.settings.check_every == 0

    def _keeps_snapshot(self, step: int) -> bool:
        return self.settings.retries > 0 and step % self.settings.snapshot_every == 0

    def _describe_failure(self, reason: str) -> str:
        advice = "lower the learning rate or the step size of the sampler"
        if not self.events:
            return f"{reason}; {advice}"
        rollbacks = (
            f"{len(self.events)} rollbacks with new noise and learning rates down to {self.run.rate:g} times"
        )
        return f"{reason}, after {rollbacks} their settings; {advice}"
