import pytest
from pydantic import TypeAdapter, ValidationError

from ebmood.data import DATASETS, AnySource, Table, Toy, probes, split

ANY = TypeAdapter(AnySource)


def test_sources_are_identified_by_their_kind():
    examples = {
        "segment": {},
        "sensorless": {"source": "s.npz"},
        "table": {"path": "t.csv", "hold_out": [1, "b"]},
        "toy": {"shape": "rings"},
        "fmnist": {"size": 16, "natural": ["mnist"]},
        "cifar10": {"hold_out": ["bird"], "natural": [{"set": "fmnist", "colourised": True}]},
        "images": {"id": "sequence.zip", "natural": ["svhn", {"path": "p.npz", "name": "p", "mixed": True}]},
    }
    assert {source.model_fields["kind"].default for source in DATASETS} >= set(examples)
    for kind, values in examples.items():
        source = ANY.validate_python({"kind": kind, **values})
        assert type(source) in DATASETS
        assert ANY.validate_json(ANY.dump_json(source)) == source
    assert ANY.validate_python({"kind": "table", "path": "t.csv", "hold_out": [1]}) == Table(
        path="t.csv", hold_out=("1",)
    )
    with pytest.raises(ValidationError):
        ANY.validate_python({"kind": "toy", "shap": "rings"})


def test_versions_are_those_of_tables():
    assert Toy().versions() == (split.SPLIT_VERSION, probes.PROBES_VERSION)
