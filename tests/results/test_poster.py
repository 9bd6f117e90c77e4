import pytest

from ebmood.results import poster


def test_the_numbers_are_complete():
    assert len(poster.SUPERVISION) == 24
    assert len(poster.EMBEDDINGS) == len(poster.BOTTLENECK) == 12
    unreadable = [r for r in poster.SUPERVISION if r.percent is None]
    assert [(r.method, r.dataset, r.kind) for r in unreadable] == [("ssm", "sensorless", "natural")]
    assert poster.number(poster.SUPERVISION, "vera", "sensorless", "natural").percent == 97.93
    assert poster.number(poster.SUPERVISION, "cd", "segment", "non-natural").percent == 0.89


@pytest.mark.parametrize(
    ("name", "small", "paper"),
    [
        ("fmnist", False, "fmnist"),
        ("FMNIST", False, "fmnist"),
        ("fmnist-small", True, "fmnist"),
        ("fmnist-small", False, None),
        ("fmnist-colourised", False, None),
        ("cifar-10", False, "cifar-10"),
        ("cifar10-small", True, "cifar-10"),
        ("cifar-10-small", True, "cifar-10"),
        ("cifar-100-small", True, None),
        ("segment", False, "segment"),
    ],
)
def test_names_of_the_papers_data_sets(name, small, paper):
    assert poster.paper_set(name, small) == paper
