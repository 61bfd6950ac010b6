"""The Inception of 2015 once more: a list of its layers, and a plain forward in float64 that shares no code with ours.

Kernels are (out, in, h, w), images (n, c, h, w), as in PyTorch.
"""

import numpy as np

# name: (in, out, window, stride, padding); the heights come first.
LAYERS = {
  'Conv2d_1a_3x3': (3, 32, (3, 3), 2, (0, 0)),
  'Conv2d_2a_3x3': (32, 32, (3, 3), 1, (0, 0)),
  'Conv2d_2b_3x3': (32, 64, (3, 3), 1, (1, 1)),
  'Conv2d_3b_1x1': (64, 80, (1, 1), 1, (0, 0)),
  'Conv2d_4a_3x3': (80, 192, (3, 3), 1, (0, 0)),
}
for block, c, pooled in (('5b', 192, 32), ('5c', 256, 64), ('5d', 288, 64)):
  LAYERS |= {
    f'Mixed_{block}.branch1x1': (c, 64, (1, 1), 1, (0, 0)),
    f'Mixed_{block}.branch5x5_1': (c, 48, (1, 1), 1, (0, 0)),
    f'Mixed_{block}.branch5x5_2': (48, 64, (5, 5), 1, (2, 2)),
    f'Mixed_{block}.branch3x3dbl_1': (c, 64, (1, 1), 1, (0, 0)),
    f'Mixed_{block}.branch3x3dbl_2': (64, 96, (3, 3), 1, (1, 1)),
    f'Mixed_{block}.branch3x3dbl_3': (96, 96, (3, 3), 1, (1, 1)),
    f'Mixed_{block}.branch_pool': (c, pooled, (1, 1), 1, (0, 0)),
  }
LAYERS |= {
  'Mixed_6a.branch3x3': (288, 384, (3, 3), 2, (0, 0)),
  'Mixed_6a.branch3x3dbl_1': (288, 64, (1, 1), 1, (0, 0)),
  'Mixed_6a.branch3x3dbl_2': (64, 96, (3, 3), 1, (1, 1)),
  'Mixed_6a.branch3x3dbl_3': (96, 96, (3, 3), 2, (0, 0)),
}
for block, c in (('6b', 128), ('6c', 160), ('6d', 160), ('6e', 192)):
  LAYERS |= {
    f'Mixed_{block}.branch1x1': (768, 192, (1, 1), 1, (0, 0)),
    f'Mixed_{block}.branch7x7_1': (768, c, (1, 1), 1, (0, 0)),
    f'Mixed_{block}.branch7x7_2': (c, c, (1, 7), 1, (0, 3)),
    f'Mixed_{block}.branch7x7_3': (c, 192, (7, 1), 1, (3, 0)),
    f'Mixed_{block}.branch7x7dbl_1': (768, c, (1, 1), 1, (0, 0)),
    f'Mixed_{block}.branch7x7dbl_2': (c, c, (7, 1), 1, (3, 0)),
    f'Mixed_{block}.branch7x7dbl_3': (c, c, (1, 7), 1, (0, 3)),
    f'Mixed_{block}.branch7x7dbl_4': (c, c, (7, 1), 1, (3, 0)),
    f'Mixed_{block}.branch7x7dbl_5': (c, 192, (1, 7), 1, (0, 3)),
    f'Mixed_{block}.branch_pool': (768, 192, (1, 1), 1, (0, 0)),
  }
LAYERS |= {
  'Mixed_7a.branch3x3_1': (768, 192, (1, 1), 1, (0, 0)),
  'Mixed_7a.branch3x3_2': (192, 320, (3, 3), 2, (0, 0)),
  'Mixed_7a.branch7x7x3_1': (768, 192, (1, 1), 1, (0, 0)),
  'Mixed_7a.branch7x7x3_2': (192, 192, (1, 7), 1, (0, 3)),
  'Mixed_7a.branch7x7x3_3': (192, 192, (7, 1), 1, (3, 0)),
  'Mixed_7a.branch7x7x3_4': (192, 192, (3, 3), 2, (0, 0)),
}
for block, c in (('7b', 1280), ('7c', 2048)):
  LAYERS |= {
    f'Mixed_{block}.branch1x1': (c, 320, (1, 1), 1, (0, 0)),
    f'Mixed_{block}.branch3x3_1': (c, 384, (1, 1), 1, (0, 0)),
    f'Mixed_{block}.branch3x3_2a': (384, 384, (1, 3), 1, (0, 1)),
    f'Mixed_{block}.branch3x3_2b': (384, 384, (3, 1), 1, (1, 0)),
    f'Mixed_{block}.branch3x3dbl_1': (c, 448, (1, 1), 1, (0, 0)),
    f'Mixed_{block}.branch3x3dbl_2': (448, 384, (3, 3), 1, (1, 1)),
    f'Mixed_{block}.branch3x3dbl_3a': (384, 384, (1, 3), 1, (0, 1)),
    f'Mixed_{block}.branch3x3dbl_3b': (384, 384, (3, 1), 1, (1, 0)),
    f'Mixed_{block}.branch_pool': (c, 192, (1, 1), 1, (0, 0)),
  }


def random_state(seed=0):
  """{name: float32 array} of a state dict, such that signals neither vanish nor explode on their way."""
  random, state = np.random.default_rng(seed), {}
  for name, (c_in, c_out, window, _, _) in LAYERS.items():
    scale = np.sqrt(2 / (c_in * window[0] * window[1]))
    state[f'{name}.conv.weight'] = scale * random.standard_normal((c_out, c_in, *window), np.float32)
    state[f'{name}.bn.weight'] = random.uniform(0.8, 1.2, c_out)
    state[f'{name}.bn.bias'] = random.uniform(-0.2, 0.3, c_out)
    state[f'{name}.bn.running_mean'] = random.uniform(-0.1, 0.1, c_out)
    state[f'{name}.bn.running_var'] = random.uniform(0.001, 1.2, c_out)
  state['fc.weight'] = 0.02 * random.standard_normal((1008, 2048))
  state['fc.bias'] = random.uniform(-1, 1, 1008)
  return {name: np.asarray(value, np.float32) for name, value in state.items()}


def forward(state, images, average_counts_border=False, last_pool='max', epsilon=1e-3):
  """Taps and logits float64 of images (n, h, w, 3); the arguments after are what others do otherwise."""
  state = {name: value.astype(np.float64) for name, value in state.items()}

  def unit(x, name):
    _, _, window, stride, padding = LAYERS[name]
    kernel = state[f'{name}.conv.weight']
    x = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
    windows = np.lib.stride_tricks.sliding_window_view(x, window, axis=(2, 3))[:, :, ::stride, ::stride]
    n, _, h, w = windows.shape[:4]
    y = windows.transpose(0, 2, 3, 1, 4, 5).reshape(n * h * w, -1) @ kernel.reshape(len(kernel), -1).T
    y = y.reshape(n, h, w, -1).transpose(0, 3, 1, 2)
    weight, bias, mean, var = (
      state[f'{name}.bn.{part}'][:, None, None] for part in ('weight', 'bias', 'running_mean', 'running_var')
    )
    return np.maximum((y - mean) / np.sqrt(var + epsilon) * weight + bias, 0)

  def pooled(x, stride, padding, fill):
    x = np.pad(x, ((0, 0), (0, 0), (padding,) * 2, (padding,) * 2), constant_values=fill)
    return np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))[:, :, ::stride, ::stride]

  def average(x):
    total = pooled(x, 1, 1, 0).sum((-1, -2))
    return total / (9 if average_counts_border else pooled(np.ones_like(x), 1, 1, 0).sum((-1, -2)))

  def maximum(x, stride, padding):
    return pooled(x, stride, padding, -np.inf).max((-1, -2))

  def through(x, *names):
    for name in names:
      x = unit(x, name)
    return x

  taps = {}
  x = through(images.astype(np.float64).transpose(0, 3, 1, 2), 'Conv2d_1a_3x3', 'Conv2d_2a_3x3', 'Conv2d_2b_3x3')
  x = maximum(x, 2, 0)
  taps['64'] = x.mean((2, 3))
  x = maximum(through(x, 'Conv2d_3b_1x1', 'Conv2d_4a_3x3'), 2, 0)
  taps['192'] = x.mean((2, 3))
  for block in ('Mixed_5b', 'Mixed_5c', 'Mixed_5d'):
    x = np.concatenate(
      [
        through(x, f'{block}.branch1x1'),
        through(x, f'{block}.branch5x5_1', f'{block}.branch5x5_2'),
        through(x, *(f'{block}.branch3x3dbl_{i}' for i in (1, 2, 3))),
        through(average(x), f'{block}.branch_pool'),
      ],
      1,
    )
  x = np.concatenate(
    [
      through(x, 'Mixed_6a.branch3x3'),
      through(x, *(f'Mixed_6a.branch3x3dbl_{i}' for i in (1, 2, 3))),
      maximum(x, 2, 0),
    ],
    1,
  )
  for block in ('Mixed_6b', 'Mixed_6c', 'Mixed_6d', 'Mixed_6e'):
    x = np.concatenate(
      [
        through(x, f'{block}.branch1x1'),
        through(x, *(f'{block}.branch7x7_{i}' for i in (1, 2, 3))),
        through(x, *(f'{block}.branch7x7dbl_{i}' for i in (1, 2, 3, 4, 5))),
        through(average(x), f'{block}.branch_pool'),
      ],
      1,
    )
  taps['768'] = x.mean((2, 3))
  x = np.concatenate(
    [
      through(x, 'Mixed_7a.branch3x3_1', 'Mixed_7a.branch3x3_2'),
      through(x, *(f'Mixed_7a.branch7x7x3_{i}' for i in (1, 2, 3, 4))),
      maximum(x, 2, 0),
    ],
    1,
  )
  for block in ('Mixed_7b', 'Mixed_7c'):
    three = through(x, f'{block}.branch3x3_1')
    double = through(x, f'{block}.branch3x3dbl_1', f'{block}.branch3x3dbl_2')
    by_maximum = block == 'Mixed_7c' and last_pool == 'max'
    x = np.concatenate(
      [
        through(x, f'{block}.branch1x1'),
        through(three, f'{block}.branch3x3_2a'),
        through(three, f'{block}.branch3x3_2b'),
        through(double, f'{block}.branch3x3dbl_3a'),
        through(double, f'{block}.branch3x3dbl_3b'),
        through(maximum(x, 1, 1) if by_maximum else average(x), f'{block}.branch_pool'),
      ],
      1,
    )
  taps['2048'] = x.mean((2, 3))
  unbiased = taps['2048'] @ state['fc.weight'].T
  return {**taps, 'logits_unbiased': unbiased, 'logits': unbiased + state['fc.bias']}
