"""Inception v3 of 5 December 2015, the network whose features FID is defined by (Heusel et al. 2017).

Szegedy et al. 2016 (arXiv 1512.00567), but with what is particular to the graph of that day, which torchvision's
`inception_v3` does not share:

- average pooling in the mixed blocks divides by the pixels inside of the map, and leaves the border out;
- the pooling branch of the last block, Mixed_7c, takes the maximum;
- 1008 logits; no auxiliary head.

Batch norm has the epsilon 1e-3 and its running statistics. 21,785,568 parameters up to pool3 and 2,065,392 of the
logits. Layers have the names of torchvision's, which the public file of the weights uses.

The input is what the first convolution sees: about [-1, 1]. Where that graph reads images itself, it takes
(level - 128) / 128; deconv.metrics.features does the same.

The weights are not part of deconv. `load` reads a file that `python -m scripts.convert_inception` makes from the
public one:

  https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth

whose SHA-256 begins with the eight digits at the end of its name.
"""

import functools

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from deconv import layers, ops
from deconv.errors import UserError
from deconv.models import weight_files

SIDE = 299  # of the images
LEAST_SIDE = 75  # smaller ones vanish on the way
PUBLIC_FILE = 'pt_inception-2015-12-05-6726825d.pth'
PUBLIC_CHECKSUM = '6726825d'  # the first digits of the SHA-256 of that file
WHERE = (
  f'download {PUBLIC_FILE} from https://github.com/mseitzer/pytorch-fid/releases/tag/fid_weights and convert it once: '
  f'python -m scripts.convert_inception {PUBLIC_FILE} inception.safetensors'
)
NUM_CLASSES = 1008
TAPS = ('64', '192', '768', '2048')  # by their channels, as pytorch-fid calls them


class Unit(nn.Module):
  """Convolution without bias, batch norm by its running statistics, ReLU.

  Attributes:
    features: channels of the output.
    kernel_size, strides, padding: of deconv.layers.Conv.
  """

  features: int
  kernel_size: int | tuple[int, int] = 1
  strides: int = 1
  padding: int | tuple[int, int] = 0

  @nn.compact
  def __call__(self, x):
    x = layers.Conv(
      self.features, self.kernel_size, strides=self.strides, padding=self.padding, use_bias=False, name='conv'
    )(x)
    return nn.relu(layers.BatchNorm(use_running_average=True, epsilon=1e-3, name='bn')(x))


def _chain(x, prefix, *units):
  """Units in a row, called `{prefix}_1`, `{prefix}_2`, ..."""
  for i, unit in enumerate(units, 1):
    x = Unit(*unit, name=f'{prefix}_{i}')(x)
  return x


def _average(x):
  return ops.avg_pool(x, 3, 1, 1, count_padding=False)


def _maximum(x, strides, padding):
  return ops.max_pool(x, 3, strides, padding)[0]


class MixedA(nn.Module):
  """(b, 35, 35, c) -> (b, 35, 35, 224 + pooled)."""

  pooled: int

  @nn.compact
  def __call__(self, x):
    return jnp.concatenate(
      [
        Unit(64, name='branch1x1')(x),
        _chain(x, 'branch5x5', (48,), (64, 5, 1, 2)),
        _chain(x, 'branch3x3dbl', (64,), (96, 3, 1, 1), (96, 3, 1, 1)),
        Unit(self.pooled, name='branch_pool')(_average(x)),
      ],
      axis=-1,
    )


class MixedB(nn.Module):
  """(b, 35, 35, 288) -> (b, 17, 17, 768)."""

  @nn.compact
  def __call__(self, x):
    return jnp.concatenate(
      [
        Unit(384, 3, 2, name='branch3x3')(x),
        _chain(x, 'branch3x3dbl', (64,), (96, 3, 1, 1), (96, 3, 2)),
        _maximum(x, 2, 0),
      ],
      axis=-1,
    )


class MixedC(nn.Module):
  """(b, 17, 17, 768) -> the same; `narrow` channels between the 1x7 and 7x1 convolutions."""

  narrow: int

  @nn.compact
  def __call__(self, x):
    c, wide, high = self.narrow, ((1, 7), 1, (0, 3)), ((7, 1), 1, (3, 0))
    return jnp.concatenate(
      [
        Unit(192, name='branch1x1')(x),
        _chain(x, 'branch7x7', (c,), (c, *wide), (192, *high)),
        _chain(x, 'branch7x7dbl', (c,), (c, *high), (c, *wide), (c, *high), (192, *wide)),
        Unit(192, name='branch_pool')(_average(x)),
      ],
      axis=-1,
    )


class MixedD(nn.Module):
  """(b, 17, 17, 768) -> (b, 8, 8, 1280)."""

  @nn.compact
  def __call__(self, x):
    return jnp.concatenate(
      [
        _chain(x, 'branch3x3', (192,), (320, 3, 2)),
        _chain(x, 'branch7x7x3', (192,), (192, (1, 7), 1, (0, 3)), (192, (7, 1), 1, (3, 0)), (192, 3, 2)),
        _maximum(x, 2, 0),
      ],
      axis=-1,
    )


class MixedE(nn.Module):
  """(b, 8, 8, c) -> (b, 8, 8, 2048).

  Attributes:
    maximum: the pooling branch takes the maximum, as that of the last block does.
  """

  maximum: bool

  @nn.compact
  def __call__(self, x):
    three = Unit(384, name='branch3x3_1')(x)
    double = _chain(x, 'branch3x3dbl', (448,), (384, 3, 1, 1))
    wide, high = (384, (1, 3), 1, (0, 1)), (384, (3, 1), 1, (1, 0))
    return jnp.concatenate(
      [
        Unit(320, name='branch1x1')(x),
        Unit(*wide, name='branch3x3_2a')(three),
        Unit(*high, name='branch3x3_2b')(three),
        Unit(*wide, name='branch3x3dbl_3a')(double),
        Unit(*high, name='branch3x3dbl_3b')(double),
        Unit(192, name='branch_pool')(_maximum(x, 1, 1) if self.maximum else _average(x)),
      ],
      axis=-1,
    )


class Inception(nn.Module):
  """Images (b, 299, 299, 3) in about [-1, 1] -> taps and logits.

  Returns:
    {'64', '192', '768', '2048': float32 (b, channels), means over the map after the first and the second max pooling,
    before Mixed_7a and after Mixed_7c (pool3, which FID is defined by); 'logits': (b, 1008); 'logits_unbiased': the
    same without their bias, as the inception score is defined}.
  """

  @nn.compact
  def __call__(self, x):
    taps = {}

    def tap(x):
      taps[str(x.shape[-1])] = jnp.mean(x, axis=(1, 2))

    x = Unit(32, 3, 2, name='Conv2d_1a_3x3')(x)  # b 149 149 32
    x = Unit(32, 3, name='Conv2d_2a_3x3')(x)  # b 147 147 32
    x = Unit(64, 3, 1, 1, name='Conv2d_2b_3x3')(x)  # b 147 147 64
    x = _maximum(x, 2, 0)  # b 73 73 64
    tap(x)
    x = Unit(80, name='Conv2d_3b_1x1')(x)  # b 73 73 80
    x = Unit(192, 3, name='Conv2d_4a_3x3')(x)  # b 71 71 192
    x = _maximum(x, 2, 0)  # b 35 35 192
    tap(x)
    x = MixedA(32, name='Mixed_5b')(x)  # b 35 35 256
    x = MixedA(64, name='Mixed_5c')(x)  # b 35 35 288
    x = MixedA(64, name='Mixed_5d')(x)
    x = MixedB(name='Mixed_6a')(x)  # b 17 17 768
    x = MixedC(128, name='Mixed_6b')(x)
    x = MixedC(160, name='Mixed_6c')(x)
    x = MixedC(160, name='Mixed_6d')(x)
    x = MixedC(192, name='Mixed_6e')(x)
    tap(x)
    x = MixedD(name='Mixed_7a')(x)  # b 8 8 1280
    x = MixedE(False, name='Mixed_7b')(x)  # b 8 8 2048
    x = MixedE(True, name='Mixed_7c')(x)
    tap(x)
    weights = self.param('fc_kernel', nn.initializers.normal(0.02), (x.shape[-1], NUM_CLASSES), jnp.float32)
    bias = self.param('fc_bias', nn.initializers.zeros, (NUM_CLASSES,), jnp.float32)
    unbiased = taps['2048'] @ weights
    return {**taps, 'logits_unbiased': unbiased, 'logits': unbiased + bias}


def load(path):
  """Reads the weights.

  Args:
    path: .safetensors or .npz file that `python -m scripts.convert_inception` has written: the arrays of PyTorch's
      state dict by their names ('Conv2d_1a_3x3.conv.weight', ..., 'fc.bias') and in their shapes, kernels (out, in, h,
      w).

  Returns:
    The variables {'params', 'batch_stats'} of `Inception`, float32 arrays of NumPy.

  Raises:
    UserError: no such file, a broken one, or one with other arrays: the first that is missing or does not fit is named.
  """
  try:
    arrays = weight_files.read(path, 'the weights of Inception')
  except UserError as error:
    raise UserError(f'{error}; {WHERE}') from error
  variables, missing = {'params': {}, 'batch_stats': {}}, []
  for name, (place, shape) in arrays_of_file().items():
    if name not in arrays:
      missing.append(name)
      continue
    if arrays[name].shape != shape:
      raise UserError(
        f"the weights of Inception: {name} has the shape {arrays[name].shape} in '{path}', and {shape} in the network "
        f'of 2015; {WHERE}'
      )
    value = np.asarray(arrays[name], np.float32)
    if not np.isfinite(value).all():
      raise UserError(f"the weights of Inception: {name} in '{path}' is not finite; {WHERE}")
    inner = variables
    for key in place[:-1]:
      inner = inner.setdefault(key, {})
    inner[place[-1]] = value.transpose(2, 3, 1, 0) if value.ndim == 4 else value.T
  if missing:
    raise UserError(
      f"the weights of Inception: '{path}' lacks {weight_files.some(missing)}; its arrays are called "
      f'{weight_files.some(sorted(arrays))}; {WHERE}'
    )
  return variables


@functools.cache
def arrays_of_file():
  """Returns {name in the file: (place in the variables, shape in the file)} of all arrays that `load` needs."""
  shapes = jax.eval_shape(Inception().init, jax.random.key(0), jnp.zeros((1, LEAST_SIDE, LEAST_SIDE, 3)))
  kinds = {'kernel': 'weight', 'scale': 'weight', 'bias': 'bias', 'mean': 'running_mean', 'var': 'running_var'}
  found = {}
  for path, leaf in jax.tree_util.tree_leaves_with_path(shapes):
    place = tuple(key.key for key in path)
    if place[-1].startswith('fc_'):
      name = {'fc_kernel': 'fc.weight', 'fc_bias': 'fc.bias'}[place[-1]]
    else:
      name = '.'.join((*place[1:-1], kinds[place[-1]]))
    shape = leaf.shape
    found[name] = place, (shape[3], shape[2], *shape[:2]) if len(shape) == 4 else shape[::-1]
  return found


def features(variables, images):
  """pool3, the features that FID is defined by.

  Args:
    variables: of `load`.
    images: float (n, 299, 299, 3) in [-1, 1]; other sides of LEAST_SIDE and more go through too, but are not FID's.

  Returns:
    float32 (n, 2048).

  Raises:
    ValueError: images of another shape or type.
  """
  return outputs(variables, images)['2048']


def outputs(variables, images):
  """All that `Inception` gives for images; see there and `features`."""
  images = jnp.asarray(images)
  if images.ndim != 4 or images.shape[-1] != 3 or min(images.shape[1:3]) < LEAST_SIDE:
    raise ValueError(f'Inception takes images (n, {SIDE}, {SIDE}, 3), not {images.shape}')
  if not jnp.issubdtype(images.dtype, jnp.floating):
    raise ValueError(f'Inception takes floats in [-1, 1], not {images.dtype}')
  # An accelerator's default has three digits: features, and numbers made of them, would depend on the device.
  with jax.default_matmul_precision('highest'):
    return _apply(variables, images.astype(jnp.float32))


_apply = jax.jit(Inception().apply)
