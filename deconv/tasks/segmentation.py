"""Semantic segmentation: a network that names the class of every pixel, measured by its confusion matrix.

A batch has 'image' uint8 (batch, height, width, channels) and 'mask' uint8 (batch, height, width): class numbers, and
255 where there is no truth, which neither trains nor counts. The augmentation runs inside of the step, on image and
mask together, from one random key an image (`batch['noise_key']`).

Networks may give a smaller map than they see (U-Net without padding); the mask is then cropped to its middle.
"""
import inspect

import jax
import jax.numpy as jnp
import numpy as np

from deconv import data, plots
from deconv.data.transforms import augment
from deconv.errors import UserError
from deconv.metrics import segmentation as metrics
from deconv.models import SEGMENTERS
from deconv.objectives import segmentation as objectives
from deconv.rng import stream
from deconv.tasks import tiling
from deconv.tasks.fields import check_fields, choose
from deconv.tasks.state import NetworkState, State

_SHOWN = 8  # rows of the pictures


def build(config, make_optimizer, batch_norm_axis=None):
  """Returns the Segmentation task of a whole config (configs/base.py); see deconv/tasks/__init__.py for the arguments.

  Raises:
    UserError: a name in the config that there is no entry for, fewer than two classes, or a size that the network
      cannot take.
  """
  names = tuple(config.data.class_names)
  if not 2 <= len(names) <= data.IGNORE:
    raise UserError(f"task='segmentation' needs the names of 2 to {data.IGNORE} classes in data.class_names, in the "
                    f'order of the numbers in the masks; it has {len(names)}')
  augmentation = augment.AugmentOptions(**config.augment)
  side = augmentation.crop or config.data.image_size
  if side > config.data.image_size:
    raise UserError(f'augment.crop={side} is larger than data.image_size={config.data.image_size}; lower it')
  model = dict(config.model)
  builder = choose(SEGMENTERS, model.pop('name'), 'model.name')
  check_fields(builder, model, f"model.name='{config.model.name}'")
  loss = objectives.SegmentationLoss(**config.objective)
  if loss.deep_supervision:
    if 'side_scores' not in inspect.signature(builder).parameters:
      raise UserError(f"model.name='{config.model.name}' has no scores of coarser maps to supervise; set "
                      'objective.deep_supervision=0, or choose unet, linknet, segnet or deconvnet')
    model['side_scores'] = True
  def network(axis):
    return builder(image_shape=(side, side, config.data.channels), num_classes=len(names),
                   dtype=jnp.dtype(config.train.dtype), batch_norm_axis=axis, **model)
  scales = tuple(config.eval.scales)
  if not scales or min(scales) <= 0:
    raise UserError(f'eval.scales is {scales}; give one or more numbers above 0, such as (1.,)')
  return Segmentation(
      network(batch_norm_axis), network(None), class_names=names, side=side, channels=config.data.channels,
      loss=loss, augmentation=augmentation, optimizer=make_optimizer(), ema_decay=config.train.ema_decay,
      use_ema=config.eval.use_ema, weights=model.get('weights', ''), whole_images=config.eval.whole_images,
      tile_overlap=config.eval.tile_overlap, flips=config.eval.flips, scales=scales,
      background=tuple(config.data.background))


class Segmentation:
  """Trains one network 'net'; a Task (deconv/tasks/task.py).

  Attributes:
    class_names: in the order of the class numbers.
  """
  loss_names = ('loss',)

  def __init__(self, network, eval_network, *, class_names, side, channels, loss, augmentation, optimizer, ema_decay=0.,
               use_ema=True, weights='', whole_images=0, tile_overlap=0.25, flips=False, scales=(1.,),
               background=(255, 255, 255)):
    """Makes the task.

    Args:
      network: Linen module, images (batch, h, w, c) in [-1, 1] -> logits (batch, h', w', classes).
      eval_network: the same with no mapped axis in its batch norm.
      class_names: names of the classes.
      side: height and width that the network is trained on.
      channels: of its images.
      loss: deconv.objectives.segmentation.SegmentationLoss.
      augmentation: deconv.data.transforms.augment.AugmentOptions.
      optimizer: optax transformation.
      ema_decay: decay a step of the averaged network, statistics included; 0 = none.
      use_ema: evaluate and predict with the averaged network where there is one.
      weights: file of weights of the encoder, '' = none; see deconv.models.vgg_weights.
      whole_images: held-out images that an evaluation also predicts at their own size; 0 = none.
      tile_overlap: share of a tile's side by which its neighbours overlap it, for images larger than `side`.
      flips: predict whole images also mirrored, and average the probabilities.
      scales: predict whole images at these multiples of their size, and average the probabilities.
      background: RGB under the transparent pixels of a user's picture.
    """
    self.network, self.eval_network = network, eval_network
    self.class_names, self.side, self.channels = tuple(class_names), side, channels
    self.num_classes = len(self.class_names)
    self.loss, self.augmentation, self.optimizer = loss, augmentation, optimizer
    self.ema_decay, self.use_ema, self.weights = ema_decay, use_ema, weights
    self.whole_images, self.tile_overlap, self.flips, self.scales = whole_images, tile_overlap, flips, tuple(scales)
    self.background = background
    self.class_weights = None
    self._classes = jax.jit(lambda state, images: self._predict(state, images).argmax(-1).astype(jnp.uint8))
    self._probabilities = jax.jit(lambda state, images: jax.nn.softmax(self._predict(state, images)))

  def see(self, source):
    """Counts the pixels of each class of the training source where the objective weighs the classes by them (host)."""
    if self.loss.class_weights == 'median_frequency':
      counts = objectives.count_classes((source[i]['mask'] for i in range(len(source))), self.num_classes)
      self.class_weights = objectives.median_frequency_weights(counts)

  # Network.

  def init(self, key, batch):
    """Returns the State at step 0; the batch is not looked at."""
    images = jax.ShapeDtypeStruct((2, self.side, self.side, self.channels), jnp.float32)

    @jax.jit  # one small program instead of a hundred; lazy_init leaves the network's forward out of it
    def initialize(key):
      return self.network.lazy_init(stream(key, 'net'), images, train=False)

    @jax.jit
    def create(variables):
      return State(step=jnp.zeros((), jnp.int32), networks={
          'net': NetworkState.create(variables, self.optimizer, ema=self.ema_decay > 0)})

    variables = initialize(key)
    if self.weights:
      from deconv.models import vgg_weights
      if not isinstance(jax.tree.leaves(variables)[0], jax.core.Tracer):  # shapes need no file
        variables = {**variables, 'params': vgg_weights.initialize(variables['params'], self.weights)}
    return create(variables)

  def _eval_variables(self, state):
    net = state.networks['net']
    return net.ema if self.use_ema and net.ema is not None else net.variables

  def _predict(self, state, images):
    """Logits (batch, h', w', classes) of images in [-1, 1], by the running statistics."""
    return self.eval_network.apply(self._eval_variables(state), images, train=False)

  def margin(self):
    """Returns how many pixels a map is smaller than the image, on each of its sides."""
    images = jax.ShapeDtypeStruct((1, self.side, self.side, self.channels), jnp.float32)
    logits = jax.eval_shape(lambda x: self.eval_network.init_with_output(jax.random.key(0), x, train=False)[0], images)
    return (self.side - logits.shape[1]) // 2

  # Training.

  def draw(self, batch, key):
    """Returns {'noise_key': uint32 (batch, 2)}: the data of one random key an image, for its augmentation."""
    return {'noise_key': jax.random.key_data(jax.random.split(key, len(batch['image'])))}

  def train_step(self, state, batch, key):
    """One minibatch.

    Args:
      state: State.
      batch: 'image', 'mask'; optional 'noise_key', see `draw`.
      key: PRNG key of this step (and device), for dropout.

    Returns:
      (State, scalars): 'loss', its terms before their weights, and 'pixel_accuracy' of the training pixels in [0, 1].
    """
    batch = {**self.draw(batch, key), **batch}
    images, masks = data.to_signed(batch['image']), batch['mask'].astype(jnp.int32)
    images, masks = augment.augment(images, masks, jax.random.wrap_key_data(batch['noise_key']), self.augmentation)
    net = state.networks['net']

    def loss_fn(params):
      logits, new = self.network.apply({'params': params, 'batch_stats': net.batch_stats}, images, train=True,
                                       mutable=['batch_stats', 'side_scores'],
                                       rngs={'dropout': stream(key, 'dropout')})
      loss, terms = self.loss(logits, masks, self.class_weights)
      if self.loss.deep_supervision:
        terms['deep_supervision'] = objectives.deep(jax.tree.leaves(new['side_scores']), masks, self.class_weights)
        loss += self.loss.deep_supervision * terms['deep_supervision']
      truth = objectives.crop_to(masks, logits)
      right = (logits.argmax(-1) == truth).sum() / jnp.maximum((truth != data.IGNORE).sum(), 1)
      return loss, (new.get('batch_stats', {}), {'loss': loss, **terms, 'pixel_accuracy': right})

    grads, (stats, scalars) = jax.grad(loss_fn, has_aux=True)(net.params)
    net = net.update(self.optimizer, grads, stats).average(self.ema_decay, state.step)
    return state.replace(step=state.step + 1, networks={'net': net}), scalars

  # Evaluation.

  def eval_step(self, state, batch, key):
    """Integer sums: 'confusion' (classes, classes), rows the truth; 'boundary' (classes, 2), see deconv.metrics; and
    'nats', 'pixels': the summed cross-entropy and the number of pixels that it is summed over."""
    del key
    logits = self._predict(state, data.to_signed(batch['image']))
    weight = batch['weight'] if 'weight' in batch else jnp.ones(len(logits), jnp.float32)
    masks = objectives.crop_to(batch['mask'].astype(jnp.int32), logits)
    masks = jnp.where(weight[:, None, None] > 0, masks, data.IGNORE)
    known = masks != data.IGNORE
    log_p = jnp.take_along_axis(jax.nn.log_softmax(logits), jnp.where(known, masks, 0)[..., None], axis=-1)[..., 0]
    sums = self._count(masks, logits.argmax(-1))
    return {**sums, 'nats': -jnp.sum(jnp.where(known, log_p, 0.)), 'pixels': jnp.sum(known)}

  def _count(self, masks, classes):
    width = metrics.boundary_width(*masks.shape[1:3])
    return {'confusion': metrics.confusion(masks, classes, self.num_classes),
            'boundary': metrics.boundary_counts(masks, classes, self.num_classes, width)}

  def summarize(self, sums):
    """Returns {'miou', 'pixel_accuracy', ..., 'cross_entropy' in nats a pixel}; see deconv.metrics.segmentation."""
    numbers = metrics.summarize(sums['confusion'], sums['boundary'], self.class_names)
    if 'nats' in sums:
      numbers['cross_entropy'] = float(sums['nats'] / max(sums['pixels'], 1))
    return numbers

  def protocol(self, state):
    """Returns what stands beside the numbers: which rule the means follow, and which part of an image is seen."""
    return {**metrics.protocol(), 'ema': self.use_ema and state.networks['net'].ema is not None}

  def evaluate_samples(self, state, source, key, num, **options):
    """Predicts whole held-out images at their own size, by tiles that overlap.

    Args:
      state: State.
      source: the training Source; its evaluation split is looked at.
      key, num, **options: not used.

    Returns:
      ({'whole_miou', ...}, {'whole': picture}, protocol), all empty where `whole_images` is 0.
    """
    del key, num, options
    if not self.whole_images:
      return {}, {}, {}
    held_out = data.open_source(source.options, source.options.eval_split)
    number, total, shown = min(self.whole_images, len(held_out)), None, []
    for i in range(number):
      item = held_out.load_full(i)
      classes = self.predict_image(state, item['image']).argmax(-1).astype(np.uint8)
      sums = self._count(item['mask'][None], classes[None])
      total = sums if total is None else jax.tree.map(np.add, total, sums)
      if i < _SHOWN:
        shown.append(plots.segmentation_panel(item['image'][None], item['mask'][None], classes[None], self.class_names))
    numbers = {f'whole_{name}': value for name, value in self.summarize(total).items()}
    protocol = {'split': source.options.eval_split, 'whole_images': number, 'tile': self.side,
                'tile_overlap': self.tile_overlap, 'flips': self.flips, 'scales': list(self.scales)}
    return numbers, {f'whole_{i}': image for i, image in enumerate(shown)}, protocol

  def predict_image(self, state, image):
    """Class probabilities of a picture of any size.

    Args:
      state: State.
      image: uint8 (height, width, channels).

    Returns:
      float32 (height, width, classes): by overlapping tiles where the picture is larger than the network's own size,
      averaged over `flips` and `scales`.
    """
    margin = self.margin()
    def predict(picture):
      return tiling.predict_tiled(lambda tiles: self._probabilities(state, tiles), picture, tile=self.side,
                                  margin=margin, overlap=round(self.tile_overlap * (self.side - 2 * margin)))
    return tiling.ensemble(predict, flips=self.flips, scales=self.scales)(np.asarray(data.to_signed(image)))

  # Pictures.

  def pictures(self, state, batch, key):
    """Returns {'predictions': rows of image, truth, prediction and errors, with a legend}."""
    del key
    images, masks = np.asarray(batch['image'][:_SHOWN]), np.asarray(batch['mask'][:_SHOWN])
    classes = np.asarray(self._classes(state, data.to_signed(images)))
    return {'predictions': plots.segmentation_panel(
        objectives.crop_to(images, classes), objectives.crop_to(masks, classes), classes, self.class_names)}

  def transform_image(self, state, image):
    """Names the classes of a user's own picture.

    Args:
      state: State.
      image: uint8 or uint16 (height, width, 1 to 4), see deconv.data.read_picture.

    Returns:
      {'': picture of image and prediction with a legend, 'classes': uint8 (height, width)}.
    """
    pixels = data.opaque(image, self.channels, self.background)
    classes = self.predict_image(state, pixels).argmax(-1).astype(np.uint8)
    return {'': plots.segmentation_panel(pixels[None], None, classes[None], self.class_names), 'classes': classes}
