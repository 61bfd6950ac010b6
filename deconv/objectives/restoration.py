"""Losses between a restored image and the true one: L2, L1, Charbonnier, SSIM, total variation, and weighted sums.

Every loss takes images (batch, h, w, c) on the scale of [-1, 1] and returns float32 (batch,): the mean over the pixels
of each image, so that the mean over a batch does not depend on how it is divided over devices. `weights` (batch, h, w,
1) weighs the pixels; an image whose weights are all 0 has loss 0.
"""

from jax import lax
import jax.numpy as jnp

from deconv.metrics.image_quality import ssim_maps


def l2(images, targets, weights=None):
  """Mean squared error: (batch,)."""
  return _mean(jnp.square(_difference(images, targets)), weights)


def l1(images, targets, weights=None):
  """Mean absolute error: (batch,)."""
  return _mean(jnp.abs(_difference(images, targets)), weights)


def charbonnier(images, targets, weights, eps):
  """Mean of sqrt(error^2 + eps^2), a smooth L1 (Charbonnier et al. 1994; Lai et al. 2017, equation 3): (batch,)."""
  return _mean(jnp.sqrt(jnp.square(_difference(images, targets)) + eps**2), weights)


def ssim(images, targets):
  """1 - SSIM (deconv.metrics.image_quality.ssim, not rounded), from 0 to 2; sides of 11 and more: (batch,)."""
  luminances, structure = ssim_maps(*((x.astype(jnp.float32) + 1) * 127.5 for x in (images, targets)))
  return 1 - jnp.mean(luminances * structure, axis=(1, 2, 3))


def total_variation(images):
  """Mean absolute difference of vertical neighbours plus that of horizontal ones (anisotropic): (batch,)."""
  images = images.astype(jnp.float32)
  return jnp.mean(jnp.abs(jnp.diff(images, axis=1)), axis=(1, 2, 3)) + jnp.mean(
    jnp.abs(jnp.diff(images, axis=2)), axis=(1, 2, 3)
  )


def hole_weights(hole, outside, ring, ring_weight):
  """Weights of the pixels of images with holes (Pathak et al. 2016, section 3.2: "overlap").

  Args:
    hole: (batch, h, w, 1), 1 in the hole and 0 elsewhere.
    outside: weight of the pixels outside of the hole, that of its own being 1.
    ring: so many pixels around the hole, counted as a square window does, weigh ring_weight instead.
    ring_weight: see there.

  Returns:
    float32 (batch, h, w, 1).
  """
  hole = hole.astype(jnp.float32)
  weights = hole + (1 - hole) * outside
  if ring:
    near = lax.reduce_window(hole, -jnp.inf, lax.max, (1, 2 * ring + 1, 2 * ring + 1, 1), (1, 1, 1, 1), 'SAME')
    weights = jnp.where((near > 0) & (hole == 0), ring_weight, weights)
  return weights


class RestorationLoss:
  """The sum of the losses whose weights in the options are not 0.

  Attributes:
    options: deconv.options.objectives.restoration.RestorationObjective.
  """

  def __init__(self, options):
    self.options = options

  def __call__(self, images, targets, hole=None):
    """Returns (loss, {term: its value before its weight}), scalars, means over the batch.

    Args:
      images, targets: (batch, h, w, c) on the scale of [-1, 1].
      hole: (batch, h, w, 1), or None where there are no holes.
    """
    o = self.options
    weights = None if hole is None else hole_weights(hole, o.outside, o.ring, o.ring_weight)
    if o.shave:
      inside = (slice(None), slice(o.shave, -o.shave), slice(o.shave, -o.shave))
      images, targets = images[inside], targets[inside]
      weights = None if weights is None else weights[inside]
    compute = {
      'l2': lambda: l2(images, targets, weights),
      'l1': lambda: l1(images, targets, weights),
      'charbonnier': lambda: charbonnier(images, targets, weights, o.charbonnier_eps),
      'ssim': lambda: ssim(images, targets),
      'total_variation': lambda: total_variation(images),
    }
    terms = {name: jnp.mean(compute[name]()) for name in o.TERMS if getattr(o, name)}
    return sum(getattr(o, name) * value for name, value in terms.items()), terms


def _difference(images, targets):
  return images.astype(jnp.float32) - targets.astype(jnp.float32)


def _mean(x, weights):
  if weights is None:
    return jnp.mean(x, axis=(1, 2, 3))
  total = jnp.sum(weights, axis=(1, 2, 3)) * x.shape[-1]
  return jnp.sum(weights * x, axis=(1, 2, 3)) / jnp.maximum(total, 1e-6)
