"""A convolutional classifier: stages of convolutions and a pooling, then dense layers.

With widths (20, 50), convs 1, kernel_size 5, hidden (500,) and no batch norm it is the LeNet of the Caffe examples,
after LeCun et al. 1998, but for the border: convolutions here are padded. Kernels start by He et al. 2015.
"""

from typing import Any

from flax import linen as nn
import jax.numpy as jnp

from deconv import layers, ops
from deconv.options.models.classifiers import CnnOptions

_POOLS = {'max': lambda x: ops.max_pool(x, 2)[0], 'average': lambda x: ops.avg_pool(x, 2)}


class Classifier(nn.Module):
  """Images (batch, height, width, channels) in [-1, 1] -> (logits (batch, classes), features (batch, n)), both float32.

  Features are what the class scores are a linear function of: the output of the last hidden layer, without dropout's
  scaling at evaluation.

  Attributes:
    options: CnnOptions.
    dtype: type that is computed in.
    batch_norm_axis: mapped axis over which batch norm takes its statistics, or None.
  """

  options: CnnOptions
  dtype: Any
  batch_norm_axis: str | None

  @nn.compact
  def __call__(self, x, train):
    options = self.options
    for stage, width in enumerate(options.widths, 1):
      for i in range(1, options.convs + 1):
        x = layers.Conv(
          width,
          options.kernel_size,
          padding=options.kernel_size // 2,
          use_bias=not options.batch_norm,
          dtype=self.dtype,
          kernel_init=None,
          name=f'conv{stage}_{i}',
        )(x)
        x = self._norm_relu(x, f'norm{stage}_{i}', train)
      x = _POOLS[options.pool](x)  # b h/2**stage w/2**stage width; an odd row or column is left out
    x = x.mean(axis=(1, 2)) if options.global_pool else x.reshape(len(x), -1)
    for i, units in enumerate(options.hidden, 1):
      x = nn.Dropout(options.dropout, deterministic=not train)(x)
      x = nn.Dense(units, use_bias=not options.batch_norm, dtype=self.dtype, kernel_init=_dense_init, name=f'dense{i}')(
        x
      )
      x = self._norm_relu(x, f'norm_dense{i}', train)  # b units
    features = x.astype(jnp.float32)
    x = nn.Dropout(options.dropout, deterministic=not train)(features)
    return nn.Dense(options.num_classes, name='logits')(x), features

  def _norm_relu(self, x, name, train):
    if self.options.batch_norm:
      x = layers.BatchNorm(
        use_running_average=not train,
        decay=self.options.batch_norm_momentum,
        axis_name=self.batch_norm_axis,
        dtype=self.dtype,
        name=name,
      )(x)
    return nn.relu(x)


_dense_init = layers.fan_in_normal(2.0)


def build(options, *, dtype, batch_norm_axis):
  """Returns the Classifier of CnnOptions."""
  return Classifier(options=options, dtype=dtype, batch_norm_axis=batch_norm_axis)
