"""Data-parallel training on two processes with the backend gloo."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from helpers import killed_ranks, two_ranks
from torch.testing import assert_close

from ebmood.core.errors import EbmoodError
from ebmood.core.seeding import torch_stream
from ebmood.objectives import SSM, Batch
from ebmood.training import Batches, make_fabric
from ebmood.training.data_parallel import check_divisible
from ebmood.training.run import Run

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("data parallel")]  # its fixtures are built once
SCRIPT = Path(two_ranks.__file__)
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def ranks(tmp_path_factory) -> list[dict[str, Any]]:
    """Return the results of both processes."""
    folder = tmp_path_factory.mktemp("ranks")
    # As in the batch script of a SLURM job with one task and two cores.
    environment = ENVIRONMENT | {"GLOO_SOCKET_IFNAME": "lo", "SLURM_NTASKS": "1", "SLURM_PROCID": "0"}
    done = subprocess.run(
        [sys.executable, SCRIPT, folder, "2"], env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return [torch.load(folder / f"2-{rank}.pt") for rank in (0, 1)]


def test_the_gradient_of_two_processes_equals_that_of_one_process_on_the_whole_batch(ranks):
    one = two_ranks.gradients(
        Run(two_ranks.likelihood(), two_ranks.X, None, two_ranks.TRAINING, 0, make_fabric("cpu"), [])
    )
    for rank in ranks:
        assert_close(rank["likelihood"], one, rtol=1e-12, atol=1e-14)
    assert one.norm() > 0.01


def test_with_noise_the_gradient_is_the_mean_over_processes_with_different_noise(ranks):
    objective = SSM().build(two_ranks.energy(0), 1, (3,), 0)
    (player,) = objective.players()
    batch = next(Batches(two_ranks.X, None, two_ranks.TRAINING.batch_size, torch_stream(0, "order")))
    halves = []
    for rows, name in ((batch.x[:4], "noise"), (batch.x[4:], "noise/rank1")):
        loss, _ = player.loss(Batch(rows, None), torch_stream(0, name))
        gradients = torch.autograd.grad(loss, player.parameters, allow_unused=True)
        halves.append(torch.cat([gradient.flatten() for gradient in gradients if gradient is not None]))
    for rank in ranks:
        assert_close(rank["ssm"], (halves[0] + halves[1]) / 2, rtol=1e-12, atol=1e-14)
    assert not torch.allclose(halves[0], halves[1])


def test_replay_buffers_differ_between_processes_and_weights_do_not(ranks):
    first, second = ranks
    assert torch.equal(first["weights"], second["weights"])
    assert not torch.isclose(first["buffer before"], second["buffer before"]).any()
    assert not torch.isclose(first["buffer"], second["buffer"]).any()
    assert not torch.equal(first["buffer"], first["buffer before"])


def test_only_process_0_reports(ranks):
    assert [len(rank["reports"]) for rank in ranks] == [4, 0]


def test_a_value_of_one_process_affects_the_decision_of_all(ranks):
    assert all(rank["averaged loss"].isnan().all() for rank in ranks)
    assert all(rank["any rank"].all() for rank in ranks)


def test_all_processes_name_the_non_finite_tensor_of_one(ranks):
    assert [rank["non-finite"] for rank in ranks] == ["buffer.samples of process 1"] * 2


def test_a_batch_that_cannot_be_split_equally_is_an_error():
    class ThreeProcesses:
        """The only attribute of a `Fabric` that the function uses."""

        world_size = 3

    with pytest.raises(EbmoodError, match="batches of 8 rows cannot be split equally between 3 processes"):
        check_divisible(8, ThreeProcesses())  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> Path:
    """Return the folder of runs on two processes that were killed repeatedly and resumed."""
    if not hasattr(os, "fork"):
        pytest.skip("kills forks")
    folder = tmp_path_factory.mktemp("killed")
    script = Path(killed_ranks.__file__)
    done = subprocess.run(
        [sys.executable, script, folder], env=ENVIRONMENT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return folder


def read_both(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads((folder / f"{name}-{rank}.json").read_text()) for rank in (0, 1)]


@pytest.mark.parametrize("method", killed_ranks.STEPS)
def test_results_after_kills_are_bitwise_equal_in_both_processes(killed, method):
    expected, resumed = (read_both(killed / method, name) for name in ("expected", "killed"))
    assert [rank["results"] for rank in expected] == [rank["results"] for rank in resumed]
    assert resumed[0]["first"] != [1], "it resumed from a checkpoint"
    assert expected[0]["weights"] == expected[1]["weights"]
    assert expected[0]["results"]["state"] != expected[1]["results"]["state"], (
        "replay buffers or running statistics differ between processes"
    )
    assert len(list((killed / method / "checkpoints").iterdir())) == 6, "three files of two checkpoints"


def test_both_processes_roll_back_if_one_diverges(killed):
    first, second = (rank["results"]["events"] for rank in read_both(killed / "diverging", "expected"))
    assert first == second
    assert len(first) == 1
    assert "running range" in first[0]


@pytest.mark.parametrize(
    ("method", "different"),
    [
        ("cd", {"objective/objective.buffer.samples"}),
        (
            "vera",
            {f"objective/objective.generator.network.layers.1.running_{name}" for name in ("mean", "var")},
        ),
    ],
)
def test_a_checkpoint_stores_common_tensors_once(killed, method, different):
    for path in (killed / method / "checkpoints").glob("*.1.safetensors"):
        tensors = safetensors.torch.load_file(path)
        assert {name.split("/", 1)[1] for name in tensors} == different | {"random/noise"}


@pytest.mark.parametrize("name", ["damaged", "mixed"])
def test_both_processes_skip_a_checkpoint_if_one_of_its_files_is_wrong(killed, name):
    expected, resumed = (read_both(killed / "diverging", name) for name in ("expected", name))
    assert [rank["results"] for rank in expected] == [rank["results"] for rank in resumed]
    assert resumed[0]["first"] == [killed_ranks.STEPS["diverging"] - killed_ranks.EVERY + 1]


def test_another_number_of_processes_is_an_error(killed):
    folder = killed / "diverging"
    error = json.loads((folder / "resumed by one-0.json").read_text())["error"]
    assert "written by 2 processes, but this run has 1; resume with 2, or choose" in error
    errors = {rank["error"] for rank in read_both(folder, "resumed by two")}
    assert "written by 1 process, but this run has 2; resume with 1, or choose" in errors.pop()
    assert not errors
