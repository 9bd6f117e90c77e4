import pytest

from ebmood.cli.executor_options import open_executors
from ebmood.core.errors import EbmoodError
from ebmood.executors.process import SingleProcessExecutor


def test_without_a_cluster_there_are_processes_on_this_machine():
    with open_executors(None, 3) as (tasks, open_executor):
        assert (tasks, open_executor) == (3, SingleProcessExecutor)
    with open_executors(None, None) as (tasks, _):
        assert tasks >= 1


def test_an_unknown_cluster_is_an_error():
    with pytest.raises(EbmoodError, match="--cluster nowhere"), open_executors("nowhere", None):
        pass
