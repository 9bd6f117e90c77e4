import os
import signal
import time
from concurrent.futures import BrokenExecutor

import pytest
import torch
from helpers.running_cluster import wait_until

from ebmood.executors.process import SingleProcessExecutor, block_interrupts, one_thread


def test_tasks_run_in_another_process_with_one_thread():
    executor = SingleProcessExecutor()
    assert executor.submit(os.getpid).result() != os.getpid()
    assert executor.submit(os.getenv, "OMP_NUM_THREADS").result() == "1"
    executor.shutdown()


def test_a_killed_process_breaks_the_executor():
    executor = SingleProcessExecutor()
    process = executor.submit(os.getpid).result()
    os.kill(process, signal.SIGKILL)
    with pytest.raises(BrokenExecutor):
        executor.submit(time.sleep, 10).result()
    executor.shutdown()


def test_shutdown_with_cancel_futures_ends_a_running_task():
    executor = SingleProcessExecutor()
    executor.submit(os.getpid).result()
    start = time.monotonic()
    future = executor.submit(time.sleep, 60)
    wait_until(future.running)
    executor.shutdown(cancel_futures=True)
    assert isinstance(future.exception(), BrokenExecutor)
    assert time.monotonic() - start < 30


def test_block_interrupts_restores_the_signal_mask():
    with block_interrupts():
        assert signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_one_thread():
    torch.set_num_threads(2)
    with one_thread():
        assert torch.get_num_threads() == 1
