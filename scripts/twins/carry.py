"""Our weights in PyTorch's layouts."""

import numpy as np
import torch
from torch import nn

from scripts.twins.twin import Dense


def carry(network, params, batch_stats=None):
  """Gives a network our parameters and running statistics.

  Args:
    network: nn.Module whose modules have the names of our layers.
    params: nested dict of arrays, of the Linen module.
    batch_stats: the same, of its running statistics.

  Raises:
    KeyError: the network has a layer that we have not.
    ValueError: we have a layer that the network has not, or another shape.
  """
  left = {path: np.asarray(x) for path, x in _leaves({'params': params, 'batch_stats': batch_stats or {}})}
  for name, module in network.named_modules():
    own = dict(module.named_parameters(recurse=False)), dict(module.named_buffers(recurse=False))
    path = tuple(name.split('.')) if name else ()
    for leaf, tensor in (own[0] | own[1]).items():
      if leaf == 'num_batches_tracked':
        continue
      kind, ours, change = _FROM[_kind(module), leaf]
      value = change(left.pop((kind, *path, ours)), module)
      if value.shape != tuple(tensor.shape):
        raise ValueError(f'{name}.{leaf}: {value.shape} for {tuple(tensor.shape)}')
      with torch.no_grad():
        tensor.copy_(torch.tensor(value))
  if left:
    raise ValueError(f'the network has no {sorted(left)[0]}')


def _leaves(tree, path=()):
  for name, value in tree.items():
    if hasattr(value, 'items'):
      yield from _leaves(value, (*path, name))
    else:
      yield (*path, name), value


def _kind(module):
  kinds = nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.BatchNorm2d, nn.PReLU
  return next(kind for kind in kinds if isinstance(module, kind))


def _as_is(x, module):
  del module
  return x


def _convolution(x, module):  # (kh, kw, c_in, c_out) -> (c_out, c_in, kh, kw)
  del module
  return x.transpose(3, 2, 0, 1)


def _transposed(x, module):  # (kh, kw, c_in, c_out) -> (c_in, c_out, kh, kw)
  del module
  return x.transpose(2, 3, 0, 1)


def _dense(x, module):  # (in, out) -> (out, in), maps with their channels first
  x = x.T
  if isinstance(module, Dense) and module.reads:
    x = x.reshape(-1, *module.reads).transpose(0, 3, 1, 2).reshape(len(x), -1)
  return _written(x, module)


def _written(x, module):
  if not isinstance(module, Dense) or not module.writes:
    return x
  x = x.reshape(*module.writes, -1).transpose(2, 0, 1, 3)
  return x.reshape(module.out_features, *([-1] if x.size > module.out_features else []))


# (kind of layer, name of a tensor) -> (collection, our name, what turns ours into it).
_FROM = {
  (nn.Conv2d, 'weight'): ('params', 'kernel', _convolution),
  (nn.Conv2d, 'bias'): ('params', 'bias', _as_is),
  (nn.ConvTranspose2d, 'weight'): ('params', 'kernel', _transposed),
  (nn.ConvTranspose2d, 'bias'): ('params', 'bias', _as_is),
  (nn.Linear, 'weight'): ('params', 'kernel', _dense),
  (nn.Linear, 'bias'): ('params', 'bias', _written),
  (nn.BatchNorm2d, 'weight'): ('params', 'scale', _as_is),
  (nn.BatchNorm2d, 'bias'): ('params', 'bias', _as_is),
  (nn.BatchNorm2d, 'running_mean'): ('batch_stats', 'mean', _as_is),
  (nn.BatchNorm2d, 'running_var'): ('batch_stats', 'var', _as_is),
  (nn.PReLU, 'weight'): ('params', 'slope', _as_is),
}
