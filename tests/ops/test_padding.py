"""One grammar of padding: every operator and layer that takes one reads and refuses the same things."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv import layers, ops

_SIZE, _WINDOW, _STRIDE = (5, 6), 3, 2
# What SAME is for these: 5 -> 3 and 6 -> 3 pixels.
_SAME = ((1, 1), (0, 1))


def _normal(*shape):
  return jnp.asarray(np.random.default_rng(len(shape)).normal(size=shape), jnp.float32)


def _pooled(padding):
  """A pooled array of ones and its switches."""
  y, switches = ops.max_pool(_normal(1, *_SIZE, 2), _WINDOW, _STRIDE, padding)
  return _normal(*y.shape), switches


# name -> f(padding, the pairs that it stands for); an unpooling needs an array of the size that the pairs make.
CALLS = {
  'conv': lambda padding, _: ops.conv(
    _normal(1, *_SIZE, 2), _normal(_WINDOW, _WINDOW, 2, 3), strides=_STRIDE, padding=padding
  ),
  'conv_transpose': lambda padding, _: ops.conv_transpose(
    _normal(1, 3, 3, 2), _normal(_WINDOW, _WINDOW, 2, 3), strides=_STRIDE, padding=padding
  ),
  'max_pool': lambda padding, _: ops.max_pool(_normal(1, *_SIZE, 2), _WINDOW, _STRIDE, padding)[0],
  'avg_pool': lambda padding, _: ops.avg_pool(_normal(1, *_SIZE, 2), _WINDOW, _STRIDE, padding),
  'max_unpool': lambda padding, pairs: ops.max_unpool(
    *_pooled(pairs), _SIZE, window=_WINDOW, strides=_STRIDE, padding=padding
  ),
  'avg_unpool': lambda padding, pairs: ops.avg_unpool(_pooled(pairs)[0], _WINDOW, _STRIDE, padding, output_size=_SIZE),
  'layers.Conv': lambda padding, _: layers.Conv(3, _WINDOW, _STRIDE, padding).init_with_output(
    jax.random.key(0), _normal(1, *_SIZE, 2)
  )[0],
  'layers.ConvTranspose': lambda padding, _: layers.ConvTranspose(3, _WINDOW, _STRIDE, padding).init_with_output(
    jax.random.key(0), _normal(1, 3, 3, 2)
  )[0],
}

ALIKE = [
  (('VALID', 'valid', 'Valid', 0, (0, 0), [0, 0], np.zeros(2, int)), ((0, 0), (0, 0))),
  ((1, np.int64(1), (1, 1), [1, 1], np.ones(2, int), [[1, 1], [1, 1]], np.ones((2, 2), int)), ((1, 1), (1, 1))),
  (((2, 1), (2, (1, 1)), np.array([2, 1])), ((2, 2), (1, 1))),
  (([(0, 2), (1, 0)], np.array([[0, 2], [1, 0]])), ((0, 2), (1, 0))),
]


def test_every_operator_with_a_padding_is_here():
  ours = [name for name in ops.__all__ if not name.startswith('lax_')]  # whose paddings are those of lax
  takes = {name for name in ours if 'padding' in inspect.signature(getattr(ops, name)).parameters}
  assert takes == {name for name in CALLS if '.' not in name}


@pytest.mark.parametrize('name', CALLS)
def test_what_is_alike_is_alike_everywhere(name):
  call = CALLS[name]
  for spellings, pairs in ALIKE:
    expected = call(pairs, pairs)
    for padding in spellings:
      np.testing.assert_array_equal(call(padding, pairs), expected, err_msg=repr(padding))


@pytest.mark.parametrize('name', CALLS)
def test_same_in_letters_of_either_case(name):
  """The transposed convolution cuts what a SAME convolution of its output, of 6 pixels, adds."""
  transposed = name in ('conv_transpose', 'layers.ConvTranspose')
  found = [CALLS[name](padding, _SAME) for padding in ('SAME', 'same', 'Same')]
  if transposed:
    assert found[0].shape == (1, 6, 6, 3)
    # (3 - 1) * 2 + 3 = 7 pixels without a padding; one is cut, at the high end.
    expected = CALLS[name](((0, 1), (0, 1)), None)
  else:
    expected = CALLS[name](_SAME, _SAME)
  for values in found:
    np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize('name', CALLS)
@pytest.mark.parametrize(
  'padding',
  [
    'sane',
    'FULL',
    '',
    None,
    1.0,
    True,
    (1,),
    (1, 2, 3),
    ((1, 1),),
    ((1, 1), (1, 2, 3)),
    ((1, 1), (1.5, 0)),
    ('SAME', 'SAME'),
    [True, 1],
    {},
  ],
  ids=repr,
)
def test_what_is_no_padding_is_refused_alike(name, padding):
  with pytest.raises(ValueError, match=r"padding must be 'SAME', 'VALID', an int, 2 ints or 2 \(low, high\) pairs"):
    CALLS[name](padding, _SAME)


@pytest.mark.parametrize('name', CALLS)
@pytest.mark.parametrize('padding', [-1, (0, -1), ((0, 0), (-1, 1))], ids=repr)
def test_negative_paddings_are_refused_alike(name, padding):
  with pytest.raises(ValueError, match=r'padding must be at least 0, not'):
    CALLS[name](padding, _SAME)
