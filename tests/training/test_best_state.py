import torch
from torch import nn

from ebmood.training import BestState


def run(values, patience=None):
    """Call the hook in epochs 1, 2, ... with a weight equal to the epoch. Return weight, last epoch if early, hook."""
    module = nn.Linear(1, 1, bias=False)
    stream = iter(values)
    hook = BestState(module, lambda: next(stream), every=2, patience=patience)
    stopped = None
    for epoch in range(1, 2 * len(values) + 1):
        with torch.no_grad():
            module.weight.fill_(epoch)
        if hook.after_epoch(epoch):
            stopped = epoch
            break
    hook.at_end()
    return module.weight.item(), stopped, hook


def test_the_best_state_is_restored():
    weight, stopped, hook = run([1.0, 3.0, 2.0, float("nan")])
    assert (weight, stopped, hook.best, hook.best_epoch) == (4.0, None, 3.0, 4)


def test_training_stops_after_patience_evaluations_without_improvement():
    weight, stopped, _ = run([1.0, 0.5, 2.0, 1.0, 1.9, 5.0], patience=2)
    assert (weight, stopped) == (6.0, 10)
