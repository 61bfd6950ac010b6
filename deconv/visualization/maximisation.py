"""Images that are made to excite a unit (Erhan et al. 2009), with a stated regulariser."""

import jax
import jax.numpy as jnp
import optax

from deconv.visualization import layers


def maximise(looking, name, units, image_shape, key, *, steps=256, rate=0.05, variation=20.0, energy=1.0):
  """Climbs to images that a layer's units respond to.

  The image is x = tanh(u), from noise of standard deviation 0.1. Adam climbs on the response in the middle of the
  unit's map, in standard deviations of the layer over the noise, less variation * mean(|dx| + |dy|), the total
  variation (Mahendran & Vedaldi 2015), and energy * mean(x^2) (Simonyan et al. 2013).

  Args:
    looking: deconv.tasks.capabilities.Looking.
    name: of the layer.
    units: int (n,).
    image_shape: (height, width, channels).
    key: PRNG key of the noise.
    steps, rate: of Adam.
    variation, energy: weights of the two penalties.

  Returns:
    (float32 images (n, height, width, channels) in [-1, 1], responses (n,), responses to the noise (n,)).
  """
  units = jnp.asarray(units)
  start = 0.1 * jax.random.normal(key, (len(units), *image_shape))

  def respond(x):
    found = layers.outputs(looking, x)[name]
    middle = found[:, found.shape[1] // 2, found.shape[2] // 2] if found.ndim == 4 else found
    return middle[jnp.arange(len(units)), units].astype(jnp.float32), jnp.std(found.astype(jnp.float32))

  @jax.jit
  def climb(start):
    before, spread = respond(jnp.tanh(start))
    adam = optax.adam(rate)

    def loss(u):
      x = jnp.tanh(u)
      rough = sum(jnp.mean(jnp.abs(jnp.diff(x, axis=axis)), axis=(1, 2, 3)) for axis in (1, 2))
      strength = respond(x)[0] / jnp.maximum(spread, 1e-6)
      return -jnp.sum(strength - variation * rough - energy * jnp.mean(x**2, axis=(1, 2, 3)))

    def step(carry, _):
      u, state = carry
      updates, state = adam.update(jax.grad(loss)(u), state)
      return (optax.apply_updates(u, updates), state), None

    (u, _), _ = jax.lax.scan(step, (start, adam.init(start)), length=steps)
    return jnp.tanh(u), respond(jnp.tanh(u))[0], before

  return climb(start)
