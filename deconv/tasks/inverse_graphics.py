"""Inverse graphics (DC-IGN, Kulkarni et al. 2015): a variational autoencoder whose latents mean pose, light and shape.

Each minibatch varies one factor of the scene (`data.vary`; `batch['varies']` says which). The latents of the other
factors are clamped before they reach the decoder and get the invariance gradient in place of their own; everything else
is the task `vae`. Under pmap the minibatch is the share of a device.
"""

import jax
import jax.numpy as jnp
import numpy as np

from deconv import data, plots
from deconv.objectives import elbo
from deconv.objectives import inverse_graphics as rule
from deconv.tasks import vae
from deconv.tasks.capabilities import TurnsKnobs

_COLUMNS = 9  # of the picture of knobs
_REACH = 2.5  # standard deviations of the prior that a knob turns to each side


class InverseGraphics(TurnsKnobs, vae.Vae):
  """Trains one network 'vae' with params {'encoder', 'decoder'}; a Task (deconv/tasks/task.py).

  The first latents are those of the first factors, one each; the rest are those of the last.

  Attributes: as in Vae, and
    num_factors: number of factors of the scene.
  """

  def __init__(self, options, make_optimizer, batch_norm_axis):
    """Makes the networks; see Vae."""
    super().__init__(options, make_optimizer, batch_norm_axis)
    self.num_factors = len(options.data.vary)

  def make_regularizer(self):
    """None: the KL divergence of the clamped posterior has weight 1."""

  def batch_shapes(self, batch_size):
    """As of every Task, with 'varies' int32 (batch,)."""
    return {**super().batch_shapes(batch_size), 'varies': jax.ShapeDtypeStruct((batch_size,), jnp.int32)}

  def loss(self, params, batch, step):
    """What is minimised: the negative ELBO of the clamped code, and the invariance term.

    Args:
      params: {'encoder', 'decoder'}.
      batch: 'image', 'varies' int32 (batch,), all equal, and 'noise_key'.
      step: int32 scalar, steps done.

    Returns:
      (loss, scalars): `loss`, `neg_elbo`, `distortion`, `rate` as in Vae, of the clamped code; `invariance`, the term
        before its weight, of means and log-variances together.
    """
    del step
    objective = self.options.objective
    active = rule.active_latents(batch['varies'][0], self.num_factors, self.latent.size)

    def clamp(posterior):
      return elbo.Posterior(*(rule.clamp(codes, active, objective.clamp) for codes in posterior))

    bound = self.bound(params, batch, objective.samples, clamp)
    scalars, invariance = bound.scalars(), sum(rule.invariance(codes, active) for codes in bound.encoded)
    loss = scalars['neg_elbo'] + objective.invariance * invariance
    return loss, {'loss': loss, **scalars, 'invariance': invariance}

  # Pictures.

  def pictures(self, state, batch, key):
    """Returns the grids 'reconstructions', 'samples' and 'knobs'."""
    return {**super().pictures(state, batch, key), 'knobs': self.knobs(state, batch['image'][:2])}

  def knobs(self, state, images):
    """Turns one knob of a scene at a time.

    Args:
      state: State.
      images: uint8 (1 or 2, height, width, channels): the scene, and another one.

    Returns:
      uint8 picture. A row for each latent with a factor of its own, moved from -2.5 to 2.5 standard deviations of the
      prior, and a last row in which the other latents go from the first scene's to the second's. The first column has
      the scene.
    """
    means = self.means(state, np.asarray(images))
    single = self.num_factors - 1
    codes = np.tile(means[0], (self.num_factors, _COLUMNS, 1))
    for latent in range(single):
      codes[latent, :, latent] = np.linspace(-_REACH, _REACH, _COLUMNS)
    t = np.linspace(0, 1, _COLUMNS)[:, None]
    codes[-1, :, single:] = (1 - t) * means[0, single:] + t * means[-1, single:]
    turned = data.to_uint8(self.generate(state, codes.reshape(-1, self.latent.size)))
    turned = turned.reshape(self.num_factors, _COLUMNS, *self.image_shape)
    scene = np.tile(np.asarray(images[:1]), (self.num_factors, 1, 1, 1))
    grid = np.concatenate([scene[:, None], turned], axis=1)
    return plots.image_grid(grid.reshape(-1, *self.image_shape), _COLUMNS + 1)
