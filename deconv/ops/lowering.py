"""How the three maps of `bilinear.py` are computed, by platform: the only place that chooses.

A TPU (and every platform that was not looked at) gets the convolutions of `convolutions.py`. A GPU and a CPU have a
choice of forms by shape, in `gpu.py` and `cpu.py`.
"""

from __future__ import annotations

import jax
from jax import lax

from deconv.ops import convolutions, cpu, gpu
from deconv.ops.convolutions import accumulator_of
from deconv.ops.geometry import Geometry


def expand(x: jax.Array, kernel: jax.Array, g: Geometry) -> jax.Array:
  """x (batch, *small, c_small) -> (batch, *large, c_large): see bilinear.expand."""
  return lax.platform_dependent(
    x,
    kernel,
    cpu=lambda x, k: cpu.expand(x, k, g),
    tpu=lambda x, k: convolutions.expand(x, k, g, accumulator_of(x.dtype)),
    cuda=lambda x, k: gpu.expand(x, k, g),
    rocm=lambda x, k: gpu.expand(x, k, g),
    default=lambda x, k: convolutions.expand(x, k, g),
  )


def reduce(y: jax.Array, kernel: jax.Array, g: Geometry) -> jax.Array:
  """y (batch, *large, c_large) -> (batch, *small, c_small): see bilinear.reduce."""
  return lax.platform_dependent(
    y,
    kernel,
    cpu=lambda y, k: cpu.reduce(y, k, g),
    tpu=lambda y, k: convolutions.reduce(y, k, g, accumulator_of(y.dtype)),
    cuda=lambda y, k: gpu.reduce(y, k, g),
    rocm=lambda y, k: gpu.reduce(y, k, g),
    default=lambda y, k: convolutions.reduce(y, k, g),
  )


def correlate(x: jax.Array, y: jax.Array, g: Geometry) -> jax.Array:
  """x and y as above -> the kernel: see bilinear.correlate."""
  return lax.platform_dependent(
    x,
    y,
    cpu=lambda x, y: cpu.correlate(x, y, g),
    cuda=lambda x, y: gpu.correlate(x, y, g),
    rocm=lambda x, y: gpu.correlate(x, y, g),
    default=lambda x, y: convolutions.correlate(x, y, g),
  )
