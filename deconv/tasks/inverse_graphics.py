"""Inverse graphics (DC-IGN, Kulkarni et al. 2015): a variational autoencoder whose latents mean pose, light and shape.

Each minibatch varies one factor of the scene (`data.vary`; `batch['varies']` says which). The latents of the other
factors are clamped before they reach the decoder and get the invariance gradient in place of their own; everything else
is the task `vae`. Under pmap the minibatch is the share of a device.
"""
import jax
import jax.numpy as jnp
import numpy as np

from deconv import data, plots
from deconv.errors import UserError
from deconv.metrics import factor_sweeps
from deconv.objectives import elbo, inverse_graphics as rule
from deconv.tasks import vae

_COLUMNS = 9          # of the picture of knobs
_REACH = 2.5          # standard deviations of the prior that a knob turns to each side


def build(config, make_optimizer, batch_norm_axis=None):
  """Returns the InverseGraphics task of a whole config; see deconv/tasks/__init__.py for the arguments.

  Raises:
    UserError: see deconv.tasks.vae.task_options; also no factor that varies, fewer latents than factors, or a field out
      of range.
  """
  del batch_norm_axis  # no batch norm
  objective = config.objective
  num_factors = len(config.data.vary)
  if not num_factors:
    raise UserError("task='inverse_graphics' trains on batches in which one factor varies; set data.vary to their "
                    'weights, such as (1, 1, 1, 10)')
  if num_factors > config.model.latent_size:
    raise UserError(f'model.latent_size={config.model.latent_size} must be at least the number of factors, '
                    f'{num_factors}')
  if objective.name != 'elbo':
    raise UserError(f"objective.name='{objective.name}' is not for task='inverse_graphics'; set it to elbo")
  if objective.clamp not in rule.CLAMPS:
    raise UserError(f"objective.clamp is '{objective.clamp}'; choose one of: {', '.join(rule.CLAMPS)}")
  if not objective.invariance >= 0:
    raise UserError(f'objective.invariance={objective.invariance} must not be negative; change it')
  own = dict(num_factors=num_factors, clamp=objective.clamp, invariance=objective.invariance)
  config = config.copy_and_resolve_references()
  with config.unlocked():
    del config.objective['clamp'], config.objective['invariance']
  return InverseGraphics(**vae.task_options(config, make_optimizer, {'elbo': _elbo}), **own)


def _elbo():
  """The KL divergence of the clamped posterior, with weight 1."""


class InverseGraphics(vae.Vae):
  """Trains one network 'vae' with params {'encoder', 'decoder'}; a Task (deconv/tasks/task.py).

  The first latents are those of the first factors, one each; the rest are those of the last.
  """

  def __init__(self, networks, *, num_factors, clamp='mean', invariance=0.01, **options):
    """Makes the task.

    Args:
      networks: (encoder, decoder).
      num_factors: number of factors of the scene.
      clamp: key of deconv.objectives.inverse_graphics.CLAMPS.
      invariance: weight of the invariance gradient.
      **options: of deconv.tasks.vae.Vae.
    """
    super().__init__(networks, **options)
    self.num_factors = num_factors
    self.clamp = clamp
    self.invariance = invariance

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
    keys = jax.random.wrap_key_data(batch['noise_key'])
    targets = self.targets(batch, keys)
    free = self.encode(params, self.likelihood.inputs(targets))
    active = rule.active_latents(batch['varies'][0], self.num_factors, self.prior.size)
    posterior = elbo.Posterior(*(rule.clamp(codes, active, self.clamp) for codes in free))
    z = elbo.reparameterize(posterior, self.noise(keys, 'latent', self.samples))
    distortion = -jnp.mean(self.likelihood.log_prob(self.decode(params, z), targets))
    rate = jnp.mean(jnp.sum(elbo.kl_standard_normal(posterior), axis=-1))
    invariance = sum(rule.invariance(codes, active) for codes in free)
    loss = distortion + rate + self.invariance * invariance
    return loss, {'loss': loss, 'neg_elbo': distortion + rate, 'distortion': distortion, 'rate': rate,
                  'invariance': invariance}

  # Evaluation.

  def evaluate_samples(self, state, source, key, num, **options):
    """Turns one factor at a time of scenes of unseen identities and looks at the latents' means.

    Args:
      state: State.
      source: the FactorSource that is trained on; its split `unseen` is looked at.
      key: PRNG key of the scenes.
      num: about so many images for each factor.
      **options: not used.

    Returns:
      ({'FACTOR_monotone', 'FACTOR_selective'} of every factor with a latent of its own, see
      deconv.metrics.factor_sweeps, and their means over the factors 'monotone' and 'selective'; {'knobs': picture};
      protocol).
    """
    del options
    unseen = data.open_source(source.options, 'unseen')
    random = np.random.RandomState(np.asarray(jax.random.key_data(key)).astype(np.uint32))
    scenes = max(2, num // max(unseen.factor_sizes[:self.num_factors - 1]))
    codes = []
    for factor, size in enumerate(unseen.factor_sizes):
      rows = factor_sweeps.sweep_rows(unseen, factor, scenes, random)
      rows = rows[:, :max(unseen.factor_sizes[:-1])] if factor == self.num_factors - 1 else rows
      means = self.means(state, unseen.render(rows.reshape(-1, rows.shape[-1])))
      codes.append(means.reshape(*rows.shape[:2], -1))
    numbers = {}
    for factor, name in enumerate(unseen.factor_names[:-1]):
      found = factor_sweeps.measure([along[..., factor] for along in codes], factor)
      numbers.update({f'{name}_{what}': value for what, value in found.items()})
    for what in ('monotone', 'selective'):
      numbers[what] = float(np.mean([value for name, value in numbers.items() if name.endswith(f'_{what}')]))
    images = unseen.render(unseen.sample_factors(random, 2))
    protocol = {'split': 'unseen', 'scenes': scenes, 'codes': 'posterior means',
                'is': 'deconv.metrics.sweeps: |mean Spearman| in sweeps of its factor; share of the variance in them'}
    return numbers, {'knobs': self.knobs(state, images)}, protocol

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
    turned = data.to_uint8(self.generate(state, codes.reshape(-1, self.prior.size)))
    turned = turned.reshape(self.num_factors, _COLUMNS, *self.image_shape)
    scene = np.tile(np.asarray(images[:1]), (self.num_factors, 1, 1, 1))
    grid = np.concatenate([scene[:, None], turned], axis=1)
    return plots.image_grid(grid.reshape(-1, *self.image_shape), _COLUMNS + 1)
