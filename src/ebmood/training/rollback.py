"""What is done when a run diverges: back to a good state, new noise, lower rates, a few times.

Noticed is a value that is not finite (a loss or whatever else a player logs, the norm of its gradient, a
parameter, a buffer, an optimiser's memory), and a value that leaves its running range and stays outside. The
range is wide and follows the run, because a loss may sink without end and without fault (some data have no
least loss) and one batch may be a hundred times as steep as another; what it catches is an explosion.
"""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import replace

from ebmood.core.errors import EbmoodError
from ebmood.core.settings import Settings
from ebmood.training.checkpoint import Saved
from ebmood.training.run import Run, State


class Rollback(Settings):
    """When a run counts as diverged, and how often it may try again.

    Attributes:
        look_every: steps between two looks at what the players log; there is one at the first step too.
        window: looks that a value's running range comes from: one plus its largest magnitude there.
        lag: newest looks of the window that do not count, lest the range rise with what is exploding.
        factor: how many times its range a value must reach to lie outside. Healthy runs reached 400.
        patience: looks in a row outside after which the run counts as diverged. A value that is not finite
            is not waited for.
        keep_every: steps between two states that are kept. Two are, and the run goes back to the older.
        retries: how often it may go back; 0 to stop at once.
        rate: what rates are multiplied by every time.
    """

    look_every: int = 10
    window: int = 50
    lag: int = 10
    factor: float = 1e5
    patience: int = 3
    keep_every: int = 100
    retries: int = 3
    rate: float = 0.5


class DivergedError(EbmoodError):
    """Training diverged, and trying again did not help.

    Attributes:
        events: what was tried, one line each.
    """

    def __init__(self, message: str, events: tuple[str, ...] = ()):
        super().__init__(message)
        self.events = events


class Ranges:
    """The running range of every value that a run logs."""

    def __init__(self, healing: Rollback):
        self.healing = healing
        self._recent: dict[str, deque[float]] = {}
        self._outside: dict[str, int] = {}

    @property
    def calm(self) -> bool:
        """Every value was inside its range at the last look."""
        return not self._outside

    def trouble(self, values: Mapping[str, float]) -> str | None:
        """Take the values of one look; says which of them diverged, or None."""
        for name, value in values.items():
            recent = self._recent.setdefault(name, deque(maxlen=self.healing.window))
            settled = list(recent)[: max(1, len(recent) - self.healing.lag)]
            # One is the natural unit: nats, and rows scaled to about one.
            reach = 1 + max(settled, default=abs(value))
            if abs(value) <= self.healing.factor * reach:
                recent.append(abs(value))  # What lies outside must not widen the range.
                self._outside.pop(name, None)
                continue
            self._outside[name] = self._outside.get(name, 0) + 1
            if self._outside[name] >= self.healing.patience:
                return f"{name} is {value:.4g}, where its running range reached {reach:.4g}, and stays so"
        return None

    def state(self) -> dict[str, dict]:
        """What it remembers, as plain values."""
        recent = {name: list(values) for name, values in self._recent.items()}
        return {"recent": recent, "outside": dict(self._outside)}

    def restore(self, state: Mapping[str, dict]) -> None:
        """Remember a `state` instead."""
        window = self.healing.window
        self._recent = {name: deque(values, window) for name, values in state["recent"].items()}
        self._outside = dict(state["outside"])


class DivergenceGuard:
    """Watches a run and knows where to go back to.

    Args:
        run: the run.
        healing: when it counts as diverged.
        name: what events and errors call it; nothing if empty.

    Attributes:
        good: the last two states that were kept, the older first.
        events: one line for every time that the run went back.
    """

    def __init__(self, run: Run, healing: Rollback, name: str = ""):
        self.run = run
        self.healing = healing
        self.name = name
        self.ranges = Ranges(healing)
        self.events: list[str] = []
        self.good = deque([self.now()], maxlen=2)

    def looks(self) -> bool:
        """Whether the next step is one to look at."""
        step = self.run.step + 1
        return self._ranged(step) or self._keeps(step) or step == self.run.steps

    def trouble(self, values: Mapping[str, float]) -> str | None:
        """Look at what the last step logged, and now and then at all parameters; says what diverged, or None."""
        for name, value in values.items():
            if not math.isfinite(value):
                return f"{name} is {value}"
        step = self.run.step
        if self._ranged(step) and (reason := self.ranges.trouble(values)):
            return reason
        if (self._keeps(step) or step == self.run.steps) and (name := self.run.not_finite()):
            return f"{name} is not finite"
        return None

    def heal(self, reason: str) -> str:
        """Go back and prepare to go on otherwise; what was done, in one line.

        Raises:
            DivergedError: the run has gone back as often as it may.
        """
        step = self.run.step
        if len(self.events) >= self.healing.retries:
            message = self.named(self._in_vain(f"{reason} at step {step}"))
            raise DivergedError(message, tuple(self.events))
        back, attempt = self.good[0], len(self.events) + 1
        self.good = deque([back], maxlen=2)
        self.restore(back)
        self.run.renew(attempt, self.healing.rate**attempt)
        done = f"back to step {back.step} with new noise and rates times {self.run.rate:g}"
        self.events.append(self.named(f"{reason} at step {step}; {done}"))
        return self.events[-1]

    def named(self, text: str) -> str:
        """The text, with the name of what is trained before it."""
        return f"{self.name}: {text}" if self.name else text

    def keep(self) -> None:
        """Keep the state after the last step, if it is time and nothing is out of its range."""
        if self._keeps(self.run.step) and self.ranges.calm:
            self.good.append(self.now())

    def now(self) -> State:
        """The state after the last step, with the running ranges."""
        state = self.run.state()
        return replace(state, numbers=state.numbers | {"ranges": self.ranges.state()})

    def restore(self, state: State) -> None:
        """Put the run and the ranges into a state."""
        self.run.restore(state)
        self.ranges.restore(state.numbers["ranges"])

    def saved(self) -> Saved:
        """All that a checkpoint must hold."""
        return Saved(tuple(self.good), self.now(), tuple(self.events))

    def take_up(self, saved: Saved) -> None:
        """Go on from a checkpoint."""
        self.good = deque(saved.good, maxlen=2)
        self.events = list(saved.events)
        self.restore(saved.now)

    def _ranged(self, step: int) -> bool:
        return step == 1 or step % self.healing.look_every == 0

    def _keeps(self, step: int) -> bool:
        return self.healing.retries > 0 and step % self.healing.keep_every == 0

    def _in_vain(self, what: str) -> str:
        advice = "lower the learning rate or the sampler's step"
        if not self.events:
            return f"{what}; {advice}"
        tried = f"going back {len(self.events)} times with new noise and rates down to {self.run.rate:g} of theirs"
        return f"{what}, after {tried}; {advice}"
