"""On a CUDA device, a resumed run gives bitwise equal results. Skipped on machines without one."""

import pytest
import torch

from ebmood.models import EnergyModel
from ebmood.networks import MLP
from ebmood.objectives import CD, VERA, Supervised
from ebmood.samplers import MALA, SGLD
from ebmood.training import Checkpoints, Training, make_fabric, train

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

SETTINGS = {
    "cd": CD(chain=SGLD(steps=2), buffer=30),
    "mala": CD(chain=MALA(steps=2), buffer=30),
    "vera": VERA(hidden=(8,), posterior_samples=2),
}


class Stop(Exception):  # noqa: N818
    pass


def run(settings, folder, stop_at=None):
    torch.manual_seed(1)
    rows = torch.rand(100, 2, generator=torch.Generator().manual_seed(0))
    objective = Supervised(settings.build(EnergyModel(MLP(2, (8,), 2, "silu")), 2, (2,), 0), 1.0)

    def report(progress):
        if progress.step == stop_at:
            raise Stop

    training = Training(steps=40, batch_size=25, warmup=5, average=15)
    checkpoints = None if folder is None else Checkpoints(folder, steps=10)
    fabric = make_fabric("cuda")
    train(objective, rows, torch.arange(100) % 2, training, 0, fabric, report=report, checkpoints=checkpoints)
    return objective.state_dict()


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_a_resumed_run_gives_bitwise_equal_results(settings, tmp_path):
    expected = run(settings, None)
    with pytest.raises(Stop):
        run(settings, tmp_path, stop_at=35)
    resumed = run(settings, tmp_path)
    assert expected.keys() == resumed.keys()
    for name, tensor in expected.items():
        assert tensor.is_cuda
        assert torch.equal(tensor, resumed[name]), name
