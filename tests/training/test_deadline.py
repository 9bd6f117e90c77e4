import time

import pytest
import torch
from torch.testing import assert_close

from ebmood.models import EnergyModel
from ebmood.networks import MLP
from ebmood.objectives import CD
from ebmood.samplers import SGLD
from ebmood.training import Checkpoints, Training, TrainingStoppedError, make_fabric, stop_trainings_at, train

CPU = make_fabric("cpu")
ROWS = torch.rand(100, 2, generator=torch.Generator().manual_seed(0))


def objective():
    torch.manual_seed(0)
    return CD(chain=SGLD(steps=2), buffer=30).build(EnergyModel(MLP(2, (8,), 1)), 1, (2,), 0)


def run(model, checkpoints=None):
    return train(model, ROWS, None, Training(steps=5, batch_size=20), 0, CPU, checkpoints=checkpoints)


def test_a_training_that_stops_after_every_step_ends_with_equal_results(tmp_path):
    expected = objective()
    history = run(expected).history
    stops = 0
    while True:
        stopped = objective()
        try:
            with stop_trainings_at(time.time()):
                trained = run(stopped, Checkpoints(tmp_path))
            break
        except TrainingStoppedError:
            stops += 1
    assert stops == 5, "one step in every call; the last call has nothing left to train"
    assert trained.history == history
    for name, tensor in expected.state_dict().items():
        assert_close(stopped.state_dict()[name], tensor, rtol=0, atol=0)


def test_without_a_deadline_or_before_it_trainings_do_not_stop(tmp_path):
    with stop_trainings_at(None):
        run(objective(), Checkpoints(tmp_path / "none"))
    with stop_trainings_at(time.time() + 3600):
        run(objective(), Checkpoints(tmp_path / "later"))


def test_the_deadline_ends_with_its_context_and_applies_only_to_trainings_with_checkpoints(tmp_path):
    with stop_trainings_at(0.0):
        run(objective())
        with pytest.raises(TrainingStoppedError):
            run(objective(), Checkpoints(tmp_path))
    run(objective(), Checkpoints(tmp_path))
