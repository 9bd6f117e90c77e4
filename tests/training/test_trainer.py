import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ebmood.core.errors import EbmoodError, InputError
from ebmood.models import EnergyModel, RadialFlow
from ebmood.networks import MLP
from ebmood.objectives import CD, SSM, VERA, AdamW, Batch, Likelihood, Objective, Player
from ebmood.samplers import SGLD
from ebmood.training import Training, make_fabric, train

CPU = make_fabric("cpu")


class TwoPlayers(Objective):
    """Two players with one parameter each. The loss of each player also depends on the parameter of the other."""

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


def test_each_player_updates_its_own_parameters_only():
    objective = TwoPlayers()
    train(objective, torch.full((8, 1), 2.0), None, Training(steps=300, batch_size=8, warmup=0), 0, CPU)
    assert objective.a.item() == pytest.approx(2.0, abs=0.05)
    assert objective.b.item() == pytest.approx(-2.0, abs=0.05)


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
def test_equal_seeds_give_bitwise_equal_results(name):
    first = state_after(name, 0)
    torch.rand(7)  # Draws from the global generator must not change the result.
    second, other = state_after(name, 0), state_after(name, 1)
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


def test_history_is_bounded_and_ends_with_the_last_step():
    reports = []
    flow = Likelihood().build(RadialFlow(2, 1), 1, (2,), 0)
    history = train(
        flow, torch.rand(32, 2), None, Training(steps=450, batch_size=32), 0, CPU, report=reports.append
    ).history
    assert history["step"][-1] == 450
    assert len(history["step"]) == len(history["density/loss"]) == len(reports) == 150
    assert reports[-1].steps == 450


class Recorded(TwoPlayers):
    """Records the parameter of the first player before each step."""

    def __init__(self):
        super().__init__()
        self.values = []

    def players(self):
        first, second = super().players()

        def loss(batch, generator):
            self.values.append(self.a.item())
            return first.loss(batch, generator)

        return (Player(first.name, first.parameters, loss, first.optimiser), second)


def test_average_applies_to_the_first_player_only():
    ends = []
    for average in (5, None):
        objective = Recorded()
        training = Training(steps=5, batch_size=8, warmup=0, average=average)
        train(objective, torch.full((8, 1), 2.0), None, training, 0, CPU)
        ends.append(objective)
    mean, last = ends
    assert mean.a.item() == pytest.approx(np.mean([*mean.values[1:], last.a.item()]), rel=1e-5)
    assert mean.b.item() == last.b.item()


def test_hooks_see_averaged_parameters_and_the_training_continues_without_them():
    """The hook restores the average after the second of five epochs of one step."""
    seen = []

    class Hook:
        def after_epoch(self, epoch):
            seen.append(objective.a.item())
            return False

        def at_end(self):
            with torch.no_grad():
                objective.a.fill_(seen[1])

        def state(self):
            return {}, {}

        def restore(self, tensors, numbers):
            pass

    def trained(hooks):
        objective = Recorded()
        training = Training(steps=5, batch_size=8, warmup=0, average=5)
        return objective, lambda: train(objective, torch.full((8, 1), 2.0), None, training, 0, CPU, hooks)

    plain, run = trained([])
    run()
    objective, run = trained([Hook()])
    run()
    assert objective.values == plain.values, "steps start from the parameters, not from their average"
    assert seen[-1] == plain.a.item()
    assert seen[1] == pytest.approx(np.mean(plain.values[1:3]), rel=1e-5)
    assert objective.a.item() == seen[1], "a restored state is not replaced by the last average"


def test_a_single_process_ignores_slurm(tmp_path, monkeypatch, recwarn):
    (tmp_path / "srun").write_text("#!/bin/sh\n")
    (tmp_path / "srun").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    for tasks in (None, "4"):  # on a login node, and in a job with four tasks
        if tasks:
            monkeypatch.setenv("SLURM_NTASKS", tasks)
        assert make_fabric("cpu").world_size == 1
    assert not recwarn.list


def test_missing_cuda_is_an_error():
    if torch.cuda.is_available():
        assert make_fabric("cuda").device.type == "cuda"
    else:
        with pytest.raises(EbmoodError, match="torch finds no CUDA device"):
            make_fabric("cuda")


def test_slurm_settings_that_lightning_rejects_are_an_error_of_one_line(monkeypatch):
    for name, value in {"SLURM_NTASKS": "2", "SLURM_STEP_NUM_TASKS": "2", "SLURM_JOB_NAME": "fit"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SLURM_NTASKS_PER_NODE", raising=False)
    with pytest.raises(EbmoodError, match=r"^2 nodes of 1 processes: .*--ntasks-per-node=2") as caught:
        make_fabric("cpu", processes=1, nodes=2)
    assert "\n" not in str(caught.value)


def test_optimisers_do_not_search_for_a_gpu_on_machines_without_one(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setenv("PYTORCH_NVML_BASED_CUDA_CHECK", "1")  # as set by Lightning
    make_fabric("cpu")
    assert "PYTORCH_NVML_BASED_CUDA_CHECK" not in os.environ


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak memory of forks in KiB")
@pytest.mark.slow
def test_memory_does_not_grow_with_steps_or_scored_rows(tmp_path):
    script = Path(__file__).parents[1] / "helpers" / "peak_memory.py"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, script, tmp_path], check=True, capture_output=True, env=environment
    )
    peaks = json.loads(done.stdout)
    *short, long = peaks["run"]
    assert long < max(short) + 6_000, f"ten times the steps: {peaks['run']} KiB"
    *few, many = peaks["score"]
    # The scores take eight bytes per row.
    assert many < max(few) + 400_000 * 8 / 1024 + 6_000, f"twenty times the rows: {peaks['score']} KiB"


def test_an_unknown_device_is_refused_in_one_line():
    with pytest.raises(InputError, match=r"^device 'gpu': unknown; choose auto, cpu or cuda$"):
        make_fabric("gpu")
