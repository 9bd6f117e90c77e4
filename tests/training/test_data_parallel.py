"""One model on two processes that talk through gloo."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import killed_ranks
import pytest
import safetensors.torch
import torch
import two_ranks
from torch.testing import assert_close

from ebmood.core.errors import EbmoodError
from ebmood.core.seeding import torch_stream
from ebmood.objectives import SSM, Batch
from ebmood.training import Batches, make_fabric
from ebmood.training.data_parallel import check_shares
from ebmood.training.run import Run

SCRIPT = Path(two_ranks.__file__)
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def ranks(tmp_path_factory) -> list[dict[str, Any]]:
    """What the two processes have in the end."""
    folder = tmp_path_factory.mktemp("ranks")
    # As in a job of SLURM with one task and two cores, whose script this is.
    environment = ENVIRONMENT | {"GLOO_SOCKET_IFNAME": "lo", "SLURM_NTASKS": "1", "SLURM_PROCID": "0"}
    done = subprocess.run(
        [sys.executable, SCRIPT, folder, "2"], env=environment, capture_output=True, text=True, timeout=600
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
    objective = SSM().build(two_ranks.energy(0), 1, (3,), 0)
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


def test_what_one_process_finds_all_name(ranks):
    assert [rank["found"] for rank in ranks] == ["buffer.samples of process 1"] * 2


def test_what_several_processes_cannot_do_is_said():
    class Three:
        """What a fabric of three processes says of itself."""

        world_size = 3

    with pytest.raises(EbmoodError, match="batches of 8 rows cannot be shared alike by 3 processes"):
        check_shares(8, Three())  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> Path:
    """Where two processes were killed, again and again, and went on."""
    if not hasattr(os, "fork"):
        pytest.skip("kills forks")
    folder = tmp_path_factory.mktemp("killed")
    script = Path(killed_ranks.__file__)
    done = subprocess.run(
        [sys.executable, script, folder], env=ENVIRONMENT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return folder


def of_both(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads((folder / f"{name}-{rank}.json").read_text()) for rank in (0, 1)]


@pytest.mark.parametrize("method", killed_ranks.STEPS)
def test_kills_change_no_bit_in_either_process(killed, method):
    whole, again = (of_both(killed / method, name) for name in ("whole", "killed"))
    assert [rank["gave"] for rank in whole] == [rank["gave"] for rank in again]
    assert again[0]["first"] != [1], "it went on from a checkpoint"
    assert whole[0]["weights"] == whole[1]["weights"]
    assert whole[0]["gave"]["bits"] != whole[1]["gave"]["bits"], (
        "each has chains, or running statistics, of its own"
    )
    assert len(list((killed / method / "checkpoints").iterdir())) == 6, "the last two"


def test_both_go_back_together_where_one_diverges(killed):
    first, second = (rank["gave"]["events"] for rank in of_both(killed / "healed", "whole"))
    assert first == second
    assert len(first) == 1
    assert "running range" in first[0]


@pytest.mark.parametrize(
    ("method", "own"),
    [
        ("cd", {"objective/objective.buffer.samples"}),
        (
            "vera",
            {f"objective/objective.generator.network.layers.1.running_{name}" for name in ("mean", "var")},
        ),
    ],
)
def test_a_checkpoint_holds_what_is_common_once(killed, method, own):
    for path in (killed / method / "checkpoints").glob("*.1.safetensors"):
        held = safetensors.torch.load_file(path)
        assert {name.split("/", 1)[1] for name in held} == own | {"random/noise"}


@pytest.mark.parametrize("spoilt", ["torn", "mixed"])
def test_one_file_that_does_not_belong_has_both_take_the_checkpoint_before(killed, spoilt):
    whole, again = (of_both(killed / "healed", name) for name in ("whole", spoilt))
    assert [rank["gave"] for rank in whole] == [rank["gave"] for rank in again]
    assert again[0]["first"] == [killed_ranks.STEPS["healed"] - killed_ranks.EVERY + 1]


def test_another_number_of_processes_is_refused(killed):
    here = killed / "healed"
    of_two = json.loads((here / "one-0.json").read_text())["refused"]
    assert "its checkpoints are of 2 processes, and this run has 1; go on with 2, or choose" in of_two
    of_one = {rank["refused"] for rank in of_both(here, "two")}
    assert "its checkpoints are of 1 process, and this run has 2; go on with 1, or choose" in of_one.pop()
    assert not of_one
