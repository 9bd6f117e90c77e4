"""A forked process computes, although the threads of its parent's pools do not exist in it."""

import os
import subprocess
import sys

import pytest

PARENT = """
import os, signal
from sklearn.cluster import KMeans
import numpy as np
import torch
from ebmood import EnergyDetector, EnergySettings
from ebmood.core import threads

torch.set_num_threads(3)
rng = np.random.default_rng(0)
rows, new = rng.normal(size=(300, 4)), rng.normal(size=(300, 4))
settings = EnergySettings(rows=64, views=("robust", "normal-scores"))
detector = EnergyDetector(energy=settings, random_state=0).fit(rows)
small = detector.score_samples(new)
threads.SMALL_WORK = 0.0  # from here on, all work uses all threads
several = detector.score_samples(new)
KMeans(8, n_init=1).fit(rng.normal(size=(5000, 4)))
torch.rand(1000, 1000) @ torch.rand(1000, 1000)  # work of the user that starts the pool

def prototypes():
    return EnergyDetector(energy=settings, memory="prototypes", random_state=0).fit(rows).score_samples(new)

TASKS = {
    "score": lambda: detector.score_samples(new),
    "fit": lambda: EnergyDetector(energy=settings, random_state=0).fit(rows).score_samples(new),
    "contributions": lambda: detector.feature_contributions(new[:20]),
    "prototypes": prototypes,
}
assert np.array_equal(small, several)
failed = []
for name, task in TASKS.items():
    expected = task()
    for work in (0.0, 2e10):
        child = os.fork()
        if child == 0:
            signal.alarm(60)  # ends a child that waits forever
            threads.SMALL_WORK = work
            os._exit(0 if np.array_equal(task(), expected) and torch.get_num_threads() == 1 else 3)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        failed += [(name, work, status)] if status else []
    assert torch.get_num_threads() == 3, "the parent keeps its threads"
assert not failed, failed
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_of_fork_has_the_results_of_its_parent():
    environment = os.environ | {"OMP_NUM_THREADS": "3"}
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", PARENT], timeout=600, env=environment)
    assert done.returncode == 0
