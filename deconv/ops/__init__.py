"""Deconvolution as pure array functions: JAX alone, channels last, any framework above.

Semantics, correspondence with other libraries and examples: docs/operators.md.
"""
from deconv.ops.conv import conv
from deconv.ops.conv import conv_transpose

__all__ = ['conv', 'conv_transpose']
