"""The training step of a GAN: who moves when, on which images, and what the discriminator sees of them.

A step is one update of the generator and `objective.disc_updates` updates of the discriminator, n, each on a minibatch
of `train.batch_size` images of its own: the step takes n times as many images from the data, and minibatch i has the
images i, i + n, i + 2n, ... of them, so that a device which holds a part of the batch holds a part of each minibatch.
`update_order` says who moves when:

- 'disc_then_gen' (Goodfellow et al. 2014, algorithm 1): the discriminator first; the generator then answers the
  *updated* discriminator, with the latents of its last minibatch.
- 'simultaneous': the generator answers the discriminator of before the step.
- 'alternate' (the DCGAN authors' code): the generator first, then the discriminator against the *updated* generator,
  with fresh latents. The authors count a minibatch for each of the two updates (`if n_updates % 2 == 0: train_g else:
  train_d`), and the reals of the generator's minibatch go unused. A step of ours makes both updates on one minibatch,
  so that an epoch of theirs is half an epoch here.

In the first two orders the generator runs forward once in a minibatch (one `jax.vjp`): the images feed the
discriminator's update, and the gradient that the discriminator then sends back to the images is pulled through the same
forward. 'alternate' needs two forwards by definition.

Real and generated images go through the discriminator in batches of their own, each with its own batch statistics (as
in the DCGAN authors' code), or in one (`objective.joint_batches`); its running statistics follow. The statistics of its
passes in the generator's update are thrown away. Vectors of spectral normalisation move once in an update: in that of
the discriminator with the first images that it sees, in that of the generator with its forward.

`train.accumulate` computes a minibatch in parts, one after the other, and averages their gradients.

What the objective, the penalties and the augmentations draw at random for an image comes from a key of its own
(`noise_key`), so that it depends neither on the batch, nor on its part, nor on the device that the image is in.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from deconv import data
from deconv.data.transforms import diff_augment
from deconv.objectives import conditional, penalties
from deconv.rng import noise_keys, stream, streams
from deconv.tasks import adversary
from deconv.tasks.adversary import Seen
from deconv.tasks.state import State


class Forward(NamedTuple):
  """A forward of the generator.

  Attributes:
    images: float (batch, height, width, channels).
    pull: gradient with respect to the images -> (gradient with respect to the parameters,).
    collections: its variables besides the parameters afterwards.
  """

  images: Any
  pull: Any
  collections: Any


class GanStep:
  """The training of the task gan; deconv.tasks.gan.Gan has the attributes that it uses."""

  @property
  def keeps_logits(self):
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
    """One update of the generator and `disc_updates` of the discriminator.

    Args:
      state: State.
      batch: 'image' uint8 (disc_updates * batch, height, width, channels); 'label' int32 for a conditional GAN;
        optional 'latent' and the others of `random_inputs` instead of drawn ones.
      key: PRNG key of this step (and device).

    Returns:
      (State, scalars): loss_gen and loss_disc, 'penalty_NAME' for each penalty (weighted), accuracy_real and
        accuracy_fake of the discriminator in [0, 1], means over its updates; loss_class or loss_codes and the same of
        the generator where the discriminator tells them (weighted); gradient_gen, the norm of the gradient that a
        generated image gets from its loss, averaged over the images; diversity, the standard deviation of a generated
        pixel over the minibatch as a multiple of that of a real one.
    """
    batch = {**self.random_inputs(batch, key), **batch}
    batch['image'] = data.to_signed(batch['image'])
    number, order = self.game.disc_updates, self.game.update_order
    gen, disc, step = state.networks['gen'], state.networks['disc'], state.step
    batches = _split(batch, number)

    if order == 'alternate':
      gen, scalars = self._update_gen(gen, disc, _at(batches, 0), 'latent', step, key)
      gen, disc, _, disc_scalars = self._updates_of_disc(gen, disc, batches, 'latent_disc', step, key)
    else:
      old = disc
      gen, disc, forward, disc_scalars = self._updates_of_disc(gen, disc, batches, 'latent', step, key, shared=True)
      opponent = disc if order == 'disc_then_gen' else old
      gen, scalars = self._update_gen(gen, opponent, _at(batches, -1), 'latent', step, key, forward)

    gen = gen.average(self.options.train, step)
    return State(step=step + 1, networks={'gen': gen, 'disc': disc}), {**scalars, **disc_scalars}

  # The discriminator.

  def _updates_of_disc(self, gen, disc, batches, name, step, key, shared=False):
    """All updates of the discriminator.

    Args:
      gen, disc: NetworkStates.
      batches: of `_split`.
      name: of the latents.
      step: int32 scalar.
      key: of the step; the last update has it as it is.
      shared: the generator's update will use the last forward.

    Returns:
      (the generator with its new statistics, the discriminator, the last Forward or None, scalars).
    """
    number = self.game.disc_updates
    last, first, found = number - 1, step * number, []
    if last:  # all but the last are one program

      def update(carry, inputs):
        i, batch = inputs
        gen, disc, _, scalars = self._update_disc(*carry, batch, name, step, first + i, jax.random.fold_in(key, i))
        return (gen, disc), scalars

      before = (jnp.arange(last), {name: x[:last] for name, x in batches.items()})
      (gen, disc), scalars = jax.lax.scan(update, (gen, disc), before)
      found = [jax.tree.map(lambda x: jnp.sum(x, axis=0), scalars)]
    gen, disc, forward, scalars = self._update_disc(
      gen, disc, _at(batches, -1), name, step, first + last, key, iterate=shared
    )
    total = jax.tree.map(lambda *x: sum(x) / number, *found, scalars)
    return gen, disc, forward if shared else None, total

  def _update_disc(self, gen, disc, batch, name, step, update, key, iterate=False):
    """One update of the discriminator; see `_updates_of_disc`. `iterate` moves the generator's spectral vectors."""
    params, parts = disc.params, self.options.train.accumulate

    def of_part(gen, collections, batch, first):
      batch = {**batch, 'latent': batch[name]}
      forward = self._forward(gen, batch['latent'], iterate and first)
      gen = gen.with_collections(forward.collections)
      return (
        gen,
        forward,
        self._disc_gradient(params, collections, self._running(disc), forward.images, batch, step, update, key, first),
      )

    batches = _split(batch, parts)
    gen, forward, found = of_part(gen, disc.collections, _at(batches, 0), True)
    grads, collections, scalars = found.grads, found.seen.collections, found.scalars
    logits = self.mean(found.seen.real), self.mean(found.seen.fake)
    if parts > 1:
      forward = None  # of a part alone

      def add(carry, batch):
        gen, collections, totals = carry
        gen, _, found = of_part(gen, collections, batch, False)
        means = self.mean(found.seen.real), self.mean(found.seen.fake)
        totals = jax.tree.map(jnp.add, totals, (found.grads, found.scalars, means))
        return (gen, found.seen.collections, totals), None

      rest = {name: x[1:] for name, x in batches.items()}
      carry = gen, collections, (grads, scalars, logits)
      (gen, collections, totals), _ = jax.lax.scan(add, carry, rest)
      grads, scalars, logits = jax.tree.map(lambda x: x / parts, totals)

    game = self.game
    disc = disc.with_collections(collections).update(self.optimizers['disc'], grads, collections['batch_stats'])
    if game.clips:
      disc = disc.replace(params=jax.tree.map(lambda x: jnp.clip(x, -game.weight_clip, game.weight_clip), disc.params))
    if self.keeps_logits:
      decay = jnp.minimum(game.logit_decay, (1 + update) / (10 + update))
      kept = {
        side: decay * disc.memory['logits'][side] + (1 - decay) * new for side, new in zip(('real', 'fake'), logits)
      }
      disc = disc.replace(memory={**disc.memory, 'logits': kept})
    return gen, disc, forward, scalars

  def _disc_gradient(self, params, collections, running, fakes, batch, step, update, key, first):
    """Returns the Gradient of the discriminator on a minibatch; `first`: its spectral vectors move."""
    game, labels = self.game, batch.get('label')
    reals, fakes = (self._shown(x, batch, step, kind) for x, kind in ((batch['image'], 'real'), (fakes, 'fake')))

    def look(params):
      return self._look(params, collections, reals, fakes, labels, key, first)

    def extra(params, seen):
      added = self._other_losses(seen, batch)
      if not game.penalties:
        return added
      keys = jax.random.wrap_key_data(batch['noise_key'])
      minibatch = penalties.Minibatch(reals, fakes, seen.real, seen.fake, running, keys, self.mean)

      def critic(images):
        return self._judge(params, seen.collections, images, labels, stream(key, 'dropout_penalty'))[0]

      return {**added, **penalties.penalise(critic, minibatch, game, update)}

    return adversary.gradient(params, look, self.objective, mean=self.mean, extra=extra)

  def _look(self, params, collections, reals, fakes, labels, key, iterate):
    """Shows a discriminator both halves of a minibatch, in one batch or in two: Seen."""
    if self.game.joint_batches:
      images = jnp.concatenate([reals, fakes])
      labels = None if labels is None else jnp.concatenate([labels, labels])
      logits, heads, collections = self._judge(
        params, collections, images, labels, stream(key, 'dropout_joint'), iterate
      )
      (real, real_heads), (fake, fake_heads) = _halves((logits, heads), len(reals))
      return Seen(real, fake, collections, real_heads, fake_heads)
    real, real_heads, collections = self._judge(
      params, collections, reals, labels, stream(key, 'dropout_real'), iterate
    )
    fake, fake_heads, collections = self._judge(params, collections, fakes, labels, stream(key, 'dropout_fake'))
    return Seen(real, fake, collections, real_heads, fake_heads)

  def _judge(self, params, collections, images, labels, key, iterate=False):
    """Discriminator in training mode: ((batch,) logits, {name: what else it said}, new collections)."""
    said, new = self.discriminator.apply(
      {'params': params, **collections},
      images,
      train=True,
      mutable=['batch_stats', 'spectral'] if iterate else ['batch_stats'],
      rngs={'dropout': key},
      **self.given(labels),
    )
    logits, heads = said if isinstance(said, tuple) else (said, {})
    return logits, heads, {**collections, **new}

  def given(self, labels):
    """What a discriminator is told besides the images."""
    return {'labels': labels} if self.num_classes else {}

  def _running(self, disc):
    """Running means of the logits of reals and of fakes; (0, 0) where the game needs none."""
    return (disc.memory['logits']['real'], disc.memory['logits']['fake']) if self.keeps_logits else (0.0, 0.0)

  def _other_losses(self, seen, batch, of_gen=False):
    """Losses of what else a discriminator says: {name: weighted scalar}.

    The class of an auxiliary classifier: of both halves in the discriminator's update, of the fakes in the generator's.
    The codes of InfoGAN: of the fakes in both.
    """
    game, found = self.game, {}
    said = seen.fake_heads or {}
    if 'classes' in said:
      cost = jnp.mean(conditional.classification(said['classes'], batch['label']))
      if of_gen:
        found['loss_class_gen'] = game.auxiliary_gen_weight * cost
      else:
        cost += jnp.mean(conditional.classification(seen.real_heads['classes'], batch['label']))
        found['loss_class'] = game.auxiliary_weight * cost
    if 'codes' in said:
      categorical, continuous = self.latent.split_codes(said['codes'])
      true_categorical, true_continuous = self.latent.codes_of(batch['latent'])
      cost = game.info_weight * jnp.mean(conditional.categorical_codes(categorical, true_categorical))
      cost += game.info_continuous_weight * jnp.mean(conditional.continuous_codes(continuous, true_continuous))
      found['loss_codes_gen' if of_gen else 'loss_codes'] = cost
    return found

  # The generator.

  def _forward(self, gen, latents, iterate=False):
    """Returns the Forward of a generator; `iterate` moves its spectral vectors."""

    def generate(params):
      images, new = self.generator.apply(
        {'params': params, **gen.collections},
        latents,
        train=True,
        mutable=['batch_stats', 'spectral'] if iterate else ['batch_stats'],
      )
      return images, {**gen.collections, **new}

    return Forward(*jax.vjp(generate, gen.params, has_aux=True))

  def _update_gen(self, gen, disc, batch, name, step, key, forward=None):
    """One update of the generator against a discriminator: (the generator, scalars); `forward`: made before."""
    parts = self.options.train.accumulate
    if parts == 1:
      if forward is None:
        forward = self._forward(gen, batch[name], iterate=True)
        gen = gen.with_collections(forward.collections)
      grads, scalars = self._gen_gradient(forward, disc, batch, step, key)
    else:
      batches = _split(batch, parts)

      def of_part(gen, batch, first):
        forward = self._forward(gen, batch[name], first)
        return gen.with_collections(forward.collections), self._gen_gradient(forward, disc, batch, step, key)

      def add(carry, batch):
        gen, totals = carry
        gen, found = of_part(gen, batch, False)
        return (gen, jax.tree.map(jnp.add, totals, found)), None

      gen, found = of_part(gen, _at(batches, 0), True)
      (gen, totals), _ = jax.lax.scan(add, (gen, found), {name: x[1:] for name, x in batches.items()})
      grads, scalars = jax.tree.map(lambda x: x / parts, totals)
    return gen.update(self.optimizers['gen'], grads, gen.batch_stats), scalars

  def _gen_gradient(self, forward, disc, batch, step, key):
    """Returns (the gradient of the generator's loss on a minibatch, scalars)."""
    labels = batch.get('label')

    def loss_fn(images):
      fakes = self._shown(images, batch, step, 'gen')
      reals = self._shown(batch['image'], batch, step, 'gen_real')
      seen = self._seen_by_gen(disc, reals, fakes, labels, key)
      means = self.mean(seen.real), self.mean(seen.fake)
      loss = jnp.mean(self.objective.gen_loss(seen.real, seen.fake, means))
      added = self._other_losses(seen, batch, of_gen=True)
      return sum(added.values(), loss), {'loss_gen': loss, **added}

    image_grads, scalars = jax.grad(loss_fn, has_aux=True)(forward.images)
    (grads,) = forward.pull(image_grads)
    flat = image_grads.reshape(len(image_grads), -1)
    return grads, {
      **scalars,
      'gradient_gen': len(flat) * jnp.mean(jnp.linalg.norm(flat, axis=1)),  # the loss is a mean over the batch
      'diversity': self._spread(forward.images) / jnp.maximum(self._spread(batch['image']), 1e-6),
    }

  def _spread(self, images):
    """The standard deviation of a pixel over the whole batch, averaged over the pixels."""
    mean, square = (self._over_devices(jnp.mean(x, axis=0)) for x in (images, jnp.square(images)))
    return jnp.mean(jnp.sqrt(jnp.maximum(square - jnp.square(mean), 0.0)))

  def _seen_by_gen(self, disc, reals, fakes, labels, key):
    """What the discriminator says in the generator's update; it looks at reals only where they change something."""
    if self.game.joint_batches:
      return self._look(disc.params, disc.collections, reals, fakes, labels, stream(key, 'dropout_gen'), False)
    fake, heads, _ = self._judge(disc.params, disc.collections, fakes, labels, stream(key, 'dropout_gen'))
    real = fake
    if self.objective.relativistic:
      real, _, _ = self._judge(disc.params, disc.collections, reals, labels, stream(key, 'dropout_gen_real'))
    return Seen(real, fake, None, None, heads)

  # Both.

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
    return self._over_devices(jnp.mean(x))

  def _over_devices(self, x):
    return jax.lax.pmean(x, self.data_axis) if self.data_axis else x


def _split(batch, number):
  """Returns {name: (number, batch / number, ...)}: part i has the entries i, i + number, ..."""
  if number == 1:
    return {name: x[None] for name, x in batch.items()}
  return {name: jnp.moveaxis(x.reshape(-1, number, *x.shape[1:]), 1, 0) for name, x in batch.items()}


def _at(batches, i):
  return {name: x[i] for name, x in batches.items()}


def _halves(tree, number):
  return jax.tree.map(lambda x: x[:number], tree), jax.tree.map(lambda x: x[number:], tree)
