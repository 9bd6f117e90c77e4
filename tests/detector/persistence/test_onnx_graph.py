import numpy as np
import torch

from ebmood.core.calibration import p_values
from ebmood.detector.persistence.onnx_graph import DetectorGraph


def test_the_p_value_in_the_graph_is_the_conformal_p_value(fitted):
    graph = DetectorGraph(fitted)
    calibration = fitted.calibration_scores_
    scores = np.concatenate([calibration, calibration - 1e-9, calibration + 1e-9, [-np.inf, -1e300, 1e300]])
    p = (1.0 + graph.p_values.count_below(torch.from_numpy(scores)).numpy()) / (1.0 + len(calibration))
    np.testing.assert_array_equal(p, p_values(scores, calibration))


def test_the_graph_computes_the_scores_of_the_detector(fitted, malignant):
    score, p = DetectorGraph(fitted)(torch.from_numpy(malignant))
    np.testing.assert_allclose(score.numpy(), fitted.score_samples(malignant), rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(p.numpy(), fitted.p_values(malignant))
