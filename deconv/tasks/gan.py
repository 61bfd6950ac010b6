"""Generative adversarial training: two networks, one game, one generator forward per step.

A step plays one minibatch. `update_order` says who moves when:

- 'disc_then_gen' (Goodfellow et al. 2014, algorithm 1 with k = 1): the discriminator first; the generator then
  answers the *updated* discriminator, with the same latents.
- 'simultaneous': both gradients at the old parameters of both networks.
- 'alternate' (the DCGAN authors' code): the generator first, then the discriminator against the *updated* generator,
  with fresh latents. The authors count a minibatch for each of the two updates (`if n_updates % 2 == 0: train_g else:
  train_d`), and the reals of the generator's minibatch go unused. A step of ours makes both updates on one minibatch,
  so that an epoch of theirs is half an epoch here.

In the first two orders the generator runs forward once per step (one `jax.vjp`): the images feed the discriminator's
update, and the gradient that the discriminator then sends back to the images is pulled through the same forward.
'alternate' needs two forwards by definition. Real and generated images go through the discriminator in batches of
their own, each with its own batch statistics (as in the DCGAN authors' code); its running statistics see reals, then
fakes. The statistics of its pass in the generator's update are thrown away.

What the objective, the penalties and the augmentations draw at random for an image comes from a key of its own
(`noise_key`), so that it depends neither on the batch nor on the device that the image is in.

A conditional GAN takes `batch['label']`: the fakes of a minibatch have the labels of its reals, as in the DCGAN
authors' code, so that both halves have the frequencies of the data.
"""

import jax
import jax.numpy as jnp
import numpy as np

from deconv import data, plots
from deconv.data.transforms import diff_augment
from deconv.errors import UserError
from deconv.models import MODELS
from deconv.objectives import penalties
from deconv.objectives.gan import OBJECTIVES
from deconv.rng import noise_keys, stream, streams
from deconv.tasks.adversary import apart, update_discriminator
from deconv.tasks.capabilities import GeneratesClasses
from deconv.tasks.generation import GeneratesFromLatents
from deconv.tasks.initial import on_host
from deconv.tasks.state import NetworkState, State
from deconv.tasks.task import Task, means_of, weights_of


class Gan(GeneratesFromLatents, GeneratesClasses, Task):
  """Trains a generator ('gen') and a discriminator ('disc').

  Attributes:
    generator, discriminator: Linen modules for the training step.
    eval_generator, eval_discriminator: the same with no mapped axis in their batch norm: sampling runs outside of pmap.
    latent: deconv.models.latent.Latent.
    objective: deconv.objectives.gan.Objective.
    optimizers: {'gen', 'disc'}: optax transformations.
  """

  loss_names = ('loss_gen', 'loss_disc')

  def __init__(self, options, make_optimizer, batch_norm_axis):
    """Makes the networks; see Task.

    Raises:
      UserError: an image size that the network cannot make.
    """
    super().__init__(options, make_optimizer, batch_norm_axis)
    self.generator, self.discriminator, self.latent = self.make_networks(batch_norm_axis)
    self.eval_generator, self.eval_discriminator, _ = self.make_networks(None)
    self.game = options.objective
    self.objective = OBJECTIVES[self.game.name].smoothed(self.game.label_smoothing)
    self.optimizers = {'gen': make_optimizer(1.0), 'disc': make_optimizer(self.game.disc_learning_rate_scale)}
    self.forward_size = options.eval.batch_size

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
    shapes = super().batch_shapes(batch_size)
    return {**shapes, 'label': jax.ShapeDtypeStruct((batch_size,), jnp.int32)} if self.num_classes else shapes

  def init(self, key, batch):
    """Returns the State at step 0; batch['image'] (n >= 1, height, width, channels) gives the shape."""
    images = jax.ShapeDtypeStruct((2, *batch['image'].shape[1:]), jnp.float32)
    latents = jax.ShapeDtypeStruct((2, self.latent.size), jnp.float32)
    labels = {'labels': jax.ShapeDtypeStruct((2,), jnp.int32)} if self.num_classes else {}

    @on_host  # lazy_init leaves the forward out of it
    def create(key):
      gen = self.generator.lazy_init(stream(key, 'gen'), latents, train=False)
      disc = self.discriminator.lazy_init(stream(key, 'disc'), images, train=False, **labels)
      disc = NetworkState.create(disc, self.optimizers['disc'])
      if self._keeps_logits:
        disc = disc.replace(memory={'logits': {name: jnp.zeros((), jnp.float32) for name in ('real', 'fake')}})
      gen = NetworkState.create(gen, self.optimizers['gen'], ema=self.options.train.ema_decay > 0)
      return State(step=jnp.zeros((), jnp.int32), networks={'gen': gen, 'disc': disc})

    return create(key)

  # Training.

  @property
  def _keeps_logits(self):
    """Whether the discriminator's state has running means of its logits."""
    return self.objective.boundary is None or 'lecam' in self.game.penalties

  @property
  def _draws_noise(self):
    """Whether a step draws numbers for each image besides its latents."""
    return bool(self.game.diff_augment or self.game.instance_noise or self.game.penalties)

  def random_inputs(self, batch, key):
    """Returns what a step draws: 'latent' (batch, latent), in the order 'alternate' also 'latent_disc', and 'noise_key'
    (batch, 2) where the objective needs random numbers for each image."""
    names = ('latent', 'latent_disc') if self.game.update_order == 'alternate' else ('latent',)
    labels = batch.get('label') if self.num_classes else None
    drawn = {name: self.latent.sample(stream(key, name), len(batch['image']), labels) for name in names}
    return {**drawn, **noise_keys(batch, stream(key, 'noise'))} if self._draws_noise else drawn

  def train_step(self, state, batch, key):
    """One minibatch: both networks are updated once, in `objective.update_order`.

    Args:
      state: State.
      batch: 'image' uint8 (batch, height, width, channels); 'label' int32 (batch,) for a conditional GAN; optional
        'latent' (batch, latent) and the others of `random_inputs` instead of drawn ones.
      key: PRNG key of this step (and device).

    Returns:
      (State, scalars): loss_gen and loss_disc, 'penalty_NAME' for each penalty (weighted), accuracy_real and
        accuracy_fake of the discriminator in [0, 1].
    """
    batch = {**self.random_inputs(batch, key), **batch}
    batch['image'] = data.to_signed(batch['image'])
    gen, disc = state.networks['gen'], state.networks['disc']
    fakes, pull, gen_stats = self._forward(gen, batch['latent'])

    if self.game.update_order == 'alternate':
      gen, loss_gen = self._update_gen(gen, gen_stats, disc, fakes, pull, batch, state.step, key)
      fakes, _, gen_stats = self._forward(gen, batch['latent_disc'])
      gen = gen.replace(batch_stats=gen_stats)
      disc, scalars = self._update_disc(disc, fakes, batch, state.step, key)
    else:
      new_disc, scalars = self._update_disc(disc, fakes, batch, state.step, key)
      opponent = new_disc if self.game.update_order == 'disc_then_gen' else disc
      gen, loss_gen = self._update_gen(gen, gen_stats, opponent, fakes, pull, batch, state.step, key)
      disc = new_disc

    gen = gen.average(self.options.train.ema_decay, state.step)
    return State(step=state.step + 1, networks={'gen': gen, 'disc': disc}), {'loss_gen': loss_gen, **scalars}

  def _forward(self, gen, latents):
    """Returns the images, the function that pulls their gradient back to (params,), and the new running statistics."""

    def generate(params):
      images, new = self.generator.apply(
        {'params': params, 'batch_stats': gen.batch_stats}, latents, train=True, mutable=['batch_stats']
      )
      return images, new.get('batch_stats', {})

    return jax.vjp(generate, gen.params, has_aux=True)

  def _judge(self, params, batch_stats, images, labels, key):
    """Discriminator in training mode: ((batch,) logits, new running statistics)."""
    logits, new = self.discriminator.apply(
      {'params': params, 'batch_stats': batch_stats},
      images,
      train=True,
      mutable=['batch_stats'],
      rngs={'dropout': key},
      **self._given(labels),
    )
    return logits, new.get('batch_stats', {})

  def _given(self, labels):
    """What a discriminator is told besides the images."""
    return {'labels': labels} if self.num_classes else {}

  def _shown(self, images, batch, step, name):
    """Images as the discriminator sees them in training; `name` keeps what is drawn for them apart."""
    game = self.game
    if not (game.diff_augment or game.instance_noise):
      return images
    keys = streams(jax.random.wrap_key_data(batch['noise_key']), name)
    images = diff_augment.augment(images, keys, game.diff_augment)
    if game.instance_noise:
      noise = jax.vmap(lambda key: jax.random.normal(key, images.shape[1:], images.dtype))(streams(keys, 'instance'))
      left = jnp.maximum(0.0, 1 - step / game.instance_noise_steps) if game.instance_noise_steps else 1.0
      images = images + game.instance_noise * left * noise
    return images

  def mean(self, x):
    """Returns the mean over the whole batch, on all devices."""
    x = jnp.mean(x)
    return jax.lax.pmean(x, self.data_axis) if self.data_axis else x

  def _update_disc(self, disc, fakes, batch, step, key):
    """Returns (the discriminator after one update, scalars)."""
    game, labels = self.game, batch.get('label')
    reals, fakes = (self._shown(x, batch, step, kind) for x, kind in ((batch['image'], 'real'), (fakes, 'fake')))
    running = self._running(disc)

    def judge(params, batch_stats, images, kind):
      return self._judge(params, batch_stats, images, labels, stream(key, f'dropout_{kind}'))

    def extra(params, seen):
      if not game.penalties:
        return {}
      keys = jax.random.wrap_key_data(batch['noise_key'])
      look_at = penalties.Minibatch(reals, fakes, seen.real, seen.fake, running, keys, self.mean)
      return penalties.penalise(
        lambda images: judge(params, disc.batch_stats, images, 'penalty')[0], look_at, game, step
      )

    disc, seen, scalars = update_discriminator(
      disc,
      lambda params: apart(judge, params, disc.batch_stats, reals, fakes),
      self.objective,
      self.optimizers['disc'],
      mean=self.mean,
      extra=extra,
    )
    if game.clips:
      disc = disc.replace(params=jax.tree.map(lambda x: jnp.clip(x, -game.weight_clip, game.weight_clip), disc.params))
    if self._keeps_logits:
      decay = jnp.minimum(game.logit_decay, (1 + step) / (10 + step))
      old, new = disc.memory['logits'], {'real': self.mean(seen.real), 'fake': self.mean(seen.fake)}
      logits = jax.tree.map(lambda old, new: decay * old + (1 - decay) * new, old, new)
      disc = disc.replace(memory={**disc.memory, 'logits': logits})
    return disc, scalars

  def _running(self, disc):
    """Running means of the logits of reals and of fakes; (0, 0) where the game needs none."""
    return (disc.memory['logits']['real'], disc.memory['logits']['fake']) if self._keeps_logits else (0.0, 0.0)

  def _update_gen(self, gen, gen_stats, disc, fakes, pull, batch, step, key):
    """Returns (the generator after one update, its loss)."""

    def judge(images, name):
      images = self._shown(images, batch, step, name)
      return self._judge(disc.params, disc.batch_stats, images, batch.get('label'), stream(key, f'dropout_{name}'))[0]

    def loss_fn(images):
      fake = judge(images, 'gen')
      real = judge(batch['image'], 'gen_real') if self.objective.relativistic else fake
      return jnp.mean(self.objective.gen_loss(real, fake, (self.mean(real), self.mean(fake))))

    loss, image_grads = jax.value_and_grad(loss_fn)(fakes)
    (grads,) = pull(image_grads)
    return gen.update(self.optimizers['gen'], grads, gen_stats), loss

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
    real, fake = (
      self.eval_discriminator.apply(disc.variables, images, train=False, **self._given(batch.get('label')))
      for images in (reals, fakes)
    )
    middle = self.objective.middle(means)
    return {
      'count': jnp.sum(weight),
      'loss_gen': jnp.sum(weight * self.objective.gen_loss(real, fake, means)),
      'loss_disc': jnp.sum(weight * self.objective.disc_loss(real, fake, means)),
      'accuracy_real': jnp.sum(weight * (real > middle).astype(weight.dtype)),
      'accuracy_fake': jnp.sum(weight * (fake < middle).astype(weight.dtype)),
    }

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
    images = self.generate(state, self.latent.sample(stream(key, 'latent'), num, labels))
    return {'samples': plots.image_grid(np.asarray(data.to_uint8(images)), columns)}

  def sample_class(self, state, key, num, label):
    """Returns float32 images (num, height, width, channels) of one class.

    Raises:
      UserError: no such class, or a GAN without labels.
    """
    if not 0 <= label < self.num_classes:
      there = f'has the classes 0 to {self.num_classes - 1}' if self.num_classes else 'knows no classes'
      raise UserError(f'label {label} does not exist: this GAN {there}; choose another label')
    return self.generate(state, self.latent.sample(stream(key, 'latent'), num, np.full(num, label)))

  def images_of(self, state, latents):
    """Returns float32 images (n, height, width, channels) in [-1, 1], by the options use_ema and batch_stats."""
    variables = state.networks['gen'].evaluated(self.options.eval.use_ema)
    if self.options.eval.batch_stats == 'running':
      return self.eval_generator.apply(variables, latents, train=False)
    return self.eval_generator.apply(variables, latents, train=True, mutable=['batch_stats'])[0]

  def sampling_protocol(self, state):
    """Returns whether samples are of the averaged generator, what normalises them, and the size of their batches."""
    return {
      'ema': state.networks['gen'].averaged(self.options.eval.use_ema),
      'batch_stats': self.options.eval.batch_stats,
      'sample_batch_size': self.forward_size,
    }
