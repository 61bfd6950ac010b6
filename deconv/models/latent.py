"""Where the codes of a generator come from."""

import dataclasses

import jax
import jax.numpy as jnp


@dataclasses.dataclass(frozen=True)
class Latent:
  """The distribution of z.

  Attributes:
    size: length of z.
    distribution: 'uniform' in [-1, 1] or 'normal' (standard).
  """

  size: int
  distribution: str

  def sample(self, key, num):
    """Returns float32 (num, size)."""
    if self.distribution == 'uniform':
      return jax.random.uniform(key, (num, self.size), jnp.float32, minval=-1.0, maxval=1.0)
    return jax.random.normal(key, (num, self.size), jnp.float32)

  def interpolate(self, start, end, num):
    """Returns float32 (num, size) from `start` to `end`, both (size,), ends included.

    Straight lines for uniform codes (Radford et al. 2015, figure 4). Normal codes follow the great circle (White
    2016), because the middle of a straight line between two of them is shorter than nearly all codes that the
    generator has seen.
    """
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
