"""The table of layers compiled for a GPU that is not there."""

import pytest

from deconv.ops import convolutions, gpu
from scripts import compile_for, compile_ops


def test_geometries_are_those_of_the_names():
  for layer in compile_ops.LAYERS:
    side = layer.kernel[0]
    assert f'{side}x{side}' in layer.name and f' at {layer.image[1]},' in layer.name, layer
    assert layer.geometry().large == tuple(2 * n for n in layer.image[1:-1]) or layer.dilation > 1, layer


@pytest.mark.skipif(bool(compile_for.missing('h100')), reason=f'nothing to compile with: {compile_for.INSTALL}')
def test_lax_multiplies_zeros_and_ours_does_not():
  layer = next(layer for layer in compile_ops.LAYERS if layer.groups == 4)
  products, _ = compile_ops.measure(layer, 'expand', convolutions, 'h100')
  assert products > 3.9
  products, _ = compile_ops.measure(layer, 'expand', gpu, 'h100')
  assert products <= 1.05
