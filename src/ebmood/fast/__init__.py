"""Faster implementations of a few operations of the reference, for training.

The reference (`networks`, `models`, `samplers`, `objectives`) is plain PyTorch and does not import this package; the
package works without this folder. `accelerate` replaces named methods of an objective's modules for the duration of a
training:

- the value and input gradient of energies on MLPs and WideResNets (`mlp.py`, `wideresnet.py`);
- the terms of score matching, in closed form for MLPs (`score_matching.py`) and along a parabola for WideResNets
  (`parabola.py`);
- the gradient of the entropy in VERA (`posterior.py`);
- the layers of radial flows (`radial.py`);
- upsampling convolutions of image generators (`upsampling.py`).

`kernels/` holds C++ that `native.py` compiles where that pays.
"""

from ebmood.fast.accelerate import accelerate

__all__ = ["accelerate"]
