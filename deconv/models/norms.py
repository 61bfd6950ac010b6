"""What normalises the features of a generator or a discriminator, by name."""

import functools

from flax import linen as nn
import jax
import jax.numpy as jnp

from deconv import layers

NORMS = ('batch', 'layer', 'instance', 'none')


def of(network, kind, train, **fields):
  """Returns `make` of a network that has `options`, `axis_name` and `dtype`: a function of a name."""
  common = dict(train=train, axis_name=network.axis_name, dtype=network.dtype)
  return functools.partial(make, kind, decay=network.options.batch_norm_momentum, **common, **fields)


def make(kind, name, *, train, axis_name, dtype, decay=0.9, affine=True, gain=nn.initializers.ones, label=None):
  """Returns a function from features (batch, ..., channels) to normalised ones, with parameters under `name`.

  | kind     | mean and variance over                                   | at evaluation |
  |----------|----------------------------------------------------------|---------------|
  | batch    | the batch and all places, for each channel               | running ones  |
  | layer    | places and channels, for each image (Ba et al. 2016)     | its own       |
  | instance | all places, for each image and channel (Ulyanov et al. 2016); vectors are left as they are | its own |
  | none     |                                                          |               |

  Gain and bias are one number a channel in all of them; with a label, one for each class and channel (Dumoulin et al.
  2017, section 2.2; Miyato & Koyama 2018 with batch norm).

  Args:
    kind: of NORMS.
    name: of the module in the network that calls this.
    train: whether batch norm takes the statistics of its batch.
    axis_name: mapped axis over which batch norm takes its statistics, or None.
    dtype: type that is computed in.
    decay: of batch norm's running statistics per step.
    affine: whether there are a gain and a bias.
    gain: initialiser of the gain.
    label: (batch, classes), the label as a vector, for a gain and a bias that depend on it; or None.
  """
  if label is not None and kind != 'none':
    plain = dict(train=train, axis_name=axis_name, dtype=dtype, decay=decay, affine=False)
    return lambda x: ByClass(kind, label.shape[-1], plain, gain, name=name)(x, label)
  common = dict(dtype=dtype, use_scale=affine, use_bias=affine, scale_init=gain, name=name)
  if kind == 'batch':
    return layers.BatchNorm(use_running_average=not train, decay=decay, axis_name=axis_name, **common)
  if kind == 'none':
    return lambda x: x

  def normalise(x):
    if kind == 'instance' and x.ndim == 2:
      return x
    axes = tuple(range(1, x.ndim if kind == 'layer' else x.ndim - 1))
    return nn.LayerNorm(epsilon=1e-5, reduction_axes=axes, feature_axes=-1, **common)(x)

  return normalise


class ByClass(nn.Module):
  """A norm whose gain and bias depend on the class.

  Attributes:
    kind: of NORMS.
    classes: number of classes.
    plain: arguments of `make`.
    gain: initialiser of the gain (classes, channels).
  """

  kind: str
  classes: int
  plain: dict
  gain: nn.initializers.Initializer

  @nn.compact
  def __call__(self, x, label):
    shape = self.classes, x.shape[-1]
    gain = self.param('gain', self.gain, shape, jnp.float32)
    bias = self.param('bias', nn.initializers.zeros, shape, jnp.float32)
    x = make(self.kind, 'norm', **self.plain)(x)
    label = label.astype(jnp.float32)
    gain, bias = ((label @ table).astype(x.dtype).reshape(len(x), *(1,) * (x.ndim - 2), -1) for table in (gain, bias))
    return x * gain + bias


def join(x, label):
  """Joins a vector (batch, n) to the channels of every place of x (batch, ..., channels); None changes nothing."""
  if label is None:
    return x
  label = label.astype(x.dtype).reshape(len(label), *(1,) * (x.ndim - 2), -1)
  return jnp.concatenate([x, jnp.broadcast_to(label, (*x.shape[:-1], label.shape[-1]))], axis=-1)


def for_generator(options, z):
  """Returns (what the first layer takes of the latent (batch, size), the label for the norms or None)."""
  if options.gen_label != 'norm':
    return z, None
  return z[:, : -options.num_classes], z[:, -options.num_classes :]


def for_discriminator(options, x, labels):
  """Returns images or vectors (batch, ..., channels), the label joined to them where it is to be."""
  return join(x, one_hot(labels, options.num_classes, x.dtype)) if options.disc_label == 'concat' else x


def one_hot(labels, num_classes, dtype):
  """Labels int32 (batch,) -> (batch, num_classes); None stays None."""
  return None if labels is None else jax.nn.one_hot(labels, num_classes, dtype=dtype)
