import math

import numpy as np
import pytest
import torch
from torch import nn

from ebmood.core.errors import RollbackWarning
from ebmood.models import EnergyModel
from ebmood.networks import MLP
from ebmood.objectives import CD, AdamW, Batch, Objective, Player
from ebmood.samplers import SGLD
from ebmood.training import DivergedError, Rollback, Training, make_fabric, train
from ebmood.training.rollback import RunningRanges

CPU = make_fabric("cpu")
ROWS = torch.as_tensor(np.random.default_rng(0).random((256, 3), dtype=np.float32))


class Basin(Objective):
    """One parameter with a loss that has a minimum at zero and decreases without bound beyond one."""

    def __init__(self, lr: float):
        super().__init__()
        self.model = EnergyModel(MLP(3, (), 1))
        self.at = nn.Parameter(torch.tensor(0.5))
        self.lr = lr
        self.draws: list[float] = []

    def players(self):
        def loss(batch: Batch, generator):
            self.draws.append(torch.rand((), generator=generator).item())
            return self.at.square() - (8 * (self.at.abs() - 1)).exp(), {}

        return (Player("at", (self.at,), loss, AdamW(lr=self.lr)),)


def test_a_learning_rate_that_is_too_large_is_halved_and_the_run_converges():
    objective, reports = Basin(lr=2.0), []
    training = Training(steps=300, batch_size=64, warmup=0)
    with pytest.warns(RollbackWarning, match="back to step 0 with new noise and learning rates times 0.5"):
        trained = train(objective, ROWS, None, training, 0, CPU, report=reports.append)
    assert len(trained.events) == 1
    assert abs(objective.at.item()) < 0.05
    events = [(p.step, p.attempt, p.event) for p in reports if p.event]
    (step, attempt, event), attempts = events[0], [p.attempt for p in reports if not p.event]
    assert (attempt, event) == (0, trained.events[0])
    assert step <= 60, "detected within a few evaluations"
    assert attempts == sorted(attempts)
    assert attempts[-1] == 1
    assert reports[-1].losses["at/rate"] == 1.0
    assert trained.history["step"] == sorted(set(trained.history["step"])), "without undone steps"
    assert objective.draws[0] != objective.draws[step], "new noise"


def diverging_chains(lr: float) -> Objective:
    """Return an objective without penalty, whose chains have a step size that is thirty times too large."""
    torch.manual_seed(0)
    model = EnergyModel(MLP(3, (32, 32), 1, "silu"))
    settings = CD(chain=SGLD(steps=10, step_size=30.0), buffer=100, penalty=0.0, optimiser=AdamW(lr=lr))
    return settings.build(model, 1, (3,), 0)


def test_diverging_chains_are_detected_while_all_values_are_finite():
    training = Training(steps=160, batch_size=64, warmup=0)
    with pytest.warns(
        RollbackWarning, match=r"energy/\w+ is .*, more than 100000 times its running range of"
    ):
        trained = train(diverging_chains(0.01), ROWS, None, training, 0, CPU)
    assert 1 <= len(trained.events) <= 3
    assert trained.history["step"][-1] == 160


@pytest.mark.filterwarnings("ignore::ebmood.core.errors.RollbackWarning")
def test_the_error_after_the_last_rollback_lists_all_rollbacks():
    training = Training(steps=300, batch_size=64, warmup=0)
    with pytest.raises(
        DivergedError,
        match=r"^B: energy/.* at step \d+, after 3 rollbacks with .* down to 0.125 times their settings",
    ) as caught:
        train(diverging_chains(0.03), ROWS, None, training, 0, CPU, name="B")
    assert [event[:10] for event in caught.value.events] == ["B: energy/"] * 3
    assert "\n" not in str(caught.value)


def test_without_retries_the_first_divergence_is_an_error():
    training = Training(steps=300, batch_size=64, warmup=0)
    with pytest.raises(DivergedError, match=r"^at/\w+ is .* at step \d+; lower the learning rate"):
        train(Basin(2.0), ROWS, None, training, 0, CPU, rollback=Rollback(retries=0))


class NonFiniteOnce(Basin):
    """At evaluation number `step` of the loss, the loss or a buffer that the loss does not use is NaN."""

    def __init__(self, step: int, target: str):
        super().__init__(lr=0.01)
        self.nan_step, self.target = step, target
        self.register_buffer("unused", torch.zeros(3))

    def players(self):
        (player,) = super().players()

        def loss(batch: Batch, generator):
            value, logs = player.loss(batch, generator)
            if len(self.draws) == self.nan_step:
                if self.target == "loss":
                    return value * math.nan, logs
                self.unused[1] = math.nan
            return value, logs

        return (Player("at", (self.at,), loss, player.optimiser),)


def test_a_non_finite_buffer_is_detected_at_the_next_snapshot():
    objective = NonFiniteOnce(30, "buffer")
    with pytest.warns(RollbackWarning, match="unused is not finite at step 100; rolled back to step 0 with"):
        train(objective, ROWS, None, Training(steps=120, batch_size=64, warmup=0), 0, CPU)
    assert torch.equal(objective.unused, torch.zeros(3))


def test_a_rollback_restores_the_older_of_two_snapshots():
    training = Training(steps=320, batch_size=64, warmup=0)
    with pytest.warns(RollbackWarning, match="is nan at step 276; rolled back to step 100 with"):
        train(NonFiniteOnce(275, "loss"), ROWS, None, training, 0, CPU)


class TestRunningRanges:
    def run(self, values) -> int | None:
        """Return the evaluation, counted from 1, at which the values count as diverged, or None."""
        ranges = RunningRanges(Rollback())
        for number, value in enumerate(values, start=1):
            if ranges.check({"loss": value}):
                return number
        return None

    def test_a_loss_that_decreases_without_bound_is_accepted(self):
        assert self.run(-math.exp(number / 60) for number in range(1, 1001)) is None  # to -2e7

    def test_single_outliers_are_accepted(self):
        assert self.run([1.0] * 30 + [1e9, 1.0, 1e9, 1e9, 1.0] * 20) is None

    def test_a_loss_near_zero_may_rise_to_thousand(self):
        assert self.run([1e-9] * 200 + [1e3] * 50) is None

    def test_an_explosion_is_detected_within_a_few_evaluations(self):
        assert self.run([1.0] * 100 + [10.0**k for k in range(30)]) <= 100 + 6 + 3
        assert self.run([1.0] * 100 + [1e9] * 10) == 103

    def test_restore_continues_after_state(self):
        ranges, restored = RunningRanges(Rollback()), RunningRanges(Rollback())
        for value in [1.0] * 40 + [1e9] * 2:
            ranges.check({"loss": value})
        restored.restore(ranges.state())
        assert not restored.all_inside
        assert restored.check({"loss": 1e9})
