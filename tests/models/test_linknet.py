"""LinkNet: the published network's layers and parameters by hand, the plain stem, mistakes."""

import pytest

from deconv.errors import UserError
from deconv.models import linknet
from deconv.options.models.segmenters import LinkNetOptions
from tests.models import networks


def bare(c_in, c_out, side):
  """Convolution without bias and its batch norm."""
  return side * side * c_in * c_out + 2 * c_out


def test_paper_layer_by_layer():
  module = networks.build('linknet', (256, 320, 3), 21, **linknet.PAPER)
  found, logits, variables = networks.shapes(module, (256, 320))
  assert logits == (256, 320, 21)
  assert found['conv_stem'] == (128, 160, 64)
  assert [found[f'stage{i}_2'] for i in (1, 2, 3, 4)] == [(64, 80, 64), (32, 40, 128), (16, 20, 256), (8, 10, 512)]
  assert [found[f'conv_out{i}'] for i in (4, 3, 2, 1)] == [(16, 20, 256), (32, 40, 128), (64, 80, 64), (64, 80, 64)]
  assert (found['up_head'], found['conv_head'], found['score']) == ((128, 160, 32), (128, 160, 32), (256, 320, 21))
  resnet18 = bare(3, 64, 7) + 4 * bare(64, 64, 3)
  for c in (64, 128, 256):
    resnet18 += bare(c, 2 * c, 3) + bare(c, 2 * c, 1) + 3 * bare(2 * c, 2 * c, 3)
  assert resnet18 == 11_689_512 - 513_000  # torchvision's ResNet-18 without its classifier
  decoder = sum(
    bare(m, m // 4, 1) + bare(m // 4, m // 4, 3) + bare(m // 4, n, 1)
    for m, n in ((512, 256), (256, 128), (128, 64), (64, 64))
  )
  head = bare(64, 32, 3) + bare(32, 32, 3) + 2 * 2 * 32 * 21 + 21
  assert networks.count(variables['params']) == resnet18 + decoder + head == 11_535_893


def test_plain_stem_keeps_the_resolution():
  module = networks.build('linknet', (24, 16, 3), 5, depth=3, width=8, blocks=1)
  found, logits, _ = networks.shapes(module, (24, 16))
  assert logits == (24, 16, 5)
  assert found['conv_stem'] == (24, 16, 8)
  assert [found[f'stage{i}_1'] for i in (1, 2, 3)] == [(12, 8, 8), (6, 4, 16), (3, 2, 32)]
  assert [found[f'conv_out{i}'] for i in (3, 2, 1)] == [(6, 4, 16), (12, 8, 8), (24, 16, 8)]


def test_mistakes():
  for wrong, message in (
    (dict(stem='resnet'), 'plain, paper'),
    (dict(stem='paper', depth=2), 'at least 3'),
    (dict(blocks=0), 'model.blocks=0'),
    (dict(batch_norm_momentum=1.0), 'below 1'),
    (dict(upsample='unpool'), 'no switches'),
  ):
    with pytest.raises(UserError, match=message):
      LinkNetOptions(**wrong)
  with pytest.raises(UserError, match='multiples of 16'):
    networks.build('linknet', (40, 64, 3), 2)
