"""detector_speed.py under pytest-benchmark: what that times is one turn, in which all detectors score the same rows.

    pytest benchmarks/test_detector_speed.py --benchmark-json detector.json

The seconds of each, and how many times faster ours is, are in `extra_info`.
"""

from detector_speed import AIMS, OURS, detectors, fit_all, one_thread


def test_scoring(benchmark):
    every = {name: timed for name, timed in detectors().items() if name == OURS or name in AIMS}
    with one_thread():
        benchmark.pedantic(fit_all(every, rows=100_000, columns=48), rounds=5)
    ours = min(every[OURS].scores)
    for name, timed in every.items():
        benchmark.extra_info[name] = {"seconds": min(timed.scores), "ratio": min(timed.scores) / ours}
        print(f"{name}: {min(timed.scores):.2f} s, {min(timed.scores) / ours:.3g} times ours")
