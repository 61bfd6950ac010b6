"""oneDNN's convolutions by a foreign call, one more form of `deconv.ops` on a CPU (docs/lowering.md#native).

`python -m deconv.native.build` builds them once. Where that was not done, everything works without.
"""

from deconv.native.library import CHOICES, ENVIRONMENT_VARIABLE, Library, in_use, left_out, targets, use

__all__ = ['CHOICES', 'ENVIRONMENT_VARIABLE', 'Library', 'in_use', 'left_out', 'targets', 'use']
