"""Generative adversarial training: two networks, one game.

The step is in deconv/tasks/gan_step.py; this file has the networks, the evaluation and the samples.

A conditional GAN takes `batch['label']`: the fakes of a minibatch have the labels of its reals, as in the DCGAN
authors' code, so that both halves have the frequencies of the data.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from deconv import data, plots
from deconv.errors import UserError
from deconv.models import MODELS
from deconv.objectives.gan import OBJECTIVES
from deconv.rng import stream
from deconv.tasks.capabilities import (
  GeneratesClasses,
  Looking,
  LooksAtImages,
  SearchesLatents,
  TellsCodes,
  TraversesLatents,
)
from deconv.tasks.gan_step import GanStep
from deconv.tasks.generation import GeneratesFromLatents
from deconv.tasks.state import NetworkState, State, compiled_fast
from deconv.tasks.task import Task, batch_by_batch, means_of, weights_of

_COLUMNS = 10  # of a picture of codes


class Gan(
  GanStep, GeneratesFromLatents, GeneratesClasses, LooksAtImages, TraversesLatents, TellsCodes, SearchesLatents, Task
):
  """Trains a generator ('gen') and a discriminator ('disc').

  Attributes:
    generator, discriminator: Linen modules for the training step.
    eval_generator, eval_discriminator: the same with no mapped axis in their batch norm: sampling runs outside of pmap.
    latent, drawn: deconv.models.latent.Latent, see GeneratesFromLatents.
    objective: deconv.objectives.gan.Objective.
    optimizers: {'gen', 'disc'}: optax transformations.
  """

  loss_names = ('loss_gen', 'loss_disc')

  def __init__(self, options, make_optimizer, batch_norm_axis):
    """Makes the networks; see Task.

    Raises:
      UserError: an image size that the network cannot make, or a truncation without effect.
    """
    super().__init__(options, make_optimizer, batch_norm_axis)
    self.generator, self.discriminator, self.latent = self.make_networks(batch_norm_axis)
    self.eval_generator, self.eval_discriminator, _ = self.make_networks(None)
    self.drawn = self.latent.truncated(options.eval.truncation)
    self.game = options.objective
    self.objective = OBJECTIVES[self.game.name].smoothed(self.game.label_smoothing)
    updates = () if self.game.disc_updates == 1 else (self.game.disc_updates,)
    self.optimizers = {'gen': make_optimizer(1.0), 'disc': make_optimizer(self.game.disc_learning_rate_scale, *updates)}
    self.forward_size = options.eval.batch_size
    self._tell = jax.jit(self._likeliest_code)

  def make_networks(self, batch_norm_axis):
    """Returns (generator, discriminator, latent), see deconv.models.MODELS."""
    options = self.options
    return MODELS[options.model.name](
      options.model,
      image_shape=options.data.image_shape,
      dtype=jnp.dtype(options.train.dtype),
      batch_norm_axis=batch_norm_axis,
    )

  @property
  def num_classes(self):
    """Number of classes of the labels that the networks see; 0 = none."""
    return self.latent.classes

  @property
  def num_codes(self):
    """Values of the first categorical code of an InfoGAN; 0 = none."""
    return self.latent.categorical[0] if self.latent.categorical else 0

  def inspect_source(self, source):
    """Compares the classes of the source with those of the networks.

    Raises:
      UserError: they have not the same number.
    """
    if self.num_classes and source.num_classes != self.num_classes:
      there = f'has {source.num_classes}' if source.num_classes else 'has no labels'
      raise UserError(
        f'model.num_classes={self.num_classes} are the classes of the networks, and the source {source.name} {there}; '
        'change model.num_classes or the source'
      )

  def batch_shapes(self, batch_size):
    images = batch_size * self.game.disc_updates
    shapes = super().batch_shapes(images)
    return {**shapes, 'label': jax.ShapeDtypeStruct((images,), jnp.int32)} if self.num_classes else shapes

  def init(self, key, batch):
    """Returns the State at step 0; batch['image'] (n >= 1, height, width, channels) gives the shape."""
    images = jax.ShapeDtypeStruct((2, *batch['image'].shape[1:]), jnp.float32)
    latents = jax.ShapeDtypeStruct((2, self.latent.size), jnp.float32)
    labels = {'labels': jax.ShapeDtypeStruct((2,), jnp.int32)} if self.num_classes else {}

    @compiled_fast  # lazy_init leaves the forward pass out of it
    def create(key):
      gen = self.generator.lazy_init(stream(key, 'gen'), latents, train=False)
      disc = self.discriminator.lazy_init(stream(key, 'disc'), images, train=False, **labels)
      disc = NetworkState.create(disc, self.optimizers['disc'])
      if self.keeps_logits:
        disc = disc.replace(
          memory={**(disc.memory or {}), 'logits': {name: jnp.zeros((), jnp.float32) for name in ('real', 'fake')}}
        )
      gen = NetworkState.create(gen, self.optimizers['gen'], ema=self.options.train.ema_decay > 0)
      return State(step=jnp.zeros((), jnp.int32), networks={'gen': gen, 'disc': disc})

    return create(key)

  def alarms(self, numbers):
    """What stops a GAN from learning: a discriminator that is always right, samples that are all alike, a generator
    without a gradient, a loss that sits at a constant; see the thresholds `alarm_*` of the objective."""
    game, found = self.game, {}
    right = min(numbers['accuracy_real'], numbers['accuracy_fake'])
    if right > game.alarm_accuracy:
      found['saturated'] = (
        f'the discriminator is right about {right:.2%} of the images (objective.alarm_accuracy='
        f'{game.alarm_accuracy:g}): slow it down (disc_learning_rate_scale), give it a penalty or instance noise'
      )
    if numbers['diversity'] < game.alarm_diversity:
      found['collapsed'] = (
        f'the samples of a batch vary {numbers["diversity"]:.2g} times as much as the data '
        f'(objective.alarm_diversity={game.alarm_diversity:g}): the generator collapses'
      )
    if numbers['gradient_gen'] < game.alarm_gradient:
      found['no_gradient'] = (
        f'the norm of the gradient that a generated image gets is {numbers["gradient_gen"]:.2g} '
        f'(objective.alarm_gradient={game.alarm_gradient:g}): the generator learns nothing'
      )
    for constant in self.objective.constants:
      if abs(numbers['loss_disc'] - constant) < game.alarm_constant:
        found['constant'] = (
          f'loss_disc sits at {constant:.4g} (objective.alarm_constant={game.alarm_constant:g}): the discriminator '
          'tells nothing apart, or all images are beyond its margins'
        )
    return found

  # Evaluation and sampling.

  def eval_step(self, state, batch, key):
    """Sums of the losses and of the discriminator's right answers over the images whose batch['weight'] is 1.

    The discriminator normalises by its running statistics (reals and fakes mixed), and a game that compares logits with
    means takes the running means of the training, so that an image's loss does not depend on its neighbours and sums
    over any batches add up exactly; the generator as `sample` does.
    """
    batch = {**self.random_inputs(batch, key), **batch}
    reals = data.to_signed(batch['image'])
    weight = weights_of(batch)
    disc = state.networks['disc']
    fakes = self.images_of(state, batch['latent'])
    means = self._running(disc)
    real, fake = (self._judge_still(disc, images, batch.get('label'))[0] for images in (reals, fakes))
    middle = self.objective.middle(means)
    return {
      'count': jnp.sum(weight),
      'loss_gen': jnp.sum(weight * self.objective.gen_loss(real, fake, means)),
      'loss_disc': jnp.sum(weight * self.objective.disc_loss(real, fake, means)),
      'accuracy_real': jnp.sum(weight * (real > middle).astype(weight.dtype)),
      'accuracy_fake': jnp.sum(weight * (fake < middle).astype(weight.dtype)),
    }

  def _judge_still(self, disc, images, labels):
    """Logits (batch,) by the running statistics, and what else the discriminator says by name."""
    said = self.eval_discriminator.apply(disc.variables, images, train=False, **self.given(labels))
    return said if isinstance(said, tuple) else (said, {})

  def codes(self, state, images):
    """Returns int32 (n,): the likeliest value of the first categorical code of images, see TellsCodes."""
    return batch_by_batch(functools.partial(self._tell, state), self.forward_size, images)

  def _likeliest_code(self, state, images):
    _, said = self._judge_still(state.networks['disc'], data.to_signed(images), jnp.zeros(len(images), jnp.int32))
    categorical, _ = self.latent.split_codes(said['codes'])
    return jnp.argmax(categorical[0], axis=-1)

  def looking(self, state):
    """See LooksAtImages: the discriminator; one that knows classes is told class 0."""
    variables = state.networks['disc'].variables

    def run(images):
      labels = jnp.zeros(len(images), jnp.int32)
      return self.eval_discriminator.apply(variables, images, train=False, **self.given(labels))

    return Looking(run, variables)

  def summarize(self, sums):
    """Returns the means of the sums of `eval_step`: losses, and accuracies in [0, 1]."""
    return means_of(sums)

  def pictures(self, state, batch, key):
    """Returns {'samples': grid}, from latents that the key alone decides; with labels a row for each class;
    points are drawn over those of the batch."""
    if self.options.data.points:
      return {'samples': plots.scatter(self.sample(state, key, self.options.samples.num), batch['image'])}
    num, classes = self.options.samples.num, self.num_classes
    columns = max(1, num // classes) if classes else None
    labels = np.repeat(np.arange(classes), columns) if classes else None
    num = len(labels) if classes else num
    images = self.generate(state, self.drawn.sample(stream(key, 'latent'), num, labels))
    pictures = {'samples': plots.image_grid(np.asarray(data.to_uint8(images)), columns)}
    if self.latent.codes:
      rows = len(self._turnable())
      turned = self.traverse(state, key, rows, _COLUMNS)
      pictures['codes'] = plots.image_grid(np.asarray(data.to_uint8(turned)), _COLUMNS)
    return pictures

  def _turnable(self):
    """What a traversal moves: [(first place in the latent, number of values; 0 = a single number), ...], the codes or,
    without any, the numbers of z."""
    latent = self.latent
    if not latent.codes:
      return [(place, 0) for place in range(latent.noise)]
    places = np.cumsum([latent.noise, *latent.categorical])
    codes = [(int(place), values) for place, values in zip(places, latent.categorical)]
    return codes + [(int(places[-1]) + i, 0) for i in range(latent.continuous)]

  def traverse(self, state, key, rows, columns):
    """Moves one code at a time (one number of z where there are no codes).

    A categorical code takes its values in turn; a number goes from -2 to 2 (Chen et al. 2016, figure 2), a uniform one
    of z from -1 to 1.

    Returns:
      float32 images (min(rows, codes) * columns, height, width, channels), a row per code.
    """
    turnable = self._turnable()[:rows]
    start = np.asarray(self.drawn.sample(stream(key, 'latent'), 1))[0]
    latents = np.tile(start, (len(turnable), columns, 1))
    reach = 2.0 if self.latent.codes or self.latent.distribution == 'normal' else 1.0
    for row, (place, values) in zip(latents, turnable):
      if values:
        row[:, place : place + values] = np.eye(values)[np.arange(columns) % values]
      else:
        row[:, place] = np.linspace(-reach, reach, columns)
    return self.generate(state, latents.reshape(-1, self.latent.size))

  def manifold(self, state, side):
    """Returns float32 images (side * side, height, width, channels) over the plane of the two numbers that a traversal
    moves, from -2 to 2 or -1 to 1 as there; all else is that of one draw.

    Raises:
      UserError: another number than two.
    """
    numbers = [place for place, values in self._turnable() if not values]
    if len(numbers) != 2:
      raise UserError(
        f'a manifold shows the plane of two numbers, and this GAN has {len(numbers)}; set model.continuous_codes (or '
        'latent_size) to 2, or choose another kind of picture'
      )
    start = np.asarray(self.drawn.sample(jax.random.key(0), 1))[0]
    latents = np.tile(start, (side, side, 1))
    reach = 2.0 if self.latent.codes or self.latent.distribution == 'normal' else 1.0
    line = np.linspace(-reach, reach, side)
    latents[..., numbers[0]], latents[..., numbers[1]] = line, line[::-1, None]
    return self.generate(state, latents.reshape(-1, self.latent.size))

  def sample_class(self, state, key, num, label):
    """Returns float32 images (num, height, width, channels) of one class.

    Raises:
      UserError: no such class, or a GAN without labels.
    """
    if not 0 <= label < self.num_classes:
      there = f'has the classes 0 to {self.num_classes - 1}' if self.num_classes else 'knows no classes'
      raise UserError(f'label {label} does not exist: this GAN {there}; choose another label')
    return self.generate(state, self.drawn.sample(stream(key, 'latent'), num, np.full(num, label)))

  def images_of(self, state, latents):
    """Returns float32 images (n, height, width, channels) in [-1, 1], by the options use_ema and batch_stats."""
    if self.options.eval.batch_stats != 'batch':
      return self.image_of_each(state, latents)
    variables = state.networks['gen'].evaluated(self.options.eval.use_ema)
    return self.eval_generator.apply(variables, latents, train=True, mutable=['batch_stats'])[0]

  def image_of_each(self, state, latents):
    """Returns the same by the running statistics, whatever the option, so that no image depends on the others."""
    variables = state.networks['gen'].evaluated(self.options.eval.use_ema)
    return self.eval_generator.apply(variables, latents, train=False)

  def prior(self, state, images, labels):
    """Returns (n,): the objective's prior of images, by the discriminator with its running statistics."""
    disc = state.networks['disc']
    return self.objective.prior(self._judge_still(disc, images, labels)[0], self._running(disc))

  def generate(self, state, latents):
    """Returns the float32 images (n, height, width, channels) in [-1, 1] of latents, batch by batch.

    With standing statistics (Brock et al. 2019, section 3.1) batch norm has the means of those of `standing_batches`
    batches of latents, always the same ones, truncated as those of the samples are.
    """
    return super().generate(self.settled(state), latents)

  def settled(self, state):
    """Returns the state with standing statistics, where samples are normalised by these."""
    return self._with_standing(state) if self.options.eval.batch_stats == 'standing' else state

  @functools.cached_property
  def _with_standing(self):
    def fresh(path, x):  # of which batch norm keeps nothing
      return jnp.full_like(x, float(path[-1].key == 'var'))

    @jax.jit
    def standing(state):
      gen = state.networks['gen']
      variables = gen.evaluated(self.options.eval.use_ema)
      start = jax.tree_util.tree_map_with_path(fresh, variables['batch_stats'])

      def add(total, key):
        latents = self.drawn.sample(key, self.forward_size)
        _, new = self.eval_generator.apply(
          {**variables, 'batch_stats': start}, latents, train=True, mutable=['batch_stats']
        )
        return jax.tree.map(jnp.add, total, new['batch_stats']), None

      number = self.options.eval.standing_batches
      zeros = jax.tree.map(jnp.zeros_like, start)
      total, _ = jax.lax.scan(add, zeros, jax.random.split(jax.random.key(0), number))
      stats = jax.tree.map(lambda x: x / number, total)
      ema = gen.ema and {**gen.ema, 'batch_stats': stats}
      return state.replace(networks={**state.networks, 'gen': gen.replace(batch_stats=stats, ema=ema)})

    return lambda state: standing(state) if state.networks['gen'].batch_stats else state

  def sampling_protocol(self, state):
    """Returns whether samples are of the averaged generator, what normalises them, the size of their batches, and where
    their latents are cut."""
    return {
      'ema': state.networks['gen'].averaged(self.options.eval.use_ema),
      'batch_stats': self.options.eval.batch_stats,
      'sample_batch_size': self.forward_size,
      'truncation': self.drawn.truncation,
    }
