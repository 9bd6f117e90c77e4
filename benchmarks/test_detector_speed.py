"""detector_speed.py under pytest-benchmark, which times one round in which all detectors score the same rows.

    pytest benchmarks/test_detector_speed.py --benchmark-json detector.json

The seconds of each detector, and their ratio to those of `EnergyDetector`, are in `extra_info`.
"""

from detector_speed import OURS, TARGETS, fit_all, make_detectors, one_thread


def test_scoring(benchmark):
    detectors = {
        name: detector for name, detector in make_detectors().items() if name == OURS or name in TARGETS
    }
    with one_thread():
        benchmark.pedantic(fit_all(detectors, rows=100_000, columns=48), rounds=5)
    ours = min(detectors[OURS].score_seconds)
    for name, detector in detectors.items():
        seconds = min(detector.score_seconds)
        benchmark.extra_info[name] = {"seconds": seconds, "ratio": seconds / ours}
        print(f"{name}: {seconds:.2f} s, {seconds / ours:.3g} times the time of {OURS}")
