"""One model on two processes that talk through gloo."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import two_ranks
from torch.testing import assert_close

from ebmood.errors import EbmoodError
from ebmood.objectives import SSM, Batch
from ebmood.seeding import torch_stream
from ebmood.training import Batches, Checkpoints, make_fabric, train
from ebmood.training.ranks import check_shares
from ebmood.training.run import Run

SCRIPT = Path(two_ranks.__file__)


@pytest.fixture(scope="module")
def ranks(tmp_path_factory) -> list[dict[str, torch.Tensor]]:
    """What the two processes have in the end."""
    folder = tmp_path_factory.mktemp("ranks")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    done = subprocess.run(
        [sys.executable, SCRIPT, folder, "2"], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return [torch.load(folder / f"2-{rank}.pt") for rank in (0, 1)]


def test_two_processes_have_the_gradient_of_one_with_the_joined_batch(ranks):
    one = two_ranks.gradients(
        Run(two_ranks.likelihood(), two_ranks.X, None, two_ranks.TRAINING, 0, make_fabric("cpu"), [])
    )
    for rank in ranks:
        assert_close(rank["likelihood"], one, rtol=1e-12, atol=1e-14)
    assert one.norm() > 0.01


def test_with_noise_it_is_the_mean_of_both_halves_each_with_noise_of_its_own(ranks):
    objective = SSM().start(two_ranks.energy(0), 1, (3,), 0)
    (player,) = objective.players()
    batch = next(Batches(two_ranks.X, None, two_ranks.TRAINING.batch_size, torch_stream(0, "order")))
    halves = []
    for rows, name in ((batch.x[:4], "noise"), (batch.x[4:], "noise/rank1")):
        loss, _ = player.loss(Batch(rows, None), torch_stream(0, name))
        halves.append(torch.cat([g.flatten() for g in torch.autograd.grad(loss, player.parameters)]))
    for rank in ranks:
        assert_close(rank["ssm"], (halves[0] + halves[1]) / 2, rtol=1e-12, atol=1e-14)
    assert not torch.allclose(halves[0], halves[1])


def test_chains_are_each_process_its_own_and_weights_are_common(ranks):
    first, second = ranks
    assert torch.equal(first["weights"], second["weights"])
    assert not torch.isclose(first["buffer before"], second["buffer before"]).any()
    assert not torch.isclose(first["buffer"], second["buffer"]).any()
    assert not torch.equal(first["buffer"], first["buffer before"])


def test_one_process_reports_and_all_judge_alike(ranks):
    assert [len(rank["reports"]) for rank in ranks] == [4, 0]
    assert all(rank["judged"].isnan().all() for rank in ranks)
    assert all(rank["ended"].all() for rank in ranks)


def test_what_several_processes_cannot_do_is_said(tmp_path):
    class Three:
        """What a fabric of three processes says of itself."""

        world_size = 3
        global_rank = 0

    with pytest.raises(EbmoodError, match="batches of 8 rows cannot be shared alike by 3 processes"):
        check_shares(8, Three())  # type: ignore[arg-type]
    with pytest.raises(EbmoodError, match="checkpoints hold the state of one process"):
        train(
            two_ranks.likelihood(),
            two_ranks.X,
            None,
            two_ranks.TRAINING,
            0,
            Three(),  # type: ignore[arg-type]
            checkpoints=Checkpoints(tmp_path),
        )
