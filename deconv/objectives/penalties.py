"""What is added to a discriminator's loss to keep it smooth, an example at a time.

A penalty is a function (critic, seen, options) -> (batch,): `critic` maps images (batch, height, width, channels) to
logits (batch,) at the parameters that are trained, `seen` is a `Minibatch`, `options` a
deconv.options.objectives.gan.GanObjective. The gradient penalties differentiate the critic with respect to its images,
so the discriminator's update differentiates twice. They take the sum of a batch's logits: where an image's logit
depends on the other images, as with batch norm, that is not the gradient of one image.
"""

from collections.abc import Callable
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from deconv.data.transforms import diff_augment
from deconv.rng import streams

# Under the root of a gradient's norm, whose own gradient at 0 would be infinite.
_TINY = 1e-12


class Minibatch(NamedTuple):
  """What a penalty may look at, images as the discriminator sees them.

  Attributes:
    reals, fakes: float (batch, height, width, channels).
    real_logits, fake_logits: (batch,).
    running: running means of the logits of the reals and of the fakes, scalars.
    keys: PRNG keys (batch,), for this minibatch alone.
    mean: function: an array (batch, ...) -> its mean over the whole batch, on all devices.
  """

  reals: Any
  fakes: Any
  real_logits: Any
  fake_logits: Any
  running: tuple
  keys: Any
  mean: Callable


class Penalty(NamedTuple):
  """A penalty and its fields.

  Attributes:
    value: the function, see above.
    weight: name of the field of its weight.
    of_gradient: whether it differentiates the critic with respect to its images.
    lazy: whether it may be left out of most updates and multiplied by the interval in the others.
  """

  value: Callable
  weight: str
  of_gradient: bool = True
  lazy: bool = False


def squared_norm(critic, images):
  """Returns the squared norm (batch,) of the gradient of each image's logit with respect to that image."""
  gradient = jax.grad(lambda images: jnp.sum(critic(images)))(images)
  return jnp.sum(jnp.square(gradient), axis=tuple(range(1, gradient.ndim)))


def two_sided(critic, images):
  """(|gradient| - 1)^2 (batch,)."""
  return jnp.square(jnp.sqrt(squared_norm(critic, images) + _TINY) - 1)


def _uniform(keys, shape, dtype):
  return jax.vmap(lambda key: jax.random.uniform(key, shape, dtype))(keys)


def wgan_gp(critic, seen, options):
  """On straight lines between a real and a generated image: Gulrajani et al. 2017, algorithm 1."""
  del options
  share = _uniform(streams(seen.keys, 'wgan_gp'), (1,) * (seen.reals.ndim - 1), seen.reals.dtype)
  return two_sided(critic, share * seen.reals + (1 - share) * seen.fakes)


def dragan(critic, seen, options):
  """Around the reals: Kodali et al. 2017, algorithm 1 with the noise of its authors' code.

  A real image x is moved by a share, uniform in [0, 1], of noise that is uniform in [0, std / 2], the standard
  deviation over all pixels of the batch.
  """
  del options
  reals = seen.reals
  middle = seen.mean(reals)
  deviation = jnp.sqrt(seen.mean(jnp.square(reals - middle)))
  share = _uniform(streams(seen.keys, 'dragan_share'), (1,) * (reals.ndim - 1), reals.dtype)
  noise = _uniform(streams(seen.keys, 'dragan'), reals.shape[1:], reals.dtype)
  return two_sided(critic, reals + share * (0.5 * deviation) * noise)


def r1(critic, seen, options):
  """|gradient|^2 / 2 at the reals: Mescheder et al. 2018, equation 9."""
  del options
  return 0.5 * squared_norm(critic, seen.reals)


def r2(critic, seen, options):
  """|gradient|^2 / 2 at the generated images: Mescheder et al. 2018, equation 10."""
  del options
  return 0.5 * squared_norm(critic, seen.fakes)


def lecam(critic, seen, options):
  """(D(x) - a_F)^2 + (D(G(z)) - a_R)^2 with the running means a of the other side: Tseng et al. 2021, equation 4."""
  del critic, options
  real, fake = seen.running
  return jnp.square(seen.real_logits - fake) + jnp.square(seen.fake_logits - real)


def consistency(critic, seen, options):
  """(D(x) - D(T(x)))^2 with an augmentation T of the reals: Zhang et al. 2020, equation 3 with the last layer alone."""
  keys = streams(seen.keys, 'consistency')
  turned = diff_augment.augment(seen.reals, keys, options.consistency_augment)
  return jnp.square(seen.real_logits - critic(turned))


PENALTIES = {
  'wgan_gp': Penalty(wgan_gp, 'wgan_gp_weight'),
  'dragan': Penalty(dragan, 'dragan_weight'),
  'r1': Penalty(r1, 'r1_weight', lazy=True),
  'r2': Penalty(r2, 'r2_weight', lazy=True),
  'lecam': Penalty(lecam, 'lecam_weight', of_gradient=False),
  'consistency': Penalty(consistency, 'consistency_weight', of_gradient=False),
}


def penalise(critic, seen, options, update):
  """The weighted penalties of `options.penalties`.

  Args:
    critic, seen, options: see above.
    update: int scalar, updates of the discriminator before this one.

  Returns:
    {'penalty_NAME': mean over the images of this device, times its weight}. A lazy penalty is 0 but in one of
    `options.penalty_interval` updates, where it is multiplied by the interval (Karras et al. 2020, section 3.1).
  """
  found = {}
  for name in options.penalties:
    value, weight, _, lazy = PENALTIES[name]
    weight = getattr(options, weight)
    interval = options.penalty_interval if lazy else 1
    found[f'penalty_{name}'] = _every(
      interval,
      update,
      functools.partial(lambda value, scale: scale * jnp.mean(value(critic, seen, options)), value, weight * interval),
    )
  return found


def _every(interval, update, value):
  """Returns value() in one of `interval` updates, 0 in the others."""
  if interval == 1:
    return value()
  return jax.lax.cond(update % interval == 0, value, lambda: jnp.zeros((), jnp.float32))
