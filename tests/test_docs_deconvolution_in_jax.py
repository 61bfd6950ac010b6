"""docs/deconvolution_in_jax.md: its examples make arrays of the sizes that it says; its table of 'SAME' is right."""

import ast
import re

import jax
from jax import lax
import numpy as np
import pytest

from deconv import ops
from tests.test_docs import DOCS, blocks_of

PAGE = DOCS / 'deconvolution_in_jax.md'
BLOCKS = dict(zip(('lax', 'linen', 'nnx', 'equinox'), blocks_of(PAGE, 'python')))


def test_there_is_an_example_of_each():
  assert len(blocks_of(PAGE, 'python')) == len(BLOCKS) == 4
  for name, block in BLOCKS.items():
    assert f'deconv.{name}' in block or name == 'lax'


@pytest.mark.parametrize('name', BLOCKS)
def test_examples_run(name):
  if name == 'equinox':
    pytest.importorskip('equinox')
  names = {}
  exec(compile(BLOCKS[name], PAGE.name, 'exec'), names)
  (shape,) = re.findall(r'# (\([\d, ]+\))', BLOCKS[name])
  assert names['y'].shape == ast.literal_eval(shape)


@pytest.mark.parametrize('line', re.findall(r'^\| `[\w.]+`.*\| `(from deconv.*)` \|$', PAGE.read_text(), re.MULTILINE))
def test_imports_of_the_table_work(line):
  if 'equinox' in line:
    pytest.importorskip('equinox')
  exec(compile(line, PAGE.name, 'exec'), {})


def test_the_two_placements():
  """One pixel, a kernel of 1, 2, 3, 4, 5: where its middle comes to lie."""
  x, kernel = np.zeros((1, 5, 1), np.float32), np.arange(1, 6, dtype=np.float32).reshape(5, 1, 1)
  x[0, 2] = 1
  middle = lambda y: int(np.argmax(y[0, :, 0] == 3))
  same = {
    'lax': lax.conv_transpose(x, kernel, (2,), 'SAME'),
    'drop-in': ops.lax_conv_transpose(x, kernel, (2,), 'SAME'),
    'ours': ops.conv_transpose(x, kernel, strides=2, padding='SAME'),
  }
  torch = {
    'ours': ops.conv_transpose(x, kernel, strides=2, padding=2, output_padding=1),
    'drop-in': ops.lax_conv_transpose(x, kernel, (2,), [(2, 3)]),
  }
  try:
    from deconv import equinox
  except ModuleNotFoundError:
    pass
  else:
    for words, found in (('SAME', same), ('SAME_LOWER', torch)):
      layer = equinox.ConvTranspose1d(1, 1, 5, 2, padding=words, use_bias=False, key=jax.random.key(0))
      object.__setattr__(layer, 'weight', kernel.transpose(2, 1, 0))
      found['equinox'] = np.moveaxis(layer(x[0].T)[None], 1, -1)
  assert {name: middle(y) for name, y in same.items()} == dict.fromkeys(same, 5)
  assert {name: middle(y) for name, y in torch.items()} == dict.fromkeys(torch, 4)
