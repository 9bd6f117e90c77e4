"""Kill training runs on two processes at random times and resume them: `python killed_ranks.py FOLDER`.

For each method, write FOLDER/METHOD/{expected,killed}-RANK.json with digests of the results and the first step of the
process. For the last method, also write the results of `damage`. Processes are forks of this one, so that torch is
imported only once.
"""

import hashlib
import json
import os
import random
import shutil
import signal
import socket
import sys
import time
import traceback
import warnings
from pathlib import Path

import torch
from lightning_fabric import Fabric

from ebmood.core.errors import EbmoodError
from ebmood.models import EnergyModel
from ebmood.networks import MLP
from ebmood.objectives import CD, VERA, AdamW, Objective, Supervised
from ebmood.samplers import SGLD
from ebmood.training import Checkpoints, Rollback, Training, make_fabric, rank_seed, train

X = torch.rand(200, 3, generator=torch.Generator().manual_seed(0))
Y = torch.arange(200) % 3
STEPS = {"cd": 60, "vera": 60, "diverging": 120}
EVERY = 4
TIMEOUT = 60.0
"""Seconds after which a process counts as hanging."""


def build(method: str, fabric: Fabric) -> Objective:
    torch.manual_seed(0)
    seed = rank_seed(0, fabric)
    if method == "diverging":  # only the chains of process 1 diverge
        chain = SGLD(steps=5, step_size=30 if fabric.global_rank else 0.1)
        settings = CD(chain=chain, buffer=60, penalty=0, optimiser=AdamW(lr=0.02))
        return settings.build(EnergyModel(MLP(3, (16, 16), 1, "silu")), 1, (3,), seed)
    model = EnergyModel(MLP(3, (16, 16), 3, "silu"))
    settings = (
        CD(chain=SGLD(steps=4), buffer=60) if method == "cd" else VERA(hidden=(16,), posterior_samples=4)
    )
    return Supervised(settings.build(model, 3, (3,), seed), 1.0)


def run(method: str, fabric: Fabric, checkpoints: Path | None) -> str:
    """Train. Return digests of all results, and the first step of this process, as JSON."""
    objective = build(method, fabric)
    steps: list[int] = []
    training = Training(steps=STEPS[method], batch_size=48, warmup=0, average=20 if method == "cd" else None)
    trained = train(
        objective,
        X,
        None if method == "diverging" else Y,
        training,
        0,
        fabric,
        report=lambda progress: steps.append(progress.step),
        rollback=Rollback(snapshot_every=20, rate_factor=0.1),
        checkpoints=None if checkpoints is None else Checkpoints(checkpoints, steps=EVERY),
    )
    state = hashlib.sha256()
    for name, tensor in objective.state_dict().items():
        state.update(name.encode() + tensor.contiguous().numpy().tobytes())
    weights = hashlib.sha256()
    for parameter in objective.model.parameters():
        weights.update(parameter.detach().numpy().tobytes())
    results = {"state": state.hexdigest(), "history": trained.history, "events": trained.events}
    return json.dumps({"results": results, "weights": weights.hexdigest(), "first": steps[:1]})


def fork(method: str, result: Path, checkpoints: Path | None, rank: int, port: int, processes: int) -> int:
    """Call `run` in a forked process and write what it returns to `result`-RANK.json. Return the process id."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        os.environ |= {"LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        os.environ |= {"WORLD_SIZE": str(processes), "NODE_RANK": "0", "GLOO_SOCKET_IFNAME": "lo"}
        try:
            text = run(method, make_fabric("cpu", processes), checkpoints)
        except EbmoodError as error:
            text = json.dumps({"error": str(error)})
        result.with_name(f"{result.name}-{rank}.json").write_text(text)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def launch(method: str, result: Path, checkpoints: Path | None, processes: int = 2) -> list[int]:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    return [fork(method, result, checkpoints, rank, port, processes) for rank in range(processes)]


def wait(process: int) -> int | None:
    """Wait for a process. Return its exit code, or None if it was killed."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return None if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        if time.monotonic() > deadline:
            os.kill(process, signal.SIGKILL)
        time.sleep(0.002)


def wait_for_success(processes: list[int]) -> None:
    codes = [wait(process) for process in processes]
    assert codes == [0] * len(processes), codes


def newest(folder: Path) -> str:
    return max((path.stem for path in folder.glob("*.json")), default="")


def kill_both(
    method: str, results: Path, checkpoints: Path, seconds: float, generator: random.Random
) -> None:
    """Kill both processes at a random time. If they end before it, start again."""
    while True:
        both = launch(method, results / "killed", checkpoints)
        time.sleep(generator.uniform(0, seconds))
        for process in both:
            os.kill(process, signal.SIGKILL)
        if None in [wait(process) for process in both]:
            return
        shutil.rmtree(checkpoints)


def kill_one(method: str, results: Path, checkpoints: Path, generator: random.Random) -> None:
    """Kill one process after the next checkpoint. The other process then fails, as it cannot continue alone."""
    before, deadline = newest(checkpoints), time.monotonic() + TIMEOUT
    both = launch(method, results / "killed", checkpoints)
    while newest(checkpoints) == before and time.monotonic() < deadline:
        time.sleep(0.002)
    os.kill(generator.choice(both), signal.SIGKILL)
    codes = [wait(process) for process in both]
    assert set(codes) == {None, 1}, codes


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    generator = random.Random(time.time_ns())
    for method in STEPS:
        results = folder / method
        checkpoints = results / "checkpoints"
        results.mkdir(parents=True)
        start = time.monotonic()
        wait_for_success(launch(method, results / "expected", None))
        kill_both(method, results, checkpoints, time.monotonic() - start, generator)
        kill_one(method, results, checkpoints, generator)
        wait_for_success(launch(method, results / "killed", checkpoints))
    damage(method, results, checkpoints)


def damage(method: str, results: Path, checkpoints: Path) -> None:
    """Resume from a damaged checkpoint, from files of two checkpoints, and with another number of processes."""
    last = newest(checkpoints)
    damaged, mixed = results / "damaged checkpoints", results / "mixed checkpoints"
    shutil.copytree(checkpoints, damaged)
    os.truncate(damaged / f"{last}.1.safetensors", 900)
    wait_for_success(launch(method, results / "damaged", damaged))
    shutil.copytree(checkpoints, mixed)
    shutil.copy(mixed / f"{int(last) - 1:06d}.1.safetensors", mixed / f"{last}.1.safetensors")
    wait_for_success(launch(method, results / "mixed", mixed))
    wait_for_success(launch(method, results / "resumed by one", checkpoints, processes=1))
    of_one = results / "checkpoints of one process"
    wait_for_success(launch(method, results / "one", of_one, processes=1))
    wait_for_success(launch(method, results / "resumed by two", of_one))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
