"""Semantic segmentation: a network that names the class of every pixel, measured by its confusion matrix.

A batch has 'image' uint8 (batch, height, width, channels) and 'mask' uint8 (batch, height, width): class numbers, and
255 where there is no truth, which neither trains nor counts. The augmentation runs inside of the step, on image and
mask together, from one random key per image (`batch['noise_key']`).

Networks may give a smaller map than they see (U-Net without padding); the mask is then cropped to its middle.
"""

import jax
import jax.numpy as jnp
import numpy as np

from deconv import data, plots
from deconv.data.transforms import augment
from deconv.metrics import segmentation as metrics
from deconv.models import SEGMENTERS, vgg_weights
from deconv.objectives import segmentation as objectives
from deconv.rng import noise_keys, stream
from deconv.tasks import tiling
from deconv.tasks.capabilities import Looking, LooksAtImages, PredictsClasses, TransformsPictures
from deconv.tasks.state import NetworkState, State, compiled_fast
from deconv.tasks.task import Task, weights_of

_SHOWN = 8  # rows of the pictures


class Segmentation(LooksAtImages, PredictsClasses, TransformsPictures, Task):
  """Trains one network 'net'; a Task (deconv/tasks/task.py).

  Attributes:
    network: Linen module, images (batch, h, w, c) in [-1, 1] -> logits (batch, h', w', classes).
    eval_network: the same with no mapped axis in its batch norm.
    class_names: in the order of the class numbers.
    sides: (height, width) that the network is trained on.
    loss: deconv.objectives.segmentation.SegmentationLoss.
    optimizer: optax transformation.
    class_weights: (classes,) of the loss, where the objective wants them and the training source was seen; else None.
  """

  def __init__(self, options, make_optimizer, batch_norm_axis):
    """Makes the networks; see Task.

    Raises:
      UserError: a size that the network cannot take.
    """
    super().__init__(options, make_optimizer, batch_norm_axis)
    crop = options.augment.crop
    self.sides = (crop, crop) if crop else options.data.image_shape[:2]
    self.class_names = options.data.class_names
    self.num_classes = len(self.class_names)
    self.network, self.eval_network = self.make_network(batch_norm_axis), self.make_network(None)
    self.loss, self.optimizer = objectives.SegmentationLoss(options.objective), make_optimizer(1.0)
    self.class_weights = None
    self._classes = jax.jit(lambda state, images: self._predict(state, images).argmax(-1).astype(jnp.uint8))
    self._probabilities = jax.jit(lambda state, images: jax.nn.softmax(self._predict(state, images)))

  def make_network(self, batch_norm_axis):
    """Returns the network, see deconv.models.SEGMENTERS."""
    options = self.options
    return SEGMENTERS[options.model.name](
      options.model,
      image_shape=(*self.sides, options.data.channels),
      num_classes=self.num_classes,
      side_scores=options.objective.deep_supervision > 0,
      dtype=jnp.dtype(options.train.dtype),
      batch_norm_axis=batch_norm_axis,
    )

  def batch_shapes(self, batch_size):
    """As of every Task, with 'mask' uint8 (batch, height, width)."""
    height, width, _ = self.options.data.image_shape
    return {**super().batch_shapes(batch_size), 'mask': jax.ShapeDtypeStruct((batch_size, height, width), jnp.uint8)}

  def inspect_source(self, source):
    """Counts the pixels of each class of the training source where the objective weighs the classes by them (host)."""
    if self.options.objective.class_weights == 'median_frequency':
      counts = objectives.count_classes((source[i]['mask'] for i in range(len(source))), self.num_classes)
      self.class_weights = objectives.median_frequency_weights(counts)

  # Network.

  def init(self, key, batch):
    """Returns the State at step 0; the batch is not looked at."""
    images = jax.ShapeDtypeStruct((2, *self.sides, self.options.data.channels), jnp.float32)

    @compiled_fast  # lazy_init leaves the forward pass out of it
    def initialize(key):
      return self.network.lazy_init(stream(key, 'net'), images, train=False)

    @compiled_fast
    def create(variables):
      return State(
        step=jnp.zeros((), jnp.int32),
        networks={'net': NetworkState.create(variables, self.optimizer, ema=self.options.train.ema_decay > 0)},
      )

    variables, weights = initialize(key), self.options.model.weights
    if weights and not isinstance(jax.tree.leaves(variables)[0], jax.core.Tracer):  # shapes need no file
      variables = {**variables, 'params': vgg_weights.initialize(variables['params'], weights)}
    return create(variables)

  def _predict(self, state, images):
    """Logits (batch, h', w', classes) of images in [-1, 1], by the running statistics."""
    variables = state.networks['net'].evaluated(self.options.eval.use_ema)
    return self.eval_network.apply(variables, images, train=False)

  def looking(self, state):
    """See LooksAtImages: the whole network, its encoder first."""
    variables = state.networks['net'].evaluated(self.options.eval.use_ema)
    return Looking(lambda images: self.eval_network.apply(variables, images, train=False), variables)

  def margin(self):
    """Returns how many pixels a map is smaller than the image, on each of its sides."""
    images = jax.ShapeDtypeStruct((1, *self.sides, self.options.data.channels), jnp.float32)
    logits = jax.eval_shape(lambda x: self.eval_network.init_with_output(jax.random.key(0), x, train=False)[0], images)
    return (self.sides[0] - logits.shape[1]) // 2

  # Training.

  def random_inputs(self, batch, key):
    """Returns {'noise_key': uint32 (batch, 2)}, see deconv.rng.noise_keys, for the augmentation."""
    return noise_keys(batch, key)

  def train_step(self, state, batch, key):
    """One minibatch.

    Args:
      state: State.
      batch: 'image', 'mask'; optional 'noise_key', see `random_inputs`.
      key: PRNG key of this step (and device), for dropout.

    Returns:
      (State, scalars): 'loss', its terms before their weights, and 'pixel_accuracy' of the training pixels in [0, 1].
    """
    batch = {**self.random_inputs(batch, key), **batch}
    images, masks = data.to_signed(batch['image']), batch['mask'].astype(jnp.int32)
    keys = jax.random.wrap_key_data(batch['noise_key'])
    images, masks = augment.augment(images, masks, keys, self.options.augment)
    net, deep_supervision = state.networks['net'], self.options.objective.deep_supervision

    def loss_fn(params):
      logits, new = self.network.apply(
        {'params': params, 'batch_stats': net.batch_stats},
        images,
        train=True,
        mutable=['batch_stats', 'side_scores'],
        rngs={'dropout': stream(key, 'dropout')},
      )
      loss, terms = self.loss(logits, masks, self.class_weights)
      if deep_supervision:
        terms['deep_supervision'] = objectives.deep(jax.tree.leaves(new['side_scores']), masks, self.class_weights)
        loss += deep_supervision * terms['deep_supervision']
      truth = objectives.crop_to(masks, logits)
      right, known = (jnp.sum(x, dtype=jnp.int32) for x in (logits.argmax(-1) == truth, truth != data.IGNORE))
      right = right.astype(jnp.float32) / jnp.maximum(known, 1).astype(jnp.float32)
      return loss, (new.get('batch_stats', {}), {'loss': loss, **terms, 'pixel_accuracy': right})

    grads, (stats, scalars) = jax.grad(loss_fn, has_aux=True)(net.params)
    net = net.update(self.optimizer, grads, stats).average(self.options.train, state.step)
    return state.replace(step=state.step + 1, networks={'net': net}), scalars

  # Evaluation.

  def eval_step(self, state, batch, key):
    """Integer sums: 'confusion' (classes, classes), rows the truth; 'boundary' (classes, 2), see deconv.metrics; and
    'nats', 'pixels': the summed cross-entropy and the number of pixels that it is summed over."""
    del key
    logits = self._predict(state, data.to_signed(batch['image']))
    weight = weights_of(batch)
    masks = objectives.crop_to(batch['mask'].astype(jnp.int32), logits)
    masks = jnp.where(weight[:, None, None] > 0, masks, data.IGNORE)
    known = masks != data.IGNORE
    log_p = jnp.take_along_axis(jax.nn.log_softmax(logits), jnp.where(known, masks, 0)[..., None], axis=-1)[..., 0]
    sums = self.count_classes(masks, logits.argmax(-1))
    return {**sums, 'nats': -jnp.sum(jnp.where(known, log_p, 0.0)), 'pixels': jnp.sum(known, dtype=jnp.int32)}

  def count_classes(self, masks, classes):
    """Returns the integer sums 'confusion' and 'boundary' of `eval_step` of masks and classes (n, height, width)."""
    width = metrics.boundary_width(*masks.shape[1:3])
    return {
      'confusion': metrics.confusion(masks, classes, self.num_classes),
      'boundary': metrics.boundary_counts(masks, classes, self.num_classes, width),
    }

  def summarize(self, sums):
    """Returns {'miou', 'pixel_accuracy', ..., 'cross_entropy' in nats a pixel}; see deconv.metrics.segmentation."""
    numbers = metrics.summarize(sums['confusion'], sums['boundary'], self.class_names)
    if 'nats' in sums:
      numbers['cross_entropy'] = float(sums['nats'] / max(sums['pixels'], 1))
    return numbers

  def protocol(self, state):
    """Returns what stands beside the numbers: which rule the means follow, and which part of an image is seen."""
    return {**metrics.protocol(), 'ema': state.networks['net'].averaged(self.options.eval.use_ema)}

  def predict_image(self, state, image):
    """Class probabilities of a picture of any size.

    Args:
      state: State.
      image: uint8 (height, width, channels).

    Returns:
      float32 (height, width, classes): by overlapping tiles where the picture is larger than the network's own size,
      averaged over `eval.flips` and `eval.scales`.
    """
    margin, options = self.margin(), self.options.eval

    def predict(picture):
      return tiling.predict_tiled(
        lambda tiles: self._probabilities(state, tiles),
        picture,
        tile=self.sides,
        margin=margin,
        overlap=round(options.tile_overlap * (min(self.sides) - 2 * margin)),
      )

    return tiling.ensemble(predict, flips=options.flips, scales=options.scales)(np.asarray(data.to_signed(image)))

  # Pictures.

  def pictures(self, state, batch, key):
    """Returns {'predictions': rows of image, truth, prediction and errors, with a legend}."""
    del key
    images, masks = np.asarray(batch['image'][:_SHOWN]), np.asarray(batch['mask'][:_SHOWN])
    classes = np.asarray(self._classes(state, data.to_signed(images)))
    return {
      'predictions': plots.segmentation_panel(
        objectives.crop_to(images, classes), objectives.crop_to(masks, classes), classes, self.class_names
      )
    }

  def transform_image(self, state, image):
    """Names the classes of a user's own picture.

    Args:
      state: State.
      image: uint8 or uint16 (height, width, 1 to 4), see deconv.data.read_picture.

    Returns:
      {'': picture of image and prediction with a legend, 'classes': uint8 (height, width)}.
    """
    pixels = data.opaque(image, self.options.data.channels, self.options.data.background)
    classes = self.predict_image(state, pixels).argmax(-1).astype(np.uint8)
    return {'': plots.segmentation_panel(pixels[None], None, classes[None], self.class_names), 'classes': classes}
