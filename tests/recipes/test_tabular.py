import pytest

from ebmood.core.errors import EbmoodError
from ebmood.recipes import METHODS, external_detector


def differences(method, gamma):
    """Return the settings in which the variants of a method differ."""
    paper, corrected = (METHODS[method](variant, gamma).model_dump() for variant in ("paper", "corrected"))
    return {
        f"{part}.{key}"
        for part in ("model", "objective", "training")
        for key in paper[part]
        if paper[part][key] != corrected[part][key]
    }


@pytest.mark.parametrize("gamma", [None, 1.0])
def test_variants_differ_only_where_the_paper_is_corrected(gamma):
    assert differences("ssm", gamma) == {"model.activation"}
    assert differences("vera", gamma) == {"objective.gradient_penalty"}
    assert differences("cd", gamma) == (set() if gamma is None else {"objective.chain"})


def test_methods_without_labels_reject_gamma():
    with pytest.raises(EbmoodError, match="takes no labels"):
        METHODS["radial"]("both", 1.0)


def test_a_wrong_detector_is_an_error_before_training():
    with pytest.raises(EbmoodError, match="cannot be imported"):
        external_detector("sklearn.nope.Thing", {})
    with pytest.raises(EbmoodError, match="takes no parameter 'nuu'"):
        external_detector("sklearn.svm.OneClassSVM", {"nuu": 1})
