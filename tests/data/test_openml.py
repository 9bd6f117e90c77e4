import pytest
import sklearn.datasets

from ebmood.core.errors import EbmoodError
from ebmood.data import Segment, Sensorless


@pytest.mark.parametrize(
    ("source", "alternative"), [(Segment(source="openml"), "river"), (Sensorless(), ".txt")]
)
def test_a_missing_network_is_an_error_with_an_alternative(monkeypatch, tmp_path, source, alternative):
    """All proxies are a closed port of this machine, and the cache is empty."""
    for scheme in ("http", "https", "all"):
        monkeypatch.setenv(f"{scheme}_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    with pytest.raises(EbmoodError, match="OpenML cannot be reached") as caught:
        source.load()
    assert alternative in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_answer_that_cannot_be_used_is_an_error(monkeypatch):
    def fetch_openml(**settings):
        raise ValueError("Dataset sensorless with version active\nnot found.")

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch_openml)
    with pytest.raises(EbmoodError, match=r"answer of OpenML cannot be used .*not found"):
        Sensorless().load()
