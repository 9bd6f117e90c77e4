import numpy as np
import pytest

from ebmood.data import draw_probes


def as_set(x):
    return {row.tobytes() for row in x}


def test_probes_have_the_documented_distributions():
    probes = {ood.name: ood.x for ood in draw_probes(4000, (6,), 0, "test")}
    uniform, gaussian, constant = probes["uniform"], probes["gaussian"], probes["constant"]
    for x, low, high, sd in (
        (uniform, -5, 5, 10 / 12**0.5),
        (constant, -5, 5, 10 / 12**0.5),
        (gaussian, -9, 9, 1),
    ):
        assert x.dtype == np.float32
        assert x.min() >= low
        assert x.max() <= high
        assert abs(x.mean()) < 0.25
        assert abs(x.std() / sd - 1) < 0.03
    assert np.ptp(constant, axis=1).max() == 0
    for x in (uniform, gaussian):
        assert np.abs(np.corrcoef(x.T) - np.eye(6)).max() < 0.1
    assert np.mean(np.abs(gaussian) < 1) == pytest.approx(0.6827, abs=0.02)


def test_validation_and_test_probes_differ():
    validation, test = (draw_probes(500, (4,), 0, part) for part in ("validation", "test"))
    for ours, theirs in zip(validation, test, strict=True):
        assert not as_set(ours.x) & as_set(theirs.x)
