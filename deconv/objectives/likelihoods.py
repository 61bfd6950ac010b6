"""What a decoder's outputs say about an image: log p(x|z) in nats, summed over pixels and channels.

A likelihood has
  outputs(channels): how many numbers per pixel the decoder gives, and how many of them all pixels share;
  targets(images, keys): uint8 (batch, h, w, c) and one random key per image -> what `log_prob` scores;
  inputs(targets): what the encoder sees, in [-1, 1];
  log_prob(outputs, targets): (..., h, w, outputs), (h, w, c) broadcast against them -> (...);
  mean(outputs, channels): the expected image, in [-1, 1];
  counts_levels: whether p(x|z) is a distribution over the 256 levels of each pixel, so that bits per dimension mean
    something;
  protocol(): {name: what JSON can hold}, what its targets are, to stand beside numbers.

LIKELIHOODS maps `config.objective.likelihood` to a builder that takes the options of the objective
(deconv.options.objectives.vae.AutoencoderObjective).
"""

import dataclasses
import math

import jax
import jax.numpy as jnp

from deconv.data import to_signed
from deconv.objectives import binarization as binarize
from deconv.ops.arguments import of_rank

_PIXELS = (-3, -2, -1)


def _sum_pixels(values):
  """Returns (..., h, w, c) -> (...): a product with ones, because XLA's sums on the CPU are not vectorised."""
  values = values.reshape(*values.shape[:-3], -1)
  return jnp.matmul(values, jnp.ones(values.shape[-1:], values.dtype), precision='highest')


@dataclasses.dataclass(frozen=True)
class Bernoulli:
  """One logit for each pixel and channel; p(x = 1) = sigmoid(logit).

  Attributes:
    binarization: how grey levels become targets: 'dynamic' (drawn anew each time, p = grey level), 'static' (drawn once
      from `binarization_seed` and the image) or 'grey' (the level in [0, 1] itself: a cross-entropy that many papers
      report, but no likelihood of anything).
    binarization_seed: of 'static'.
  """

  binarization: str
  binarization_seed: int
  counts_levels = False

  def outputs(self, channels):
    return channels, 0

  def targets(self, images, keys):
    """Returns float32 (batch, h, w, c) in [0, 1]."""
    if self.binarization == 'dynamic':
      return binarize.dynamic(images, keys)
    if self.binarization == 'static':
      return binarize.static(images, self.binarization_seed)
    return images.astype(jnp.float32) / 255

  def inputs(self, targets):
    return 2 * targets - 1

  def log_prob(self, logits, targets):
    """x * l - log(1 + exp(l)), exact at any logit."""
    logits, targets = logits.astype(jnp.float32), of_rank(targets, logits.ndim)
    return _sum_pixels(targets * logits - jax.nn.softplus(logits))

  def mean(self, logits, channels):
    del channels
    return 2 * jax.nn.sigmoid(logits.astype(jnp.float32)) - 1

  def protocol(self):
    seed = {'binarization_seed': self.binarization_seed} if self.binarization == 'static' else {}
    return {'binarization': self.binarization, **seed}


@dataclasses.dataclass(frozen=True)
class Gaussian:
  """A normal density for each pixel and channel, on dequantised levels.

  Targets are (level + u) * 2 / 256 - 1, u uniform in [0, 1): the density of them, times the width 2 / 256 of a level,
  is a lower bound on the probability of the level (Theis et al. 2016, section 3.1). So these nats can be compared with
  those of a discrete likelihood, and no density grows without limit where pixels are constant.

  Attributes:
    kind: 'fixed' (sigma = noise_scale), 'learned' (one sigma for all pixels of a channel, a parameter of the decoder;
      Dai & Wipf 2019) or 'pixel' (the decoder gives the log-variance of each pixel).
    noise_scale: standard deviation of 'fixed', in units of the full range [0, 1]; None for the others.
  """

  kind: str
  noise_scale: float | None
  counts_levels = True

  def outputs(self, channels):
    return {'fixed': (channels, 0), 'learned': (channels, channels), 'pixel': (2 * channels, 0)}[self.kind]

  def targets(self, images, keys):
    """Returns float32 (batch, h, w, c) in [-1, 1)."""
    noise = jax.vmap(lambda key: jax.random.uniform(key, (math.prod(images.shape[1:]),), jnp.float32))(keys)
    return (images.astype(jnp.float32) + noise.reshape(images.shape)) / 128 - 1

  def inputs(self, targets):
    return targets

  def log_prob(self, outputs, targets):
    outputs, targets, channels = outputs.astype(jnp.float32), of_rank(targets, outputs.ndim), targets.shape[-1]
    mean, log_variance = outputs[..., :channels], outputs[..., channels:]
    if self.kind == 'fixed':
      log_variance = 2 * math.log(2 * self.noise_scale)
    else:
      log_variance = jnp.clip(log_variance, -12.0, 4.0)  # sigma from 0.3 levels to more than the whole range
    square = jnp.square(targets - mean) * jnp.exp(-log_variance)
    return -jnp.sum(0.5 * (square + log_variance + math.log(2 * math.pi)) + math.log(128), axis=_PIXELS)

  def mean(self, outputs, channels):
    # Level v stands for [v, v + 1) here, and for v / 127.5 - 1 in images.
    levels = (outputs[..., :channels].astype(jnp.float32) + 1) * 128 - 0.5
    return jnp.clip(levels / 127.5 - 1, -1, 1)

  def protocol(self):
    return {'binarization': 'grey'}


@dataclasses.dataclass(frozen=True)
class LogisticMixture:
  """A mixture of logistics, each integrated over the 256 levels (Salimans et al. 2017, PixelCNN++, sections 2.1, 2.2).

  The lowest and the highest level take the tails. With three channels, green's means depend linearly on red, and blue's
  on red and green, as in the paper; all channels of a pixel share the component.

  Attributes:
    mixtures: number of components.
  """

  mixtures: int
  counts_levels = True

  def outputs(self, channels):
    return self.mixtures * (1 + 2 * channels + (3 if channels == 3 else 0)), 0

  def targets(self, images, keys):
    """Returns float32 (batch, h, w, c) in [-1, 1], levels / 127.5 - 1."""
    del keys
    return to_signed(images)

  def inputs(self, targets):
    return targets

  def _split(self, outputs, channels):
    """Logits (..., k), means, log-scales and, with three channels, couplings: (..., channels or 3, k)."""
    k = self.mixtures
    logits, rest = outputs[..., :k].astype(jnp.float32), outputs[..., k:].astype(jnp.float32)
    rest = rest.reshape(*rest.shape[:-1], -1, k)
    means, log_scales = rest[..., :channels, :], jnp.clip(rest[..., channels : 2 * channels, :], -7.0, 7.0)
    return logits, means, log_scales, jnp.tanh(rest[..., 2 * channels :, :])

  def log_prob(self, outputs, targets):
    channels = targets.shape[-1]
    logits, means, log_scales, couplings = self._split(outputs, channels)
    x = of_rank(targets, outputs.ndim)[..., None]  # ... h w c 1
    if channels == 3:
      means = _couple(means, couplings, x[..., 0, :], x[..., 1, :])
    # P(level) = sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a)): no difference of rounded numbers.
    inverse = jnp.exp(-log_scales)
    upper, lower = (x + 1 / 255 - means) * inverse, (x - 1 / 255 - means) * inverse
    width = (2 / 255) * inverse
    inside = jax.nn.log_sigmoid(upper) + jax.nn.log_sigmoid(-lower) + jnp.log(-jnp.expm1(-width))
    edges = jnp.where(x < 0, jax.nn.log_sigmoid(upper), jax.nn.log_sigmoid(-lower))
    log_levels = jnp.where(jnp.abs(x) > 1 - 1 / 255, edges, inside)
    pixels = jax.nn.logsumexp(jnp.sum(log_levels, axis=-2) + jax.nn.log_softmax(logits), axis=-1)
    return jnp.sum(pixels, axis=(-2, -1))

  def mean(self, outputs, channels):
    """The mean of the mixture before its tails are cut off, clipped."""
    logits, means, _, couplings = self._split(outputs, channels)
    if channels == 3:
      red = means[..., 0, :]
      means = _couple(means, couplings, red, means[..., 1, :] + couplings[..., 0, :] * red)
    return jnp.clip(jnp.sum(means * jax.nn.softmax(logits)[..., None, :], axis=-1), -1, 1)

  def protocol(self):
    return {'binarization': 'grey'}


def _couple(means, couplings, red, green):
  """Means (..., 3, k) given the values of red and green (..., k or 1)."""
  return jnp.stack(
    [
      means[..., 0, :],
      means[..., 1, :] + couplings[..., 0, :] * red,
      means[..., 2, :] + couplings[..., 1, :] * red + couplings[..., 2, :] * green,
    ],
    axis=-2,
  )


LIKELIHOODS = {
  'bernoulli': lambda options: Bernoulli(options.binarization, options.binarization_seed),
  'gaussian_fixed': lambda options: Gaussian('fixed', options.noise_scale),
  'gaussian_learned': lambda options: Gaussian('learned', None),
  'gaussian_pixel': lambda options: Gaussian('pixel', None),
  'logistic_mixture': lambda options: LogisticMixture(options.mixtures),
}
