import os

import numpy as np
import pytest
import torch
from torch import nn

from ebmood.core.errors import DataWarning, EbmoodError
from ebmood.models import EnergyModel, RadialFlow
from ebmood.networks import MLP
from ebmood.objectives import CD, SSM, VERA, AdamW, Batch, Likelihood, Objective, Player
from ebmood.samplers import SGLD
from ebmood.training import Batches, BestState, Training, make_fabric, rate_factor, train

CPU = make_fabric("cpu")


class Pull(Objective):
    """Two players share no parameter; each pulls its own number to the batch's mean, and touches the other's."""

    def __init__(self):
        super().__init__()
        self.model = EnergyModel(MLP(1, (), 1))
        self.a = nn.Parameter(torch.tensor(0.0))
        self.b = nn.Parameter(torch.tensor(0.0))

    def players(self):
        def first(batch: Batch, generator):
            return (self.a - batch.x.mean()).square() + 10 * self.b, {}

        def second(batch: Batch, generator):
            return (self.b + batch.x.mean()).square() + 10 * self.a, {}

        return (Player("a", (self.a,), first, AdamW(lr=0.05)), Player("b", (self.b,), second, AdamW(lr=0.05)))


def test_each_player_moves_its_own_parameters_alone():
    objective = Pull()
    train(objective, torch.full((8, 1), 2.0), None, Training(steps=300, batch_size=8, warmup=0), 0, CPU)
    assert objective.a.item() == pytest.approx(2.0, abs=0.05)
    assert objective.b.item() == pytest.approx(-2.0, abs=0.05)


def test_epochs_visit_every_row_once_and_drop_the_last_partial_batch():
    rows = torch.arange(10.0)[:, None]
    batches = Batches(rows, torch.arange(10), 4, torch.Generator().manual_seed(0))
    assert batches.per_epoch == 2
    epochs = [[next(batches) for _ in range(2)] for _ in range(3)]
    for epoch in epochs:
        seen = torch.cat([batch.y for batch in epoch])
        assert len(seen.unique()) == 8
        assert all(torch.equal(batch.x[:, 0].long(), batch.y) for batch in epoch)
    assert len({tuple(torch.cat([b.y for b in epoch]).tolist()) for epoch in epochs}) == 3


def test_fewer_rows_than_a_batch_shrink_it_and_say_so():
    with pytest.warns(DataWarning, match="3 training rows: batches hold 3, not 512"):
        batches = Batches(torch.zeros(3, 1), None, 512, torch.Generator())
    assert next(iter(batches)).x.shape == (3, 1)


def test_rates_warm_up_then_halve():
    training = Training(warmup=10, halve_every=5)
    factors = [rate_factor(step, per_epoch=4, training=training) for step in range(60)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[9] == factors[19] == 1.0
    assert factors[20] == 0.5
    assert factors[40] == 0.25
    assert rate_factor(0, 1, Training(warmup=0)) == 1.0


def settings_of(name):
    return {
        "ssm": SSM(),
        "cd": CD(chain=SGLD(steps=3), buffer=50),
        "vera": VERA(hidden=(8,), posterior_samples=3),
    }[name]


def state_after(name: str, seed: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    model = EnergyModel(MLP(2, (8,), 1, "silu"))
    objective = settings_of(name).build(model, 1, (2,), seed)
    rows = torch.as_tensor(np.random.default_rng(0).random((64, 2), dtype=np.float32))
    train(objective, rows, None, Training(steps=12, batch_size=16, warmup=2), seed, CPU)
    return objective.state_dict()


@pytest.mark.parametrize("name", ["ssm", "cd", "vera"])
def test_same_seed_same_bits_another_seed_others(name):
    first, again, other = state_after(name, 0), state_after(name, 0), state_after(name, 1)
    torch.rand(7)  # Whatever else draws from the global generator changes nothing.
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


def test_history_has_the_first_and_the_last_point_and_is_bounded():
    seen = []
    flow = Likelihood().build(RadialFlow(2, 1), 1, (2,), 0)
    history = train(
        flow, torch.rand(32, 2), None, Training(steps=450, batch_size=32), 0, CPU, report=seen.append
    ).history
    assert history["step"][-1] == 450
    assert len(history["step"]) == len(history["density/loss"]) == len(seen) == 150
    assert seen[-1].steps == 450


class Recorded(Pull):
    """Remembers where the first player's number stood before each step."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def players(self):
        first, second = super().players()

        def loss(batch, generator):
            self.seen.append(self.a.item())
            return first.loss(batch, generator)

        return (Player(first.name, first.parameters, loss, first.optimiser), second)


def test_an_average_is_the_mean_of_the_steps_and_leaves_other_players_alone():
    ends = []
    for average in (5, None):
        objective = Recorded()
        training = Training(steps=5, batch_size=8, warmup=0, average=average)
        train(objective, torch.full((8, 1), 2.0), None, training, 0, CPU)
        ends.append(objective)
    mean, last = ends
    assert mean.a.item() == pytest.approx(np.mean([*mean.seen[1:], last.a.item()]), rel=1e-5)
    assert mean.b.item() == last.b.item()
    with pytest.raises(ValueError, match="set one of them"):
        Training(average=5, validate_every=2)


def test_one_process_heeds_no_slurm_around_it(tmp_path, monkeypatch, recwarn):
    (tmp_path / "srun").write_text("#!/bin/sh\n")
    (tmp_path / "srun").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    for tasks in (None, "4"):  # on a login node, and in a job of four tasks
        if tasks:
            monkeypatch.setenv("SLURM_NTASKS", tasks)
        assert make_fabric("cpu").world_size == 1
    assert not recwarn.list


def test_cuda_asked_for_and_absent():
    if torch.cuda.is_available():
        assert make_fabric("cuda").device.type == "cuda"
    else:
        with pytest.raises(EbmoodError, match="no CUDA device"):
            make_fabric("cuda")


class TestBestState:
    def numbers(self, values, patience=None):
        module = nn.Linear(1, 1, bias=False)
        stream = iter(values)
        hook = BestState(module, lambda: next(stream), every=2, patience=patience)
        stopped = None
        for epoch in range(1, 2 * len(values) + 1):
            with torch.no_grad():
                module.weight.fill_(epoch)
            if hook.after_epoch(epoch):
                stopped = epoch
                break
        hook.at_end()
        return module.weight.item(), stopped, hook

    def test_puts_the_best_back(self):
        weight, stopped, hook = self.numbers([1.0, 3.0, 2.0, float("nan")])
        assert (weight, stopped, hook.best, hook.best_epoch) == (4.0, None, 3.0, 4)

    def test_ends_after_patience_looks_without_a_better_one(self):
        weight, stopped, _ = self.numbers([1.0, 0.5, 2.0, 1.0, 1.9, 5.0], patience=2)
        assert (weight, stopped) == (6.0, 10)


def test_tasks_of_slurm_that_lightning_does_not_take_are_refused_in_one_line(monkeypatch):
    for name, value in {"SLURM_NTASKS": "2", "SLURM_STEP_NUM_TASKS": "2", "SLURM_JOB_NAME": "fit"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SLURM_NTASKS_PER_NODE", raising=False)
    with pytest.raises(EbmoodError, match=r"^2 nodes of 1 processes: .*--ntasks-per-node=2") as found:
        make_fabric("cpu", processes=1, nodes=2)
    assert "\n" not in str(found.value)


def test_optimisers_do_not_look_for_a_gpu_where_there_is_none(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setenv("PYTORCH_NVML_BASED_CUDA_CHECK", "1")  # as Lightning leaves it
    make_fabric("cpu")
    assert "PYTORCH_NVML_BASED_CUDA_CHECK" not in os.environ
