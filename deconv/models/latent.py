"""Where the codes of a generator come from."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from deconv.errors import UserError
from deconv.rng import stream


@dataclasses.dataclass(frozen=True)
class Latent:
  """The distribution of what a generator takes: z, after it the codes, and last the label.

  A categorical code and the label are vectors of zeros and a one, all values of a code as likely; a continuous code is
  uniform in [-1, 1] (Chen et al. 2016, section 7).

  Attributes:
    size: length of all of it.
    distribution: of z: 'uniform' in [-1, 1] or 'normal' (standard).
    classes: number of classes of the label; 0 = none.
    categorical: numbers of values of the categorical codes.
    continuous: number of continuous codes.
    truncation: the largest absolute value that a number of z may have; 0 = any. See `truncated`.
  """

  size: int
  distribution: str
  classes: int = 0
  categorical: tuple[int, ...] = ()
  continuous: int = 0
  truncation: float = 0.0

  @classmethod
  def of(cls, options, distribution):
    """Returns the latent of a network whose options are a deconv.options.models.gan.GanModelOptions."""
    size = options.latent_size + options.num_codes + options.num_classes
    return cls(size, distribution, options.num_classes, options.categorical_codes, options.continuous_codes)

  @property
  def noise(self):
    """Length of z."""
    return self.size - self.classes - self.codes

  @property
  def codes(self):
    """Length of all codes."""
    return sum(self.categorical) + self.continuous

  @property
  def moves(self):
    """bool (size,) of the host: which numbers may change by a little; not those of a vector of zeros and a one."""
    place = np.arange(self.size)
    categorical = (place >= self.noise) & (place < self.noise + sum(self.categorical))
    return ~categorical & (place < self.size - self.classes)

  def within(self, latents):
    """Returns latents (n, size) with what is uniform limited to [-1, 1]; normal numbers have no limit."""
    free = (np.arange(self.size) < self.noise) & (self.distribution == 'normal')
    limits = jnp.asarray(np.where(free, np.inf, 1.0), latents.dtype)
    return jnp.clip(latents, -limits, limits)

  def truncated(self, threshold):
    """Returns the latent whose numbers of z are drawn again until they are within a threshold of 0: fewer kinds of
    images, each nearer to what training has seen most of (the truncation trick; Brock et al. 2019, section 3.1).

    Codes and labels stay as they are.

    Args:
      threshold: for normal numbers in standard deviations; 0 = no truncation.

    Raises:
      UserError: a threshold that uniform numbers, which are in [-1, 1], never pass.
    """
    if self.distribution == 'uniform' and threshold >= 1:
      raise UserError(
        f'eval.truncation={threshold:g} has no effect on this network, whose z is uniform in [-1, 1]; give less than '
        '1, or 0 for no truncation'
      )
    return dataclasses.replace(self, truncation=threshold)

  def sample(self, key, num, labels=None):
    """Returns float32 (num, size); labels int (num,), by default 0, 1, ... in turn."""
    shape, most = (num, self.noise), self.truncation
    if self.distribution == 'uniform':
      z = jax.random.uniform(key, shape, jnp.float32, minval=-(most or 1.0), maxval=most or 1.0)
    elif most:
      z = jax.random.truncated_normal(key, -most, most, shape, jnp.float32)
    else:
      z = jax.random.normal(key, shape, jnp.float32)
    parts = [z]
    for i, values in enumerate(self.categorical):
      drawn = jax.random.randint(stream(key, f'categorical_{i}'), (num,), 0, values)
      parts.append(jax.nn.one_hot(drawn, values, dtype=jnp.float32))
    if self.continuous:
      shape = num, self.continuous
      parts.append(jax.random.uniform(stream(key, 'continuous'), shape, jnp.float32, minval=-1.0, maxval=1.0))
    if self.classes:
      labels = jnp.arange(num) % self.classes if labels is None else labels
      parts.append(jax.nn.one_hot(labels, self.classes, dtype=jnp.float32))
    return jnp.concatenate(parts, axis=-1) if len(parts) > 1 else z

  def labels(self, latents):
    """Returns the labels int32 (n,) in latents (n, size); None without labels."""
    return jnp.argmax(latents[:, -self.classes :], axis=-1).astype(jnp.int32) if self.classes else None

  def codes_of(self, latents):
    """Returns the codes in latents (n, size): ([one-hot (n, values), ...], continuous (n, number))."""
    return self.split_codes(latents[:, self.noise : self.noise + self.codes])

  def split_codes(self, codes):
    """Returns the parts of codes (n, codes): ([categorical (n, values), ...], continuous (n, number))."""
    *categorical, continuous = jnp.split(codes, np.cumsum(self.categorical), axis=-1) if self.categorical else [codes]
    return categorical, continuous

  def interpolate(self, start, end, num):
    """Returns float32 (num, size) from `start` to `end`, both (size,), ends included.

    Straight lines for uniform codes (Radford et al. 2015, figure 4). Normal codes follow the great circle (White
    2016), because the middle of a straight line between two of them is shorter than nearly all codes that the
    generator has seen. Codes and label stay those of `start`.
    """
    path = self._path(start[: self.noise], end[: self.noise], num)
    if self.noise == self.size:
      return path
    return jnp.concatenate([path, jnp.broadcast_to(start[self.noise :], (num, self.size - self.noise))], axis=-1)

  def _path(self, start, end, num):
    """The way of z (num, noise)."""
    t = jnp.linspace(0.0, 1.0, num, dtype=jnp.float32)[:, None]
    start, end = start[None], end[None]
    if self.distribution == 'uniform':
      return (1 - t) * start + t * end
    cosine = jnp.vdot(start, end, precision='highest') / (jnp.linalg.norm(start) * jnp.linalg.norm(end))
    angle = jnp.arccos(jnp.clip(cosine, -1.0, 1.0))
    sine = jnp.sin(angle)
    safe = jnp.where(sine > 1e-4, sine, 1.0)
    arc = (jnp.sin((1 - t) * angle) * start + jnp.sin(t * angle) * end) / safe
    return jnp.where(sine > 1e-4, arc, (1 - t) * start + t * end)  # (anti)parallel codes have no unique great circle
