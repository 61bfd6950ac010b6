"""VGG-16's trained weights, from a file that the user has, into an encoder of its shape.

Nothing is downloaded. Read are `.npz` archives and `.safetensors` files whose arrays have one of these names:

| names of    | kernels         | convolution                                       | fc6, fc7                 |
|-------------|-----------------|---------------------------------------------------|--------------------------|
| torchvision | (out, in, h, w) | features.0.weight, features.0.bias, ...           | classifier.0.weight, ... |
| Caffe       | (out, in, h, w) | conv1_1.weight, conv1_1.bias, ...                 | fc6.weight, fc6.bias     |
| TensorFlow  | (h, w, in, out) | conv1_1_W, conv1_1_b, or conv1_1/kernel and /bias | fc6_W or fc6/kernel      |

A flat fc6, (4096, 25088) or in the last row (25088, 4096), is taken apart in the order of its framework: 25088 is
(512, 7, 7) in the first two rows and (7, 7, 512) in the last. How images must be scaled for the weights is
`model.pixels`: 'imagenet' for torchvision's, 'caffe' for the authors'.
"""

import re

from absl import logging
import jax.numpy as jnp
import numpy as np

from deconv.errors import UserError
from deconv.models import weight_files

NAMES = tuple(f'conv{i + 1}_{j + 1}' for i, n in enumerate((2, 2, 3, 3, 3)) for j in range(n))
_FEATURES = dict(zip((0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28), NAMES))  # between them: ReLU and pooling
_CLASSIFIER = {0: 'fc6', 3: 'fc7'}
_FC_WINDOW = {'fc6': 7, 'fc7': 1}


def load(path):
  """Reads a file of weights.

  Args:
    path: a .npz or .safetensors file; see the names above. Other arrays in it are left alone.

  Returns:
    {'conv1_1': {'kernel': float32 (3, 3, 3, 64), 'bias': (64,)}, ..., 'fc6': {'kernel': (7, 7, 512, 4096), ...}, 'fc7':
    ...}: the layers that the file has, kernels (h, w, in, out). There may be no fc6 and fc7.

  Raises:
    UserError: no such file, another format, a broken file, or not all of the 13 convolutions in it.
  """
  arrays, out = weight_files.read(path, 'model.weights'), {}
  for name, value in arrays.items():
    place = _place(name)
    if place:
      layer, kind, torch_layout = place
      out.setdefault(layer, {})[kind] = _kernel(path, name, layer, value, torch_layout) if kind == 'kernel' else value
  missing = [f'{name} ({part})' for name in NAMES for part in ('kernel', 'bias') if part not in out.get(name, {})]
  if missing:
    raise UserError(
      f"'{path}' is not a file of VGG-16's weights: it lacks {weight_files.some(missing)}; its arrays are called "
      f'{weight_files.some(sorted(arrays))}'
    )
  return {name: {kind: np.asarray(value, np.float32) for kind, value in layer.items()} for name, layer in out.items()}


def initialize(params, path):
  """Returns the parameters of a segmentation network with the encoder's kernels and biases read from `path`.

  `fc6` and `fc7` are filled in where network and file both have them in one shape. A bias has no place where batch norm
  follows (which would subtract it), and is left out.

  Args:
    params: {'encoder': {'conv1_1': {'kernel'[, 'bias']}, ...}, ...} of fcn, deconvnet, segnet or unet.
    path: as for load.

  Raises:
    UserError: what `load` raises; no encoder in the network, or one of another shape: the first layer that does not fit
    is
      named.
  """
  if 'encoder' not in params or 'conv1_1' not in params['encoder']:
    raise UserError(
      "model.weights: this network has no VGG encoder; choose fcn, deconvnet, segnet or unet, or leave model.weights=''"
    )
  weights, encoder, params = load(path), dict(params['encoder']), dict(params)
  layers = [name for name in encoder if name.startswith('conv')]
  if set(layers) != set(NAMES):
    raise UserError(
      f'model.weights: VGG-16 has the convolutions {", ".join(NAMES)}, this network {", ".join(layers)}; '
      'set model.depth=5 and model.convs=(2, 2, 3, 3, 3)'
    )
  for name in NAMES:
    wanted, given = encoder[name]['kernel'].shape, weights[name]['kernel'].shape
    if wanted != given:
      raise UserError(
        f"model.weights: {name} has a kernel of shape {given} in '{path}', and {wanted} in this network; "
        'VGG-16 needs model.width=64 and data.channels=3'
      )
    encoder[name] = _filled(encoder[name], weights[name])
  params['encoder'] = encoder
  for name in _FC_WINDOW:
    if name in params and name in weights:
      if params[name]['kernel'].shape == weights[name]['kernel'].shape:
        params[name] = _filled(params[name], weights[name])
      else:
        logging.warning(
          '%s of %s has shape %s, this network %s: it starts at random',
          name,
          path,
          weights[name]['kernel'].shape,
          params[name]['kernel'].shape,
        )
  return params


def _filled(layer, weights):
  return {kind: jnp.asarray(weights[kind], value.dtype) if kind in weights else value for kind, value in layer.items()}


def _place(name):
  """Returns (layer, 'kernel' or 'bias', kernel is (out, in, ...)) for the name of an array, or None."""
  match = re.fullmatch(r'(features|classifier)\.(\d+)\.(weight|bias)', name)
  if match:
    layer = (_FEATURES if match[1] == 'features' else _CLASSIFIER).get(int(match[2]))
    return layer and (layer, 'kernel' if match[3] == 'weight' else 'bias', True)
  match = re.fullmatch(r'(conv\d_\d|fc[67])(\.weight|\.bias|_W|_b|/kernel|/bias)', name)
  if match:
    return match[1], 'bias' if match[2] in ('.bias', '_b', '/bias') else 'kernel', match[2] == '.weight'
  return None


def _kernel(path, name, layer, value, torch_layout):
  """Returns a kernel (h, w, in, out)."""
  if value.ndim == 2 and layer in _FC_WINDOW:
    side = _FC_WINDOW[layer]
    c_in, c_out = value.shape[::-1] if torch_layout else value.shape
    if c_in % side**2:
      raise UserError(
        f"model.weights: {name} of '{path}' has shape {value.shape}; {c_in} inputs are not a map of {side}x{side}"
      )
    c_in //= side**2
    value = value.reshape((c_out, c_in, side, side) if torch_layout else (side, side, c_in, c_out))
  if value.ndim != 4:
    raise UserError(
      f"model.weights: {name} of '{path}' has shape {value.shape}, which is no kernel of a convolution "
      '(perhaps the file is of VGG-16 with batch norm, whose layers are numbered differently; use plain VGG-16)'
    )
  return value.transpose(2, 3, 1, 0) if torch_layout else value
