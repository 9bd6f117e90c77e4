"""Network, score and p-values as one ONNX graph in onnxruntime."""

import numpy as np
import pytest
from helpers.classifier_outputs import labelled_rows, trained_classifier

from ebmood.classifiers import ClassifierDetector
from ebmood.core.errors import InputError

pytest.importorskip("onnxscript")
onnxruntime = pytest.importorskip("onnxruntime")

from ebmood.classifiers.onnx_export import export_classifier  # noqa: E402

# An export takes seconds. These stand for the others: sums, sorting, distances, and memories with logits.
EXPORTED = ["ash", *(pytest.param(name, marks=pytest.mark.slow) for name in ("gen", "knn", "joint"))]


@pytest.mark.parametrize("name", EXPORTED)
def test_the_graph_gives_logits_scores_and_p_values(tmp_path, name):
    detector = ClassifierDetector(trained_classifier(), score=name, random_state=0)
    detector.fit(*labelled_rows(150, seed=1))
    new, _ = labelled_rows(40, seed=2)
    assert export_classifier(detector, tmp_path / "net.onnx", new) < 1e-4
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    logits, scores, p = session.run(None, {"x": new[:1].numpy()})
    np.testing.assert_allclose(logits, trained_classifier()(new[:1]), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(scores, detector.score_samples(new[:1]), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(p, detector.p_values(new[:1]), atol=0.04)


def test_what_a_graph_cannot_hold_is_refused(tmp_path):
    x, y = labelled_rows(300, seed=1)
    for parameters, message in (
        ({"score": "odin"}, "needs gradients"),
        ({"class_conditional": True}, "by class"),
    ):
        detector = ClassifierDetector(
            trained_classifier(), **{"score": "energy", "alpha": 0.2, **parameters}
        ).fit(x, y)
        with pytest.raises(InputError, match=message):
            export_classifier(detector, tmp_path / "net.onnx", x)
    assert not list(tmp_path.iterdir())
