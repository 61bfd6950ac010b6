"""Finding the sparse maps of images, given the filters of a layer: three ways to minimise one objective.

The objective of each image is `data_weight / 2 |reconstruct(z) - image|^2 + |z|^power`, the error weighted pixel by
pixel, and with a layer above `anchor_weight / 2 |z - anchor|^2` besides. All but the penalty is a quadratic function
1/2 <z, Q z> - <b, z> + c, the class `Quadratic`. Everything is batched; a step size or a product is that of one image.

Shapes: images (batch, h, w, c); maps (batch, h + f - 1, w + f - 1, k); filters (f, f, k, c).
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from deconv import ops
from deconv.objectives.sparse_coding import penalty, shrink

# Conjugate gradients lose their way in products of TF32 or bfloat16, which accelerators would make of float32's.
full_precision = functools.partial(jax.default_matmul_precision, 'highest')


def reconstruct(maps, filters):
  """Returns the sum over the maps of map convolved with filter, where it is whole: images (batch, h, w, c).

  It is a transposed convolution whose border is cut, so that each pixel gets contributions of all f x f positions.
  """
  with full_precision():
    return ops.conv_transpose(maps, filters, padding=filters.shape[0] - 1)


def correlate(images, filters):
  """Returns the adjoint of `reconstruct` in the maps: images (batch, h, w, c) -> (batch, h + f - 1, w + f - 1, k)."""
  with full_precision():
    return ops.conv(images, filters.swapaxes(2, 3), padding=filters.shape[0] - 1)


def map_shape(image_shape, filters_shape):
  """(h, w, c), (f, f, k, c) -> (h + f - 1, w + f - 1, k)."""
  grown = filters_shape[0] - 1
  return image_shape[0] + grown, image_shape[1] + grown, filters_shape[2]


def inner(a, b):
  """Inner product of each image: (batch, ...), (batch, ...) -> (batch, 1, 1, 1)."""
  return jnp.sum(a * b, axis=(1, 2, 3), keepdims=True)


def conjugate_gradients(operator, b, start, steps, product=inner):
  """Solves operator(x) = b by so many iterations, from a start.

  Args:
    operator: linear, symmetric, positive semidefinite.
    b, start: arrays of one shape.
    steps: int.
    product: the inner product by which steps are measured; by default that of each image.

  Returns:
    (x, its residual b - operator(x), the residual of the start).
  """
  first = b - operator(start)

  def iterate(_, carry):
    x, residual, direction, size = carry
    image = operator(direction)
    step = _ratio(size, product(direction, image))
    x, residual = x + step * direction, residual - step * image
    new = product(residual, residual)
    return x, residual, residual + _ratio(new, size) * direction, new

  x, residual, *_ = jax.lax.fori_loop(0, steps, iterate, (start, first, first, product(first, first)))
  return x, residual, first


def _ratio(a, b):
  """a / b, and 0 where b is: what is solved already stays."""
  return jnp.where(b > 0, a / jnp.where(b > 0, b, 1.0), 0.0)


class Quadratic(NamedTuple):
  """The part of the objective without the penalty: 1/2 <z, Q z> - <b, z> + constant.

  Attributes:
    filters: (f, f, k, c).
    images: (batch, h, w, c).
    weights: of the pixels, from 0 to 1: (batch or 1, h or 1, w or 1, c or 1).
    data_weight: float.
    anchor: None, or maps that the layer above expects.
    anchor_weight: of the squared distance from there.
  """

  filters: Any
  images: Any
  weights: Any
  data_weight: float
  anchor: Any = None
  anchor_weight: float = 0.0

  def product(self, maps):
    """Q z, by convolutions; `operator` is the faster form for large windows."""
    image = self.weights * reconstruct(maps, self.filters)
    found = self.data_weight * correlate(image, self.filters)
    return found if self.anchor is None else found + self.anchor_weight * maps

  def operator(self):
    """Returns the function z -> Q z, to be called many times: by convolutions, or for large windows by transforms."""
    if self.filters.shape[0] < _LARGE_WINDOW:
      return self.product
    size, border = _grid(self)
    transforms, weights = _transform(self.filters, size), jnp.pad(self.pixel_weights(), border)

    def product(maps):
      image = _irfft(_forward(transforms, _rfft(maps)), size)
      found = self.data_weight * _irfft(_adjoint(transforms, _rfft(weights * image)), size)
      return found if self.anchor is None else found + self.anchor_weight * maps

    return product

  def pixel_weights(self):
    """The weights in the shape of the images."""
    return jnp.broadcast_to(self.weights, self.images.shape)

  @property
  def linear(self):
    """b."""
    found = self.data_weight * correlate(self.weights * self.images, self.filters)
    return found if self.anchor is None else found + self.anchor_weight * self.anchor

  @property
  def constant(self):
    """c, (batch, 1, 1, 1)."""
    found = self.data_weight / 2 * inner(self.weights * self.images, self.images)
    return found if self.anchor is None else found + self.anchor_weight / 2 * inner(self.anchor, self.anchor)

  def value(self, maps):
    """1/2 <z, Q z> - <b, z> + c, (batch,); from differences, which lose no digits."""
    error = reconstruct(maps, self.filters) - self.images
    found = self.data_weight / 2 * inner(self.weights * error, error)
    if self.anchor is not None:
      found += self.anchor_weight / 2 * inner(maps - self.anchor, maps - self.anchor)
    return found[:, 0, 0, 0]


def infer(quadratic, start, power, options):
  """Returns the maps of images by the algorithm of the options.

  Args:
    quadratic: Quadratic.
    start: maps to begin with.
    power: float, from above 0 to 1.
    options: SparseCodingObjective; `inference` and its numbers are used.
  """
  if options.inference == 'continuation':
    maps, _ = continuation(
      quadratic,
      start,
      power,
      beta_start=options.beta_start,
      beta_factor=options.beta_factor,
      beta_steps=options.beta_steps,
      alternations=options.alternations,
      cg_steps=options.cg_steps,
    )
    return maps
  if options.inference == 'fista':
    return fista(quadratic, start, power, options.iterations)
  return admm(quadratic, start, power, options.iterations, options.rho)


def continuation(quadratic, start, power, *, beta_start, beta_factor, beta_steps, alternations, cg_steps):
  """Half-quadratic splitting with growing beta (Zeiler et al. 2010, section 3.1).

  With an auxiliary variable w the objective is quadratic(z) + beta / 2 |z - w|^2 + |w|^power. At each beta w is set to
  its exact minimiser, element by element, and z approaches its own by conjugate gradients; neither raises the
  objective at that beta.

  Args:
    quadratic: Quadratic.
    start: maps.
    power: float.
    beta_start, beta_factor, beta_steps: the values of beta.
    alternations: steps for w and z at each beta.
    cg_steps: iterations for each z.

  Returns:
    (maps: the w of the last z; energies (beta_steps, alternations, 2, batch): the objective with
    w after each step for w and each for z).
  """
  linear, constant, product = quadratic.linear, quadratic.constant[:, 0, 0, 0], quadratic.operator()

  def at_beta(maps, beta):
    def alternate(before, _):
      w = shrink(before, beta, power)
      b = linear + beta * w
      after, residual, first = conjugate_gradients(lambda x: product(x) + beta * x, b, before, cg_steps)
      # quadratic(z) + beta / 2 |z - w|^2 by the residuals r, without a difference of large numbers.
      energies = [
        constant + (beta / 2 * inner(w - z, w) - 0.5 * inner(z, linear + r))[:, 0, 0, 0] + penalty(w, power)
        for z, r in ((before, first), (after, residual))
      ]
      return after, jnp.stack(energies)

    return jax.lax.scan(alternate, maps, length=alternations)

  betas = [beta_start * beta_factor**i for i in range(beta_steps)]
  maps, energies = jax.lax.scan(at_beta, start, jnp.asarray(betas, jnp.float32))
  return shrink(maps, jnp.float32(betas[-1]), power), energies


def fista(quadratic, start, power, iterations, watch=None):
  """Accelerated proximal gradients (Beck & Teboulle 2009), their momentum restarted where it leads uphill (O'Donoghue &
  Candes 2015).

  Args:
    quadratic: Quadratic.
    start: maps.
    power: float.
    iterations: int.
    watch: None, or a function of maps.

  Returns:
    maps; with `watch`, (maps, what it returns of those after each iteration, stacked).
  """
  linear, product = quadratic.linear, quadratic.operator()
  curvature = quadratic.data_weight * jnp.max(gram_norms(quadratic.filters, start.shape[1:3])) * _ROOM
  curvature += quadratic.anchor_weight

  def iterate(carry):
    maps, ahead, momentum = carry
    new = shrink(ahead - (product(ahead) - linear) / curvature, curvature, power)
    uphill = inner(ahead - new, new - maps) > 0
    momentum = jnp.where(uphill, 1.0, momentum)
    grown = (1 + jnp.sqrt(1 + 4 * momentum**2)) / 2
    return new, new + (momentum - 1) / grown * (new - maps), grown

  ones = jnp.ones((len(start), 1, 1, 1), jnp.float32)
  return _repeat(iterate, (start, start, ones), iterations, watch)


def _repeat(iterate, carry, iterations, watch):
  """The first entry of a carry after so many iterations; with `watch`, (it, what `watch` says of it after each)."""
  if watch is None:
    return jax.lax.fori_loop(0, iterations, lambda _, carry: iterate(carry), carry)[0]

  def watched(carry, _):
    carry = iterate(carry)
    return carry, watch(carry[0])

  carry, seen = jax.lax.scan(watched, carry, length=iterations)
  return carry[0], seen


_ROOM = 1.001  # rounding must not make a step too long
# Side of the filters from which transforms of all maps take less time than convolutions with them: on processors, where
# 7x7 took 0.4 to 0.6 of the time of convolutions with one channel below; with several a convolution costs more.
_LARGE_WINDOW = 7


def _grid(quadratic):
  """The periodic grid of the maps: (its size, how images are padded to lie on it)."""
  size = map_shape(quadratic.images.shape[1:], quadratic.filters.shape)[:2]
  grown = quadratic.filters.shape[0] - 1
  return size, ((0, 0), (grown, 0), (grown, 0), (0, 0))


def _transform(filters, size):
  """Filters (f, f, k, c) -> their transforms (h', w' / 2 + 1, c, k) on the periodic grid of the maps."""
  return jnp.fft.rfft2(filters, s=size, axes=(0, 1)).swapaxes(2, 3)


def _gram(transforms):
  """F F^H at each frequency: (h', w'', c, k) -> (h', w'', c, c)."""
  return jnp.einsum('yxck,yxdk->yxcd', transforms, transforms.conj(), precision=jax.lax.Precision.HIGHEST)


def gram_norms(filters, size):
  """Returns the largest eigenvalue of F F^H at each frequency, (h', w' / 2 + 1); F is `reconstruct` without borders.

  The largest of all is the Lipschitz constant of the gradient at data weight 1.

  Args:
    filters: (f, f, k, c).
    size: (h', w') of the maps.
  """
  gram = _gram(_transform(filters, size))
  return gram.real[..., 0, 0] if gram.shape[-1] == 1 else jnp.linalg.eigvalsh(gram)[..., -1]


_OVER_RELAXATION = 1.8  # of ADMM: between 1.5 and 1.8 in Boyd et al. (2011)


def admm(quadratic, start, power, iterations, rho, watch=None):
  """Alternating directions in the Fourier domain, borders and weights apart (Heide, Heidrich & Wetzstein 2015).

  The maps live on a periodic grid of their own size, of which the image is a part. With v = F z, the periodic
  reconstruction, and w = z, the step for z is diagonal over frequencies but for a system of c x c (Woodbury's
  identity), that for v is of each pixel, and that for w is `shrink`. Where the penalty is convex, z is over-relaxed
  (Boyd et al. 2011, section 3.4.3), which takes about 0.6 times the iterations.

  Args:
    quadratic: Quadratic.
    start: maps.
    power: float.
    iterations: int.
    rho: weight of |w - z|^2 / 2; that of |v - F z|^2 / 2 is the data weight.
    watch: None, or a function of maps.

  Returns:
    maps: w, whose zeros are exact; with `watch`, (maps, what it returns of those after each iteration, stacked).
  """
  (size, border), data_weight = _grid(quadratic), quadratic.data_weight
  images, weights = (jnp.pad(x, border) for x in (quadratic.images, quadratic.pixel_weights()))
  transforms, pull = _transform(quadratic.filters, size), rho + quadratic.anchor_weight
  gram = _gram(transforms)
  inverse = jnp.linalg.inv(gram + pull / data_weight * jnp.eye(gram.shape[-1], dtype=gram.dtype)[None, None])
  relaxation = _OVER_RELAXATION if power == 1 else 1.0

  def iterate(carry):
    w, v, dual_w, dual_v = carry
    right = rho * (w - dual_w)
    if quadratic.anchor is not None:
      right += quadratic.anchor_weight * quadratic.anchor
    right = _rfft(right) + data_weight * _adjoint(transforms, _rfft(v - dual_v))
    solved = _contract('yxcd,byxd->byxc', inverse, _forward(transforms, right))
    spectrum = (right - _adjoint(transforms, solved)) / pull
    z = relaxation * _irfft(spectrum, size) + (1 - relaxation) * w
    image = relaxation * _irfft(_forward(transforms, spectrum), size) + (1 - relaxation) * v
    v = (weights * images + image + dual_v) / (weights + 1)  # both with the data weight, which cancels
    w = shrink(z + dual_w, jnp.float32(rho), power)
    return w, v, dual_w + z - w, dual_v + image - v

  image = _irfft(_forward(transforms, _rfft(start)), size)
  carry = start, image, jnp.zeros_like(start), jnp.zeros_like(image)
  return _repeat(iterate, carry, iterations, watch)


_contract = functools.partial(jnp.einsum, precision=jax.lax.Precision.HIGHEST)


def _forward(transforms, maps):
  """Transforms of maps -> transforms of images."""
  return _contract('yxck,byxk->byxc', transforms, maps)


def _adjoint(transforms, images):
  """Transforms of images -> transforms of maps."""
  return _contract('yxck,byxc->byxk', transforms.conj(), images)


def _rfft(x):
  return jnp.fft.rfft2(x, axes=(1, 2))


def _irfft(x, size):
  return jnp.fft.irfft2(x, s=size, axes=(1, 2))
