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
from ebmood.training.rollback import Ranges

CPU = make_fabric("cpu")
ROWS = torch.as_tensor(np.random.default_rng(0).random((256, 3), dtype=np.float32))


class Basin(Objective):
    """A number in a basin round zero; who steps beyond one falls for ever."""

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


def test_a_rate_too_large_by_half_is_halved_and_the_run_ends_where_it_should():
    objective, told = Basin(lr=2.0), []
    with pytest.warns(RollbackWarning, match="back to step 0 with new noise and rates times 0.5"):
        trained = train(
            objective, ROWS, None, Training(steps=300, batch_size=64, warmup=0), 0, CPU, report=told.append
        )
    assert len(trained.events) == 1
    assert abs(objective.at.item()) < 0.05
    events = [(p.step, p.attempt, p.event) for p in told if p.event]
    (step, attempt, event), attempts = events[0], [p.attempt for p in told if not p.event]
    assert (attempt, event) == (0, trained.events[0])
    assert step <= 60, "noticed within a few looks"
    assert attempts == sorted(attempts)
    assert attempts[-1] == 1
    assert told[-1].losses["at/rate"] == 1.0
    assert trained.history["step"] == sorted(set(trained.history["step"])), (
        "what was undone is not in the history"
    )
    assert objective.draws[0] != objective.draws[step], "new noise"


def chains(lr: float) -> Objective:
    """Chains with steps thirty times too long, and nothing that holds the energy back."""
    torch.manual_seed(0)
    model = EnergyModel(MLP(3, (32, 32), 1, "silu"))
    settings = CD(chain=SGLD(steps=10, step_size=30.0), buffer=100, penalty=0.0, optimiser=AdamW(lr=lr))
    return settings.build(model, 1, (3,), 0)


def test_exploding_chains_are_noticed_while_all_is_finite_and_go_on():
    training = Training(steps=160, batch_size=64, warmup=0)
    with pytest.warns(
        RollbackWarning, match=r"energy/\w+ is .*, where its running range reached .*, and stays so"
    ):
        trained = train(chains(0.01), ROWS, None, training, 0, CPU)
    assert 1 <= len(trained.events) <= 3
    assert trained.history["step"][-1] == 160


@pytest.mark.filterwarnings("ignore::ebmood.core.errors.RollbackWarning")
def test_what_cannot_be_healed_ends_with_all_that_was_tried():
    training = Training(steps=300, batch_size=64, warmup=0)
    with pytest.raises(
        DivergedError, match=r"^B: energy/.* at step \d+, after going back 3 times .* down to 0.125 of"
    ) as caught:
        train(chains(0.03), ROWS, None, training, 0, CPU, name="B")
    assert [event[:10] for event in caught.value.events] == ["B: energy/"] * 3
    assert "\n" not in str(caught.value)


def test_without_retries_the_first_divergence_ends_the_run():
    training = Training(steps=300, batch_size=64, warmup=0)
    with pytest.raises(DivergedError, match=r"^at/\w+ is .* at step \d+; lower the learning rate"):
        train(Basin(2.0), ROWS, None, training, 0, CPU, healing=Rollback(retries=0))


class Once(Basin):
    """At its `when`-th loss, and never again, something is not finite: the loss, or a buffer that no loss shows."""

    def __init__(self, when: int, where: str):
        super().__init__(lr=0.01)
        self.when, self.where = when, where
        self.register_buffer("hidden", torch.zeros(3))

    def players(self):
        (player,) = super().players()

        def loss(batch: Batch, generator):
            value, logs = player.loss(batch, generator)
            if len(self.draws) == self.when:
                if self.where == "loss":
                    return value * math.nan, logs
                self.hidden[1] = math.nan
            return value, logs

        return (Player("at", (self.at,), loss, player.optimiser),)


def test_what_is_not_finite_in_a_buffer_is_found_and_undone():
    objective = Once(30, "buffer")
    with pytest.warns(RollbackWarning, match="hidden is not finite at step 100; back to step 0 with"):
        train(objective, ROWS, None, Training(steps=120, batch_size=64, warmup=0), 0, CPU)
    assert torch.equal(objective.hidden, torch.zeros(3))


def test_it_goes_back_to_the_older_of_two_good_states():
    training = Training(steps=320, batch_size=64, warmup=0)
    with pytest.warns(RollbackWarning, match="is nan at step 276; back to step 100 with"):
        train(Once(275, "loss"), ROWS, None, training, 0, CPU)


class TestRanges:
    def run(self, values, **healing) -> int | None:
        """The look, counted from 1, at which the values are out of range; None for never."""
        ranges = Ranges(Rollback(**healing))
        for look, value in enumerate(values, start=1):
            if ranges.trouble({"loss": value}):
                return look
        return None

    def test_a_loss_that_sinks_for_ever_is_no_divergence(self):
        assert self.run(-math.exp(look / 60) for look in range(1, 1001)) is None  # to -2e7

    def test_a_single_steep_batch_is_none_either(self):
        assert self.run([1.0] * 30 + [1e9, 1.0, 1e9, 1e9, 1.0] * 20) is None

    def test_zero_for_long_and_then_something_is_none(self):
        assert self.run([1e-9] * 200 + [1e3] * 50) is None

    def test_an_explosion_is_within_a_bound(self):
        assert self.run([1.0] * 100 + [10.0**k for k in range(30)]) <= 100 + 6 + 3
        assert self.run([1.0] * 100 + [1e9] * 10) == 103

    def test_what_it_remembers_is_all_it_needs(self):
        values = [1.0] * 40 + [1e9] * 2
        ranges, again = Ranges(Rollback()), Ranges(Rollback())
        for value in values:
            ranges.trouble({"loss": value})
        again.restore(ranges.state())
        assert not again.calm
        assert again.trouble({"loss": 1e9})
