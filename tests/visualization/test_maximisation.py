"""Images that excite a unit: of a linear unit the image has the signs of its filter."""

from flax import linen as nn
import jax
import numpy as np

from deconv import layers as deconv_layers
from deconv.tasks.capabilities import Looking
from deconv.visualization import maximisation

KEY = jax.random.key(0)


def test_the_image_of_a_linear_unit_is_its_filter():
  class Linear(nn.Module):
    @nn.compact
    def __call__(self, x):
      return deconv_layers.Conv(3, 3, padding=1, kernel_init=None, name='conv')(x)

  variables = Linear().init(KEY, np.zeros((1, 9, 9, 2), np.float32))
  looking = Looking(lambda x: Linear().apply(variables, x), variables)
  images, after, before = maximisation.maximise(
    looking, 'conv', [0, 2], (9, 9, 2), KEY, steps=200, variation=0.0, energy=0.01
  )
  kernel = np.asarray(variables['params']['conv']['kernel'])
  for image, unit, high, low in zip(np.asarray(images), (0, 2), after, before):
    seen = image[3:6, 3:6]  # around the middle, 4
    clear = np.abs(kernel[..., unit]) > 0.05
    np.testing.assert_array_equal(np.sign(seen)[clear], np.sign(kernel[..., unit])[clear])
    assert high > low and high > 0.9 * np.abs(kernel[..., unit]).sum()
    assert np.abs(np.delete(image, np.s_[3:6], axis=0)).max() < 0.5  # nothing drives what the unit cannot see


def test_the_seed_alone_decides():
  class Mean(nn.Module):
    @nn.compact
    def __call__(self, x):
      return nn.Dense(2, name='dense')(x.reshape(len(x), -1))

  variables = Mean().init(KEY, np.zeros((1, 4, 4, 1), np.float32))
  looking = Looking(lambda x: Mean().apply(variables, x), variables)
  once, again = (maximisation.maximise(looking, 'dense', [1], (4, 4, 1), KEY, steps=3)[0] for _ in range(2))
  np.testing.assert_array_equal(once, again)
