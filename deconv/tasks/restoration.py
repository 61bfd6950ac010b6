"""Image restoration: a network that undoes a degradation, measured in decibels beside what needs no network.

A batch has 'image' uint8 (batch, height, width, channels), the clean target. The step turns and degrades it on the
device (deconv.data.transforms.degrade), from one random key an image (`batch['noise_key']`), so that an image's
numbers do not depend on its batch or device; evaluation draws the same degradations each time.

What the network restores is `objective.colour`: the luminance of RGB images ('y', as papers on super-resolution do),
RGB images, or grey ones. A network that makes colours out of grey sees one channel and returns three.

With holes the network may face a discriminator that sees the hole alone, by the losses of the GAN task (Pathak et al.
2016); the discriminator moves first and the network answers the updated one.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

from deconv import data, plots
from deconv.data.transforms.colour import luminance
from deconv.data.transforms.degrade import degrade
from deconv.data.transforms.turns import dihedral
from deconv.metrics import baselines, image_quality
from deconv.models import RESTORERS
from deconv.models.dcgan import Discriminator
from deconv.objectives.gan import OBJECTIVES
from deconv.objectives.restoration import RestorationLoss
from deconv.options.degrade import DegradeOptions
from deconv.options.models.gan import DcganOptions
from deconv.rng import noise_keys, stream, streams
from deconv.tasks import whole_pictures
from deconv.tasks.adversary import apart, update_discriminator
from deconv.tasks.capabilities import Reconstructs, RestoresPictures, TransformsPictures
from deconv.tasks.state import NetworkState, State, compiled_fast
from deconv.tasks.task import Task, means_of, weights_of

_SHOWN = 6  # rows of the pictures


def _scale_last(factor):
  """Multiplies the updates of the layer called `last`."""

  def update(updates, params):
    del params
    return {**updates, 'last': jax.tree.map(lambda x: factor * x, updates['last'])}

  return optax.stateless(update)


class Restoration(RestoresPictures, Reconstructs, TransformsPictures, Task):
  """Trains one network 'net', with `objective.adversarial` also 'disc'; a Task (deconv/tasks/task.py).

  Attributes:
    network: deconv.models.restorer.Restorer, images (batch, h / scale, w / scale, c') in [-1, 1] -> (batch, h, w, c).
    eval_network: the same with no mapped axis in its batch norm.
    side, scale, channels: of what is restored; `scale` is its size over the input's.
    input_channels: of what the network sees.
    objective, degradation: RestorationObjective and DegradeOptions.
    loss: deconv.objectives.restoration.RestorationLoss.
    loss_names: 'loss', with a discriminator also 'loss_disc'.
    has_holes: whether the degradation makes holes.
    observe_whole, measure_whole: compiled `observe` and `measure`, for whole pictures.
  """

  def __init__(self, options, make_optimizer, batch_norm_axis):
    """Makes the networks; see Task.

    Raises:
      UserError: a size that the network cannot take.
    """
    super().__init__(options, make_optimizer, batch_norm_axis)
    self.objective, self.degradation = options.objective, options.degrade
    self.side, self.scale, self.channels = options.data.image_size, options.degrade.scale, options.objective.channels
    self.has_holes = self.degradation.has_hole
    self.input_channels = self.degradation.input_shape((self.side, self.side, self.channels))[-1]
    self.network, self.eval_network = self.make_network(batch_norm_axis), self.make_network(None)
    self.loss, self.gan_objective = RestorationLoss(self.objective), OBJECTIVES[self.objective.adversarial_name]
    self.loss_names = ('loss', 'loss_disc') if self.objective.adversarial else ('loss',)
    self.optimizer = make_optimizer(1.0)
    if self.objective.last_learning_rate_scale != 1:
      self.optimizer = optax.chain(self.optimizer, _scale_last(self.objective.last_learning_rate_scale))
    self.disc_optimizer = make_optimizer(self.objective.disc_learning_rate_scale)
    self.discriminator = Discriminator(
      options=DcganOptions(width=self.objective.disc_width, kernel_size=4),
      axis_name=batch_norm_axis,
      dtype=jnp.dtype(options.train.dtype),
    )
    self._run = jax.jit(self._apply)
    self.observe_whole = jax.jit(self.observe)
    self._show = jax.jit(self._shown)
    self._restore = jax.jit(self._restored)
    self.measure_whole = jax.jit(self.measure)

  def make_network(self, batch_norm_axis):
    """Returns the network, see deconv.models.RESTORERS."""
    options = self.options
    return RESTORERS[options.model.name](
      options.model,
      image_shape=(self.side, self.side, self.channels),
      scale=self.scale,
      dtype=jnp.dtype(options.train.dtype),
      batch_norm_axis=batch_norm_axis,
    )

  # Network.

  def init(self, key, batch):
    """Returns the State at step 0; the batch is not looked at."""
    del batch
    small = self.side // self.scale
    images = jax.ShapeDtypeStruct((2, small, small, self.input_channels), jnp.float32)

    @compiled_fast  # lazy_init leaves the forward pass out of it
    def create(key):
      networks = {
        'net': NetworkState.create(
          self.network.lazy_init(stream(key, 'net'), images, train=False),
          self.optimizer,
          ema=self.options.train.ema_decay > 0,
        )
      }
      if self.objective.adversarial:
        side = self.side // (2 if self.network.centre_only else 1)
        judged = jax.ShapeDtypeStruct((2, side, side, self.channels), jnp.float32)
        networks['disc'] = NetworkState.create(
          self.discriminator.lazy_init(stream(key, 'disc'), judged, train=False), self.disc_optimizer
        )
      return State(step=jnp.zeros((), jnp.int32), networks=networks)

    return create(key)

  def _apply(self, state, images):
    return self.eval_network.apply(state.networks['net'].evaluated(self.options.eval.use_ema), images, train=False)

  # Degradation.

  def random_inputs(self, batch, key):
    """Returns {'noise_key': uint32 (batch, 2)}, see deconv.rng.noise_keys, for the degradation."""
    return noise_keys(batch, key)

  def targets(self, images):
    """Images (..., channels) in [-1, 1] -> what is restored of them, (..., 3 or 1).

    Luminance is rounded to whole levels, as MATLAB's rgb2ycbcr does with bytes: the published bicubic of Set5, twice
    the resolution, is 33.661 dB of rounded luminance, and 33.656 dB of one that is not.
    """
    if self.objective.colour != 'y':
      return images
    return jnp.round((luminance(images) + 1) * 127.5) / 127.5 - 1

  def observe(self, batch, turned=False):
    """Returns (inputs (b, h / scale, w / scale, c'), hole or None, targets) of a batch that has its noise keys."""
    keys = jax.random.wrap_key_data(batch['noise_key'])
    images = data.to_signed(batch['image'])
    if turned:
      images = dihedral(images, streams(keys, 'turn'))
    targets = self.targets(images)
    seen = degrade(targets, streams(keys, 'degrade'), self.degradation)
    return seen['input'], seen['hole'], targets

  def composite(self, outputs, inputs, hole):
    """The outputs in the hole, the inputs elsewhere; the outputs where there are no holes."""
    if hole is None or not self.objective.composite:
      return outputs
    return jnp.where(hole > 0, outputs, inputs.astype(outputs.dtype))

  def baseline(self, inputs, hole):
    """What needs no network: bicubic enlargement; for holes the mean of the pixels around; else the input itself."""
    if hole is not None:
      return baselines.mean_fill(inputs, hole)
    enlarged = image_quality.bicubic_baseline(inputs, self.scale)
    return jnp.broadcast_to(enlarged, (*enlarged.shape[:3], self.channels))

  # Training.

  def train_step(self, state, batch, key):
    """One minibatch.

    Args:
      state: State.
      batch: 'image'; optional 'noise_key', see `random_inputs`.
      key: PRNG key of this step (and device).

    Returns:
      (State, scalars): 'loss', its terms before their weights, and 'psnr' of the training images (dB, by the raw
        output); with a discriminator also 'loss_gen', 'loss_disc' (nats), 'accuracy_real' and 'accuracy_fake'.
    """
    batch = {**self.random_inputs(batch, key), **batch}
    inputs, hole, targets = self.observe(batch, turned=self.options.augment.turns)
    net = state.networks['net']
    rest = {name: network for name, network in state.networks.items() if name != 'net'}

    def forward(params):
      outputs, new = self.network.apply(
        {'params': params, 'batch_stats': net.batch_stats}, inputs, train=True, mutable=['batch_stats']
      )
      return outputs, new.get('batch_stats', {})

    outputs, pull, stats = jax.vjp(forward, net.params, has_aux=True)
    judged_scalars = {}
    if self.objective.adversarial:
      disc = rest['disc']

      def look(params):
        judge = functools.partial(self._judge, hole=hole)
        return apart(judge, params, disc.collections, targets, outputs)

      rest['disc'], judged_scalars = update_discriminator(disc, look, self.gan_objective, self.disc_optimizer)

    def loss_fn(outputs):
      loss, terms = self.loss(outputs, targets, hole)
      if self.objective.adversarial:
        judged = rest['disc']
        logits, _ = self._judge(judged.params, judged.collections, outputs, hole)
        terms['loss_gen'] = jnp.mean(self.gan_objective.gen(logits))
        loss += self.objective.adversarial * terms['loss_gen']
      return loss, {'loss': loss, **terms}

    gradient, scalars = jax.grad(loss_fn, has_aux=True)(outputs)
    (grads,) = pull(gradient)
    net = net.update(self.optimizer, grads, stats).average(self.options.train, state.step)
    psnr = image_quality.psnr(self.composite(outputs, inputs, hole), targets, levels='clipped')
    scalars = {**scalars, **judged_scalars, 'psnr': jnp.mean(psnr)}
    return state.replace(step=state.step + 1, networks={'net': net, **rest}), scalars

  def _judge(self, params, collections, images, hole):
    """Discriminator in training mode, of the hole alone: ((batch,) logits, new collections)."""
    seen = jnp.where(hole > 0, images, 0.0)
    if self.network.centre_only:
      edge = self.side // 4
      seen = seen[:, edge:-edge, edge:-edge]
    logits, new = self.discriminator.apply({'params': params, **collections}, seen, train=True, mutable=['batch_stats'])
    return logits, {**collections, **new}

  # Evaluation.

  def eval_step(self, state, batch, key):
    """Sums over the images whose batch['weight'] is 1 of `measure`, and their 'count'."""
    batch = {**self.random_inputs(batch, key), **batch}
    inputs, hole, targets = self.observe(batch)
    values = self.measure(self._apply(state, inputs), inputs, hole, targets)
    weight = weights_of(batch)
    sums = {name: jnp.sum(jnp.where(weight > 0, value, 0.0)) for name, value in values.items()}
    return {'count': jnp.sum(weight), **sums}

  def measure(self, outputs, inputs, hole, targets):
    """Returns {name: (batch,)}: 'psnr' (dB), 'ssim', with holes 'l1_hole' (mean absolute error in the hole, as a share
    of the range from black to white), and each with '_baseline' for `baseline`, where anything is degraded."""
    options, compared = self._quality, {'': self.composite(outputs, inputs, hole)}
    if self.baseline_name:
      compared['_baseline'] = self.baseline(inputs, hole)
    # One batch of both: half the program.
    images = jnp.concatenate(list(compared.values()))
    targets = jnp.concatenate([targets] * len(compared))
    found = {'psnr': image_quality.psnr(images, targets, **options)}
    if min(targets.shape[1:3]) - 2 * options['shave'] >= image_quality.SSIM_SIDE:
      found['ssim'] = image_quality.ssim(images, targets, **options)
    if hole is not None:
      found['l1_hole'] = image_quality.l1_hole(images, targets, jnp.concatenate([hole] * len(compared)))
    return {
      f'{name}{suffix}': part
      for name, value in found.items()
      for suffix, part in zip(compared, jnp.split(value, len(compared)))
    }

  @property
  def _quality(self):
    return {'colour': 'rgb', 'shave': self.scale if self.scale > 1 else 0}

  def summarize(self, sums):
    """Returns the means over the images of the sums of `eval_step`."""
    return means_of(sums)

  def protocol(self, state):
    """Returns what stands beside the numbers."""
    quality = image_quality.protocol('y' if self.objective.colour == 'y' else 'rgb', self._quality['shave'])
    return {
      **quality,
      'baseline': self.baseline_name,
      'colour': self.objective.colour,
      'scale': self.scale,
      'input_levels': self.degradation.levels,
      'ema': state.networks['net'].averaged(self.options.eval.use_ema),
    }

  @property
  def baseline_name(self):
    """What `baseline` is; '' where nothing is degraded."""
    if self.degradation == DegradeOptions():
      return ''
    if self.has_holes:
      return 'mean of the pixels around the hole'
    return 'bicubic' if self.scale > 1 else 'input'

  def predict_image(self, state, inputs):
    """Runs the network on one image of any size, by overlapping tiles where it is large.

    Args:
      state: State.
      inputs: float32 (h, w, c') in [-1, 1].

    Returns:
      float32 (scale * h, scale * w, c), not clipped.
    """
    return whole_pictures.predict(
      functools.partial(self._run, state), inputs, self.eval_network, self.scale, self.options.eval
    )

  def transform_image(self, state, image):
    """Restores a user's own picture; see deconv.tasks.whole_pictures.transform."""
    return {'': whole_pictures.transform(self, state, image)}

  def remake(self, state, images, key):
    """Returns the images uint8 (n, h, w, c), degraded by the key and restored: float32 in [-1, 1]; see Reconstructs."""
    size, parts = min(self.options.eval.batch_size, len(images)), []
    batch = {'image': images}
    batch.update(self.random_inputs(batch, key))  # of all images at once: no number depends on the batches
    for i in range(0, len(images), size):
      part = {name: np.resize(x[i : i + size], (size, *x.shape[1:])) for name, x in batch.items()}  # one compiled shape
      parts.append(np.asarray(self._restore(state, part))[: len(images) - i])
    return np.clip(np.concatenate(parts), -1, 1)

  def remaking_protocol(self, state):
    """Returns how images are made again."""
    return {'ema': state.networks['net'].averaged(self.options.eval.use_ema), 'images': 'restored'}

  # Pictures.

  def pictures(self, state, batch, key):
    """Returns {'restored': rows of input, baseline, result and truth}, degraded by the key alone."""
    shown = {'image': jnp.asarray(batch['image'][:_SHOWN])}
    columns = self._show(state, {**shown, **self.random_inputs(shown, key)})
    rows = np.asarray(data.to_uint8(jnp.stack(columns, axis=1)))
    return {'restored': plots.image_grid(rows.reshape(-1, *rows.shape[2:]), columns=4)}

  def _restored(self, state, batch):
    inputs, hole, _ = self.observe(batch)
    return self.composite(self._apply(state, inputs), inputs, hole)

  def _shown(self, state, batch):
    inputs, hole, targets = self.observe(batch)
    outputs = self.composite(self._apply(state, inputs), inputs, hole)
    repeated = jnp.repeat(jnp.repeat(inputs, self.scale, axis=1), self.scale, axis=2)
    return [jnp.broadcast_to(x, targets.shape) for x in (repeated, self.baseline(inputs, hole), outputs, targets)]
