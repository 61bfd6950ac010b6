"""Where the codes of a generator come from."""

import dataclasses

import jax
import jax.numpy as jnp


@dataclasses.dataclass(frozen=True)
class Latent:
  """The distribution of what a generator takes: z, and after it the label as a vector of zeros and a one.

  Attributes:
    size: length of all of it.
    distribution: of z: 'uniform' in [-1, 1] or 'normal' (standard).
    classes: number of classes of the label; 0 = none.
  """

  size: int
  distribution: str
  classes: int = 0

  @property
  def noise(self):
    """Length of z."""
    return self.size - self.classes

  def sample(self, key, num, labels=None):
    """Returns float32 (num, size); labels int (num,), by default 0, 1, ... in turn."""
    if self.distribution == 'uniform':
      z = jax.random.uniform(key, (num, self.noise), jnp.float32, minval=-1.0, maxval=1.0)
    else:
      z = jax.random.normal(key, (num, self.noise), jnp.float32)
    if not self.classes:
      return z
    labels = jnp.arange(num) % self.classes if labels is None else labels
    return jnp.concatenate([z, jax.nn.one_hot(labels, self.classes, dtype=jnp.float32)], axis=-1)

  def labels(self, latents):
    """Returns the labels int32 (n,) in latents (n, size); None without labels."""
    return jnp.argmax(latents[:, self.noise :], axis=-1).astype(jnp.int32) if self.classes else None

  def interpolate(self, start, end, num):
    """Returns float32 (num, size) from `start` to `end`, both (size,), ends included.

    Straight lines for uniform codes (Radford et al. 2015, figure 4). Normal codes follow the great circle (White
    2016), because the middle of a straight line between two of them is shorter than nearly all codes that the
    generator has seen. The label stays that of `start`.
    """
    label = jnp.broadcast_to(start[self.noise :], (num, self.classes))
    path = self._path(start[: self.noise], end[: self.noise], num)
    return jnp.concatenate([path, label], axis=-1) if self.classes else path

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
