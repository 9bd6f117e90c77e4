import sys

import torch
from threadpoolctl import threadpool_info, threadpool_limits

from ebmood.cli.options import allow_imports_from, use_threads


def test_threads_are_set_only_if_a_number_is_given():
    with threadpool_limits(None):  # restores the previous numbers
        before, pools = torch.get_num_threads(), threadpool_info()
        use_threads(None)
        assert torch.get_num_threads() == before
        assert threadpool_info() == pools
        try:
            use_threads(3)
            assert torch.get_num_threads() == 3
            assert {pool["num_threads"] for pool in threadpool_info()} == {3}
        finally:
            torch.set_num_threads(before)
            threadpool_limits({pool["prefix"]: pool["num_threads"] for pool in pools})


def test_modules_of_a_folder_can_be_imported_after_all_others(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", ["first"])
    allow_imports_from(tmp_path)
    allow_imports_from(tmp_path)
    assert sys.path == ["first", str(tmp_path)]
