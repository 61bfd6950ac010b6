"""The two scales of pixels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv.data import to_signed, to_uint8


def test_round_trip_of_every_level():
  levels = np.arange(256, dtype=np.uint8).reshape(4, 8, 8, 1)
  signed = to_signed(levels)
  assert isinstance(signed, jax.Array) and signed.dtype == jnp.float32
  np.testing.assert_allclose([signed.min(), signed.max()], [-1, 1])
  np.testing.assert_array_equal(to_uint8(signed), levels)
  np.testing.assert_array_equal(to_uint8(np.asarray(signed)), levels)


def test_bfloat16_is_rounded_once():
  levels = np.arange(256, dtype=np.uint8)
  found = to_signed(levels, jnp.bfloat16)
  assert found.dtype == jnp.bfloat16
  np.testing.assert_array_equal(found, jnp.asarray((2.0 * levels - 255) / 255, jnp.bfloat16))


def test_black_and_white_are_treated_alike():
  levels = np.arange(256, dtype=np.uint8)
  np.testing.assert_array_equal(to_signed(levels), -to_signed(255 - levels))
  np.testing.assert_allclose(to_signed(levels), (2.0 * levels - 255) / 255, rtol=2e-7)


@pytest.mark.parametrize('convert', [np.asarray, jnp.asarray])
def test_rounds_and_clips(convert):
  found = to_uint8(convert(np.array([-3.0, -1.0, -0.999, 0.0, 0.00393, 1.0, 7.0, np.nan, np.inf, -np.inf], np.float32)))
  assert isinstance(found, type(convert(np.zeros(1))))
  np.testing.assert_array_equal(found, [0, 0, 0, 128, 128, 255, 255, 0, 255, 0])


def test_floats_keep_their_values():
  points = np.array([[-4.0, 0.1]], np.float32)
  np.testing.assert_array_equal(to_signed(points), points)
  assert to_signed(points, jnp.bfloat16).dtype == jnp.bfloat16


def test_inside_jit():
  levels = jnp.arange(256, dtype=jnp.uint8)
  np.testing.assert_array_equal(jax.jit(lambda x: to_uint8(to_signed(x)))(levels), levels)
