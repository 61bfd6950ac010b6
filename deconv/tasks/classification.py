"""Classification: a network that names the class of an image.

A batch has 'image' uint8 (batch, height, width, channels) and 'label' int32 (batch,). The augmentation runs inside of
the step, from one random key per image (`batch['noise_key']`).
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from deconv import data, plots
from deconv.data.files import decode
from deconv.data.transforms import augment
from deconv.errors import UserError
from deconv.metrics import classification as metrics
from deconv.metrics.segmentation import confusion
from deconv.models import CLASSIFIERS
from deconv.objectives.classification import cross_entropy
from deconv.rng import noise_keys, stream
from deconv.tasks.capabilities import Classifies, Looking, LooksAtImages, TransformsPictures
from deconv.tasks.state import NetworkState, State, compiled_fast
from deconv.tasks.task import Task, batch_by_batch, weights_of

_NAMED = 5  # classes that are named under a picture


class Classification(Classifies, LooksAtImages, TransformsPictures, Task):
  """Trains one network 'net'; a Task (deconv/tasks/task.py).

  Attributes:
    network: Linen module, images (batch, h, w, c) in [-1, 1] -> (logits (batch, classes), features (batch, n)).
    eval_network: the same with no mapped axis in its batch norm.
    optimizer: optax transformation.
    num_classes, class_names: see Classifies; the names are numbers until a source has been seen.
  """

  def __init__(self, options, make_optimizer, batch_norm_axis):
    """Makes the networks; see Task."""
    super().__init__(options, make_optimizer, batch_norm_axis)
    self.num_classes = options.model.num_classes
    self.class_names = tuple(map(str, range(self.num_classes)))
    self.network, self.eval_network = self.make_network(batch_norm_axis), self.make_network(None)
    self.optimizer = make_optimizer(1.0)
    self._outputs = jax.jit(lambda state, images: self._predict(state, data.to_signed(images)))

  def make_network(self, batch_norm_axis):
    """Returns the network, see deconv.models.CLASSIFIERS."""
    options = self.options
    return CLASSIFIERS[options.model.name](
      options.model, dtype=jnp.dtype(options.train.dtype), batch_norm_axis=batch_norm_axis
    )

  def batch_shapes(self, batch_size):
    """As of every Task, with 'label' int32 (batch,)."""
    return {**super().batch_shapes(batch_size), 'label': jax.ShapeDtypeStruct((batch_size,), jnp.int32)}

  def inspect_source(self, source):
    """Takes the names of the classes (host).

    Raises:
      UserError: the source has no labels, or another number of classes than the network.
    """
    if source.num_classes != self.num_classes:
      has = f'{source.num_classes} classes' if source.num_classes else 'no labels'
      raise UserError(
        f"task='classification' with model.num_classes={self.num_classes}: {source.name} has {has}; "
        + ('set model.num_classes to their number' if source.num_classes else 'choose a source with labels')
      )
    self.class_names = source.class_names

  # Network.

  def init(self, key, batch):
    """Returns the State at step 0; the batch is not looked at."""
    del batch
    images = jax.ShapeDtypeStruct((2, *self.options.data.image_shape), jnp.float32)

    @compiled_fast  # lazy_init leaves the forward pass out of it
    def create(key):
      variables = self.network.lazy_init(stream(key, 'net'), images, train=False)
      return State(
        step=jnp.zeros((), jnp.int32),
        networks={'net': NetworkState.create(variables, self.optimizer, ema=self.options.train.ema_decay > 0)},
      )

    return create(key)

  def _predict(self, state, images):
    """(logits, features) of images in [-1, 1], by the running statistics."""
    variables = state.networks['net'].evaluated(self.options.eval.use_ema)
    return self.eval_network.apply(variables, images, train=False)

  def looking(self, state):
    """See LooksAtImages: the whole network."""
    variables = state.networks['net'].evaluated(self.options.eval.use_ema)
    return Looking(lambda images: self.eval_network.apply(variables, images, train=False), variables)

  # Training.

  def random_inputs(self, batch, key):
    """Returns {'noise_key': uint32 (batch, 2)}, see deconv.rng.noise_keys, for the augmentation."""
    return noise_keys(batch, key)

  def train_step(self, state, batch, key):
    """One minibatch.

    Args:
      state: State.
      batch: 'image', 'label'; optional 'noise_key', see `random_inputs`.
      key: PRNG key of this step (and device), for dropout.

    Returns:
      (State, scalars): 'loss' (nats) and 'accuracy' of the training images in [0, 1].
    """
    batch = {**self.random_inputs(batch, key), **batch}
    images, labels = data.to_signed(batch['image']), batch['label']
    no_masks = jnp.zeros(images.shape[:3], jnp.int32)  # which nobody reads, so that the compiler leaves them out
    images, _ = augment.augment(images, no_masks, jax.random.wrap_key_data(batch['noise_key']), self.options.augment)
    net = state.networks['net']

    def loss_fn(params):
      (logits, _), new = self.network.apply(
        {'params': params, 'batch_stats': net.batch_stats},
        images,
        train=True,
        mutable=['batch_stats'],
        rngs={'dropout': stream(key, 'dropout')},
      )
      loss = jnp.mean(cross_entropy(logits, labels, self.options.objective.label_smoothing))
      accuracy = jnp.mean(logits.argmax(-1) == labels, dtype=jnp.float32)
      return loss, (new.get('batch_stats', {}), {'loss': loss, 'accuracy': accuracy})

    grads, (stats, scalars) = jax.grad(loss_fn, has_aux=True)(net.params)
    net = net.update(self.optimizer, grads, stats).average(self.options.train, state.step)
    return state.replace(step=state.step + 1, networks={'net': net}), scalars

  # Evaluation.

  def eval_step(self, state, batch, key):
    """Sums: 'confusion' integers (classes, classes), rows the truth; 'nats', the cross-entropy without smoothing; and
    'count', the number of images."""
    del key
    logits, _ = self._predict(state, data.to_signed(batch['image']))
    weight = weights_of(batch)
    counted = jnp.where(weight > 0, batch['label'], -1)
    return {
      'confusion': confusion(counted[:, None, None], logits.argmax(-1)[:, None, None], self.num_classes),
      'nats': jnp.sum(weight * cross_entropy(logits, batch['label'])),
      'count': jnp.sum(weight),
    }

  def summarize(self, sums):
    """Returns {'accuracy', 'accuracy_worst_class', 'cross_entropy' in nats an image}; see
    deconv.metrics.classification."""
    nats = float(sums['nats']) / max(float(sums['count']), 1.0)
    return {**metrics.summarize(sums['confusion']), 'cross_entropy': nats}

  def protocol(self, state):
    """Returns whether the averaged network is measured."""
    return {'ema': state.networks['net'].averaged(self.options.eval.use_ema)}

  def outputs(self, state, images):
    """Returns (logits float32 (n, classes), features float32 (n, m)) of images, see Classifies."""
    return batch_by_batch(functools.partial(self._outputs, state), self.options.eval.batch_size, images)

  # Pictures.

  def pictures(self, state, batch, key):
    """Returns {'predictions': images of the batch under which the class that is named stands, beside the true one where
    that is another}."""
    del key
    images, labels = np.asarray(batch['image'][: self.options.samples.num]), np.asarray(batch['label'])
    logits, _ = self.outputs(state, images)
    return {'predictions': plots.named_grid(images, self.describe(labels, logits))}

  def describe(self, labels, logits):
    """Returns a text for each image: its class, and after an arrow the class that is named instead."""
    names = self.class_names
    return [
      names[label] if label == named else f'{names[label]} -> {names[named]}'
      for label, named in zip(labels, logits.argmax(-1))
    ]

  def transform_image(self, state, image):
    """Names the classes of a user's own picture.

    Args:
      state: State.
      image: uint8 or uint16 (height, width, 1 to 4), see deconv.data.read_picture.

    Returns:
      {'': what the network sees of the picture, enlarged, and under it the most likely classes}.
    """
    options = self.options.data
    seen = decode.fit(data.opaque(image, options.channels, options.background), options)
    logits, _ = self.outputs(state, seen[None])
    shares = np.exp(logits[0] - np.logaddexp.reduce(logits[0]))
    order = np.argsort(-shares)[:_NAMED]
    text = '\n'.join(f'{self.class_names[i]}  {100 * shares[i]:.1f} %' for i in order)
    return {'': plots.caption(plots.enlarge(seen, max(1, 256 // options.image_size)), text)}
