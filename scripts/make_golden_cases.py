"""Writes what PyTorch makes of small arrays: the golden cases that tests/ops/test_golden.py compares deconv.ops with.

  pip install torch
  python -m scripts.make_golden_cases [--out=tests/ops/golden.npz]

The tests then hold "PyTorch's values" on a machine without PyTorch. All layouts are those of deconv.ops: this script
moves the channels, and tests/ops/test_golden.py knows nothing of PyTorch. Inputs are small whole numbers, so that sums
of products are exact in float32 whatever their order.

The file holds, for case number i: `i/in/NAME`, the arrays that go in; `i/out/NAME`, what comes out; and in `cases` a
JSON list of {"operator": name in deconv.ops, "arguments": {...}}. Gradients (`out/d_NAME`) are those of
sum(output * in/cotangent). The same command with the same PyTorch writes the same bytes.
"""

import argparse
import json
import pathlib
import sys

import numpy as np

# Transposed convolutions: (spatial size, window, strides, padding, output_padding, dilation, groups, c_in, c_out).
CONV_TRANSPOSE = [
  ((7,), (4,), (2,), (1,), (0,), (1,), 1, 3, 2),
  ((5,), (3,), (3,), (0,), (2,), (2,), 2, 4, 2),
  ((4, 5), (4, 4), (2, 2), (1, 1), (0, 0), (1, 1), 1, 3, 4),  # DCGAN's
  ((4, 3), (5, 5), (2, 2), (2, 2), (1, 1), (1, 1), 1, 2, 3),
  ((5, 4), (3, 3), (1, 1), (1, 1), (0, 0), (1, 1), 1, 3, 2),
  ((3, 4), (2, 2), (2, 2), (0, 0), (0, 0), (1, 1), 1, 3, 2),
  ((1, 1), (4, 4), (1, 1), (0, 0), (0, 0), (1, 1), 1, 5, 3),  # a stem from a latent
  ((4, 3), (3, 2), (2, 3), (1, 0), (1, 2), (2, 1), 1, 2, 3),  # every dimension another
  ((3, 3), (3, 3), (2, 2), (1, 1), (1, 1), (1, 1), 4, 4, 4),  # depthwise
  ((3, 4), (4, 4), (2, 2), (1, 1), (0, 0), (1, 1), 2, 4, 6),
  ((3, 3), (2, 2), (3, 3), (0, 0), (1, 1), (1, 1), 1, 2, 2),  # pixels that no tap reaches
  ((2, 3, 2), (4, 4, 4), (2, 2, 2), (1, 1, 1), (0, 0, 0), (1, 1, 1), 1, 2, 2),
  ((2, 2, 3), (3, 3, 3), (2, 1, 2), (1, 1, 1), (1, 0, 1), (1, 2, 1), 2, 2, 2),
]
# Pooling: (spatial size, window, strides, padding).
POOL = [
  ((8,), 2, 2, 0),
  ((6, 8), 2, 2, 0),
  ((7, 9), 3, 2, 1),
  ((5, 6), 3, 1, 1),
  ((7, 8), (2, 3), (3, 2), (1, 0)),
  ((4, 5, 6), 2, 2, 0),
]
# Nearest and bilinear: (spatial size, factor); in the second list the new size.
RESIZE_FACTOR = [((5,), 2), ((4, 5), 2), ((4, 3), 3), ((3, 4), 4), ((4, 6), 1.5), ((2, 3, 2), 2)]
RESIZE_SIZE = [((4, 5), (7, 3)), ((6, 6), (9, 9))]
# Bicubic: (spatial size, factor).
BICUBIC = [((8, 9), 2), ((8, 7), 3)]
SHUFFLE = [((3, 4), 2, 3), ((2, 3), 3, 2)]


class Cases:
  """The cases in the order of `add`."""

  def __init__(self):
    self.described, self.arrays = [], {}

  def add(self, operator, arguments, inputs, outputs):
    """Adds a case; whole numbers are stored in as few bytes as hold them."""
    number = len(self.described)
    self.described.append({'operator': operator, 'arguments': arguments})
    for way, arrays in (('in', inputs), ('out', outputs)):
      for name, value in arrays.items():
        small = value.astype(np.int16)
        self.arrays[f'{number}/{way}/{name}'] = small if np.array_equal(small, value) else value.astype(np.float32)


def make(torch):
  """Returns the Cases, computed by PyTorch in float64."""
  random = np.random.default_rng(0)
  cases = Cases()
  draw = lambda *shape: random.integers(-9, 10, shape).astype(np.float64)
  channels_first = lambda x: torch.tensor(np.moveaxis(x, -1, 1).copy())
  channels_last = lambda x: np.moveaxis(x.detach().numpy(), 1, -1)
  functional = torch.nn.functional

  for size, window, strides, padding, output_padding, dilation, groups, c_in, c_out in CONV_TRANSPOSE:
    x, kernel = draw(2, *size, c_in), draw(*window, c_in, c_out // groups)
    n = len(size)
    ours = {
      'strides': strides,
      'padding': padding,
      'output_padding': output_padding,
      'dilation': dilation,
      'groups': groups,
    }
    theirs_x = channels_first(x).requires_grad_()
    theirs_kernel = torch.tensor(np.moveaxis(kernel, (n, n + 1), (0, 1)).copy()).requires_grad_()
    operator = (functional.conv_transpose1d, functional.conv_transpose2d, functional.conv_transpose3d)[n - 1]
    y = operator(theirs_x, theirs_kernel, None, strides, padding, output_padding, groups, dilation)
    cotangent = draw(2, *y.shape[2:], c_out)
    (y * channels_first(cotangent)).sum().backward()
    cases.add(
      'conv_transpose',
      ours,
      {'x': x, 'kernel': kernel, 'cotangent': cotangent},
      {
        'y': channels_last(y),
        'd_x': channels_last(theirs_x.grad),
        'd_kernel': np.moveaxis(theirs_kernel.grad.numpy(), (0, 1), (n, n + 1)),
      },
    )

  for size, window, strides, padding in POOL:
    n, arguments = len(size), {'window': window, 'strides': strides, 'padding': padding}
    # All values differ within a channel: which of two equal ones wins is not said by PyTorch.
    x = np.stack([random.permutation(int(np.prod(size))).reshape(size) for _ in range(4)], -1).astype(np.float64)
    x = np.moveaxis(x.reshape(*size, 2, 2), -1, 0)
    max_pool = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)[n - 1]
    avg_pool = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)[n - 1]
    max_unpool = (functional.max_unpool1d, functional.max_unpool2d, functional.max_unpool3d)[n - 1]
    y, switches = max_pool(channels_first(x), window, strides, padding, return_indices=True)
    cases.add('max_pool', arguments, {'x': x}, {'y': channels_last(y), 'switches': channels_last(switches)})
    for count_padding in (True, False) if n > 1 and padding else (True,):
      mean = avg_pool(channels_first(x), window, strides, padding, count_include_pad=count_padding)
      cases.add('avg_pool', {**arguments, 'count_padding': count_padding}, {'x': x}, {'y': channels_last(mean)})
    if window == strides:  # where windows overlap PyTorch does not say whose value stays
      values = draw(*channels_last(y).shape)
      unpooled = max_unpool(channels_first(values), switches, window, strides, padding, output_size=size)
      cases.add(
        'max_unpool',
        {'window': window, 'strides': strides, 'padding': padding, 'output_size': size},
        {'y': values, 'switches': channels_last(switches)},
        {'y': channels_last(unpooled)},
      )

  for name, value, size in [
    *(('factor', factor, size) for size, factor in RESIZE_FACTOR),
    *(('size', new, size) for size, new in RESIZE_SIZE),
  ]:
    x = draw(1, *size, 2)
    target = {'scale_factor': value} if name == 'factor' else {'size': value}
    linear = ('linear', 'bilinear', 'trilinear')[len(size) - 1]
    for operator, options in (
      ('resize_nearest', {'mode': 'nearest'}),
      ('resize_bilinear', {'mode': linear, 'align_corners': False}),
    ):
      y = functional.interpolate(channels_first(x), **target, **options)
      cases.add(operator, {name: value}, {'x': x}, {'y': channels_last(y)})

  for size, factor in BICUBIC:  # PyTorch's cubic is Keys' (a = -1/2) only with antialias
    x = draw(1, *size, 2)
    y = functional.interpolate(channels_first(x), scale_factor=factor, mode='bicubic', antialias=True)
    cases.add('upsample_bicubic', {'factor': factor}, {'x': x}, {'y': channels_last(y)})
    x = draw(1, *(factor * n for n in size), 1)
    y = functional.interpolate(channels_first(x), size=size, mode='bicubic', antialias=True)
    cases.add('downsample', {'factor': factor, 'method': 'bicubic'}, {'x': x}, {'y': channels_last(y)})

  for size, factor, channels in SHUFFLE:
    x = draw(2, *size, channels * factor**2)
    y = channels_last(torch.pixel_shuffle(channels_first(x), factor))
    cases.add('depth_to_space', {'factor': factor}, {'x': x}, {'y': y})
    cases.add('space_to_depth', {'factor': factor}, {'x': y}, {'y': x})
  return cases


def main(argv=None):
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--out', default='tests/ops/golden.npz', help='the file to write')
  options = parser.parse_args(argv)
  try:
    import torch
  except ModuleNotFoundError:
    print('error: the cases are computed by PyTorch: pip install torch', file=sys.stderr)
    return 2
  cases = make(torch)
  described = np.array(json.dumps(cases.described))
  np.savez_compressed(options.out, cases=described, made_by=np.array(f'PyTorch {torch.__version__}'), **cases.arrays)
  size = pathlib.Path(options.out).stat().st_size
  print(f'written: {options.out} ({len(cases.described)} cases, {size:,} bytes, PyTorch {torch.__version__})')
  return 0


if __name__ == '__main__':
  sys.exit(main())
