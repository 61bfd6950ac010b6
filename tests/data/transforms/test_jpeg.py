"""JPEG on the device, against files that Pillow writes and reads."""

import io

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image
import pytest
from sklearn import datasets

from deconv.data.transforms import jpeg

QUALITIES = [5, 20, 50, 75, 95]


def pillow(levels, quality):
  file = io.BytesIO()
  Image.fromarray(levels.squeeze()).save(file, 'JPEG', quality=quality)
  return np.asarray(Image.open(file)).reshape(levels.shape)


@pytest.mark.parametrize('size', [(64, 96), (57, 83)])
@pytest.mark.parametrize('channels', [1, 3])
def test_equals_pillows_but_for_rounding(size, channels):
  levels = datasets.load_sample_image('flower.jpg')[200 : 200 + size[0], 250 : 250 + size[1]][..., :channels]
  batch = jnp.asarray(np.stack([levels] * len(QUALITIES)) / 127.5 - 1, jnp.float32)
  found = (np.asarray(jax.jit(jpeg.jpeg)(batch, jnp.array(QUALITIES))) + 1) * 127.5
  np.testing.assert_allclose(found, np.round(found), atol=1e-4)  # a decoder gives whole levels
  losses = []
  for quality, mine in zip(QUALITIES, found):
    theirs = pillow(levels, quality).astype(np.float64)
    difference = np.abs(mine - theirs)
    assert difference.mean() < 0.7 and np.mean(difference > 1.5) < 0.15
    # What is lost is the same to 0.05 dB: tables, blocks and chroma are right.
    loss, mine = (10 * np.log10(255**2 / np.mean((x - levels) ** 2)) for x in (theirs, mine))
    assert abs(loss - mine) < 0.05
    losses.append(loss)
  assert losses == sorted(losses)


@pytest.mark.parametrize('quality', [1, 10, 49, 50, 77, 100])
def test_tables_are_those_in_the_file(quality):
  file = io.BytesIO()
  Image.new('RGB', (8, 8)).save(file, 'JPEG', quality=quality)
  tables = Image.open(file).quantization
  for number, table in enumerate((jpeg.LUMINANCE, jpeg.CHROMINANCE)):
    np.testing.assert_array_equal(jpeg.quantisation(table, jnp.array([quality]))[0].ravel(), tables[number])


def test_channels():
  with pytest.raises(ValueError, match='1 or 3 channels, not 2'):
    jpeg.jpeg(jnp.zeros((1, 8, 8, 2)), jnp.array([50]))
