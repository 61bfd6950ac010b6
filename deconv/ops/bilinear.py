"""Three bilinear primitives whose derivatives are one another, in both modes and to every order.

A convolution is linear in each of its two arguments, so a geometry (see `geometry.py`) makes one trilinear form
`sum x[i, s] * kernel[k, s, l] * y[i * stride + k * dilation - padding, l]` of a small array x, a large array y and a
kernel, and three maps, each of which is the form with one argument left open:

  expand(x, kernel) -> y      the transposed convolution
  reduce(y, kernel) -> x      the convolution
  correlate(x, y) -> kernel   the weight gradient of both

The transpose of each map in either argument is one of the other two. As JAX primitives they therefore need no rule
but that: forward mode, reverse mode, gradients of gradients and rematerialisation follow, each by the fast program of
`lowering.py`. (`jax.custom_vjp` loses forward mode; `jax.custom_derivatives.linear_call` has no batching rule, and
its residuals cannot be differentiated again, so it loses `vmap` and gradient penalties. So in JAX
0.10.2.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import functools
from typing import Any

import jax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
import jax.numpy as jnp

from deconv import native
from deconv.ops import lowering
from deconv.ops.convolutions import vary_like
from deconv.ops.geometry import Geometry


def expand(x: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
  """x (batch, *small, c_s), kernel (*window, c_s, c_l / groups) -> (batch, *large, c_l)."""
  return _bind(expand_p, x, kernel, geometry)


def reduce(y: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
  """y (batch, *large, c_l), kernel (*window, c_s, c_l / groups) -> (batch, *small, c_s)."""
  return _bind(reduce_p, y, kernel, geometry)


def correlate(x: jax.Array, y: jax.Array, geometry: Geometry) -> jax.Array:
  """x (batch, *small, c_s), y (batch, *large, c_l) -> kernel (*window, c_s, c_l / groups)."""
  return _bind(correlate_p, x, y, geometry)


def _bind(
  primitive: Primitive, a: jax.Array, b: jax.Array, geometry: Geometry, precision: str | None = None
) -> jax.Array:
  # Inside of shard_map both operands must vary over the same mesh axes; the transpose of this cast is the sum over
  # devices.
  a, b = vary_like(a, b), vary_like(b, a)
  # The precision in force where the operator is called, not where the program is lowered.
  precision = precision or jax.config.jax_default_matmul_precision  # type: ignore[attr-defined]
  result: jax.Array = primitive.bind(a, b, geometry=geometry, precision=precision)
  return result


def _primitive(
  name: str,
  out_shape: Callable[[Any, Any, Geometry], tuple[int, ...]],
  program: Callable[[jax.Array, jax.Array, Geometry], jax.Array],
) -> Primitive:
  primitive = Primitive(name)

  def run(a: jax.Array, b: jax.Array, *, geometry: Geometry, precision: str | None) -> jax.Array:
    if precision is None:
      return program(a, b, geometry)
    with jax.default_matmul_precision(precision):
      return program(a, b, geometry)

  primitive.def_impl(jax.jit(run, static_argnames=('geometry', 'precision')))
  primitive.def_abstract_eval(
    lambda a, b, *, geometry, precision: a.update(shape=out_shape(a, b, geometry), weak_type=False)
  )
  lowered = mlir.lower_fun(run, multiple_results=False)

  def lower(ctx: Any, *operands: Any, **params: Any) -> Any:
    # An exported program runs where nothing was built, too.
    with native.left_out(ctx.module_context.lowering_parameters.for_export):
      return lowered(ctx, *operands, **params)

  mlir.register_lowering(primitive, lower)
  return primitive


expand_p = _primitive('conv_expand', lambda x, k, g: (x.shape[0], *g.large, k.shape[-1] * g.groups), lowering.expand)
reduce_p = _primitive('conv_reduce', lambda y, k, g: (y.shape[0], *g.small, k.shape[-2]), lowering.reduce)
correlate_p = _primitive(
  'conv_correlate', lambda x, y, g: (*g.window, x.shape[-1], y.shape[-1] // g.groups), lowering.correlate
)

ad.defbilinear(
  expand_p,
  lambda ct, x, kernel, geometry, precision: _bind(reduce_p, ct, kernel, geometry, precision),
  lambda ct, x, kernel, geometry, precision: _bind(correlate_p, x, ct, geometry, precision),
)
ad.defbilinear(
  reduce_p,
  lambda ct, y, kernel, geometry, precision: _bind(expand_p, ct, kernel, geometry, precision),
  lambda ct, y, kernel, geometry, precision: _bind(correlate_p, ct, y, geometry, precision),
)
ad.defbilinear(
  correlate_p,
  lambda ct, x, y, geometry, precision: _bind(reduce_p, y, ct, geometry, precision),
  lambda ct, x, y, geometry, precision: _bind(expand_p, x, ct, geometry, precision),
)


# vmap. A mapped axis becomes part of the batch where only images are mapped, and groups of channels where kernels are
# too.


def _into_batch(a: jax.Array) -> jax.Array:  # (map, batch, ...) -> (map * batch, ...)
  return a.reshape(a.shape[0] * a.shape[1], *a.shape[2:])


def _out_of_batch(a: jax.Array, size: int) -> jax.Array:
  return a.reshape(size, a.shape[0] // size, *a.shape[1:])


def _into_channels(
  a: jax.Array, axis: int = -1
) -> jax.Array:  # (map, ..., channels) -> (..., map * channels); the axis counts from the end
  a = jnp.moveaxis(a, 0, axis - 1)
  shape = list(a.shape)
  shape[axis - 1 : a.ndim + axis + 1] = [shape[axis - 1] * shape[axis]]
  return a.reshape(shape)


def _out_of_channels(a: jax.Array, size: int, axis: int = -1) -> jax.Array:
  shape = list(a.shape)
  at = a.ndim + axis
  shape[at : at + 1] = [size, shape[at] // size]
  return jnp.moveaxis(a.reshape(shape), at, 0)


def _batch_images_and_kernel(
  primitive: Primitive,
  args: Sequence[jax.Array],
  dims: Sequence[int | None],
  *,
  geometry: Geometry,
  precision: str | None,
) -> tuple[jax.Array, int]:
  """Batching of expand and reduce: (images, kernel) -> images."""
  size = next(a.shape[d] for a, d in zip(args, dims) if d is not None)
  image, kernel = (a if d is None else jnp.moveaxis(a, d, 0) for a, d in zip(args, dims))
  if dims[1] is None:
    return _out_of_batch(_bind(primitive, _into_batch(image), kernel, geometry, precision), size), 0
  if dims[0] is None:
    image = jnp.broadcast_to(image, (size, *image.shape))
  grouped = geometry.with_groups(geometry.groups * size)
  out = _bind(primitive, _into_channels(image), _into_channels(kernel, -2), grouped, precision)
  return _out_of_channels(out, size), 0


def _batch_two_images(
  args: Sequence[jax.Array], dims: Sequence[int | None], *, geometry: Geometry, precision: str | None
) -> tuple[jax.Array, int]:
  """Batching of correlate: (small images, large images) -> kernel."""
  size = next(a.shape[d] for a, d in zip(args, dims) if d is not None)
  x, y = (jnp.broadcast_to(a, (size, *a.shape)) if d is None else jnp.moveaxis(a, d, 0) for a, d in zip(args, dims))
  grouped = geometry.with_groups(geometry.groups * size)
  out = _bind(correlate_p, _into_channels(x), _into_channels(y), grouped, precision)
  return _out_of_channels(out, size, -2), 0


batching.primitive_batchers[expand_p] = functools.partial(_batch_images_and_kernel, expand_p)
batching.primitive_batchers[reduce_p] = functools.partial(_batch_images_and_kernel, reduce_p)
batching.primitive_batchers[correlate_p] = _batch_two_images
