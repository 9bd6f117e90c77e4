"""A run on a CUDA device goes on from its checkpoints to the same bits; left out where there is none."""

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
    kept = None if folder is None else Checkpoints(folder, steps=10)
    fabric = make_fabric("cuda")
    train(objective, rows, torch.arange(100) % 2, training, 0, fabric, (), report, None, kept)
    return objective.state_dict()


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_resumes_to_the_same_bits(settings, tmp_path):
    whole = run(settings, None)
    with pytest.raises(Stop):
        run(settings, tmp_path, stop_at=35)
    again = run(settings, tmp_path)
    assert whole.keys() == again.keys()
    for name, tensor in whole.items():
        assert tensor.is_cuda
        assert torch.equal(tensor, again[name]), name
