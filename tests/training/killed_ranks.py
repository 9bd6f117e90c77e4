"""Kills training runs on two processes at random moments and lets them go on: `python killed_ranks.py FOLDER`.

For each method it leaves FOLDER/METHOD/{whole,killed}-RANK.json with digests of what the run gave and the first step
that was done there; for the last one also what became of `spoil`. Processes are forks of this one, so that torch is
imported once.
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
STEPS = {"cd": 60, "vera": 60, "healed": 120}
EVERY = 4
PATIENCE = 60.0
"""Seconds after which a process counts as hanging."""


def start(method: str, fabric: Fabric) -> Objective:
    torch.manual_seed(0)
    own = rank_seed(0, fabric)
    if method == "healed":  # the chains of the second alone run away
        chain = SGLD(steps=5, step_size=30 if fabric.global_rank else 0.1)
        settings = CD(chain=chain, buffer=60, penalty=0, optimiser=AdamW(lr=0.02))
        return settings.build(EnergyModel(MLP(3, (16, 16), 1, "silu")), 1, (3,), own)
    model = EnergyModel(MLP(3, (16, 16), 3, "silu"))
    settings = (
        CD(chain=SGLD(steps=4), buffer=60) if method == "cd" else VERA(hidden=(16,), posterior_samples=4)
    )
    return Supervised(settings.build(model, 3, (3,), own), 1.0)


def run(method: str, fabric: Fabric, checkpoints: Path | None) -> str:
    """Train; gives a digest of all that training gave, and the first step that was done here."""
    objective = start(method, fabric)
    first: list[int] = []
    training = Training(steps=STEPS[method], batch_size=48, warmup=0, average=20 if method == "cd" else None)
    trained = train(
        objective,
        X,
        None if method == "healed" else Y,
        training,
        0,
        fabric,
        report=lambda progress: first.append(progress.step),
        healing=Rollback(keep_every=20, rate=0.1),
        checkpoints=None if checkpoints is None else Checkpoints(checkpoints, steps=EVERY),
    )
    bits = hashlib.sha256()
    for name, tensor in objective.state_dict().items():
        bits.update(name.encode() + tensor.contiguous().numpy().tobytes())
    weights = hashlib.sha256()
    for parameter in objective.model.parameters():
        weights.update(parameter.detach().numpy().tobytes())
    gave = {"bits": bits.hexdigest(), "history": trained.history, "events": trained.events}
    return json.dumps({"gave": gave, "weights": weights.hexdigest(), "first": first[:1]})


def fork(method: str, result: Path, checkpoints: Path | None, rank: int, port: int, processes: int) -> int:
    """The id of a process that does `run` as one of several, and leaves its answer in `result`-RANK.json."""
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
            text = json.dumps({"refused": str(error)})
        result.with_name(f"{result.name}-{rank}.json").write_text(text)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def begin(method: str, result: Path, checkpoints: Path | None, processes: int = 2) -> list[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return [fork(method, result, checkpoints, rank, port, processes) for rank in range(processes)]


def ended(process: int) -> int | None:
    """Wait for it: None where it was killed, else its exit code."""
    until = time.monotonic() + PATIENCE
    while True:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return None if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        if time.monotonic() > until:
            os.kill(process, signal.SIGKILL)
        time.sleep(0.002)


def done(processes: list[int]) -> None:
    codes = [ended(process) for process in processes]
    assert codes == [0] * len(processes), codes


def newest(folder: Path) -> str:
    return max((path.stem for path in folder.glob("*.json")), default="")


def kill_both(method: str, here: Path, place: Path, within: float, dice: random.Random) -> None:
    """Kill both at a random moment; from the start again where they were faster."""
    while True:
        both = begin(method, here / "killed", place)
        time.sleep(dice.uniform(0, within))
        for process in both:
            os.kill(process, signal.SIGKILL)
        if None in [ended(process) for process in both]:
            return
        shutil.rmtree(place)


def kill_one(method: str, here: Path, place: Path, dice: random.Random) -> None:
    """Kill one of them once there is a new checkpoint: the other cannot go on alone, and fails."""
    before, until = newest(place), time.monotonic() + PATIENCE
    both = begin(method, here / "killed", place)
    while newest(place) == before and time.monotonic() < until:
        time.sleep(0.002)
    os.kill(dice.choice(both), signal.SIGKILL)
    codes = [ended(process) for process in both]
    assert set(codes) == {None, 1}, codes


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    dice = random.Random(time.time_ns())
    for method in STEPS:
        here = folder / method
        place = here / "checkpoints"
        here.mkdir(parents=True)
        began = time.monotonic()
        done(begin(method, here / "whole", None))
        kill_both(method, here, place, time.monotonic() - began, dice)
        kill_one(method, here, place, dice)
        done(begin(method, here / "killed", place))
    spoil(method, here, place)


def spoil(method: str, here: Path, place: Path) -> None:
    """Go on from what is torn or put together from two checkpoints, or with another number of processes."""
    last = newest(place)
    torn, mixed = here / "torn checkpoints", here / "mixed checkpoints"
    shutil.copytree(place, torn)
    os.truncate(torn / f"{last}.1.safetensors", 900)
    done(begin(method, here / "torn", torn))
    shutil.copytree(place, mixed)
    shutil.copy(mixed / f"{int(last) - 1:06d}.1.safetensors", mixed / f"{last}.1.safetensors")
    done(begin(method, here / "mixed", mixed))
    done(begin(method, here / "one", place, processes=1))
    done(begin(method, here / "alone", here / "one's checkpoints", processes=1))
    done(begin(method, here / "two", here / "one's checkpoints"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
