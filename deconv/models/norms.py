"""What normalises the features of a generator or a discriminator, by name."""

from flax import linen as nn
import jax
import jax.numpy as jnp

from deconv import layers

NORMS = ('batch', 'layer', 'instance', 'none')


def make(kind, name, *, train, axis_name, dtype, decay=0.9, affine=True, gain=nn.initializers.ones):
  """Returns a function from features (batch, ..., channels) to normalised ones, with parameters under `name`.

  | kind     | mean and variance over                                   | at evaluation |
  |----------|----------------------------------------------------------|---------------|
  | batch    | the batch and all places, for each channel               | running ones  |
  | layer    | places and channels, for each image (Ba et al. 2016)     | its own       |
  | instance | all places, for each image and channel (Ulyanov et al. 2016); vectors are left as they are | its own |
  | none     |                                                          |               |

  Gain and bias are one number a channel in all of them.

  Args:
    kind: of NORMS.
    name: of the module in the network that calls this.
    train: whether batch norm takes the statistics of its batch.
    axis_name: mapped axis over which batch norm takes its statistics, or None.
    dtype: type that is computed in.
    decay: of batch norm's running statistics per step.
    affine: whether there are a gain and a bias.
    gain: initialiser of the gain.
  """
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


def join(x, label):
  """Joins a vector (batch, n) to the channels of every place of x (batch, ..., channels); None changes nothing."""
  if label is None:
    return x
  label = label.astype(x.dtype).reshape(len(label), *(1,) * (x.ndim - 2), -1)
  return jnp.concatenate([x, jnp.broadcast_to(label, (*x.shape[:-1], label.shape[-1]))], axis=-1)


def one_hot(labels, num_classes, dtype):
  """Labels int32 (batch,) -> (batch, num_classes); None stays None."""
  return None if labels is None else jax.nn.one_hot(labels, num_classes, dtype=dtype)
