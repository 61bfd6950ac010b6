"""The layers of the project's networks, found while they run."""

from flax import linen as nn
import jax
import numpy as np

from deconv.tasks.capabilities import Looking
from deconv.visualization import layers
from tests.tasks.test_classification import make_task as make_classifier
from tests.tasks.test_segmentation import make_task as make_segmenter

KEY = jax.random.key(0)


def looking_of(task, shape):
  state = task.init(KEY, {'image': np.zeros((1, *shape), np.uint8)})
  return task.looking(state)


def test_layers_of_a_classifier_in_their_order():
  looking = looking_of(make_classifier(model={'widths': (4, 6), 'batch_norm': False}), (8, 8, 1))
  assert layers.names(looking, (8, 8, 1)) == {
    'conv1_1': (8, 8, 4),
    'conv2_1': (4, 4, 6),
    'dense1': (8,),
    'logits': (3,),
  }


def test_a_norm_stands_for_the_layer_before_it():
  looking = looking_of(make_classifier(model={'batch_norm': True}), (8, 8, 1))
  assert list(layers.names(looking, (8, 8, 1))) == ['norm1_1', 'norm_dense1', 'logits']


def test_outputs_are_those_of_the_modules():
  task = make_classifier()
  looking = looking_of(task, (8, 8, 1))
  images = jax.random.uniform(KEY, (3, 8, 8, 1), minval=-1)
  _, known = task.eval_network.apply(
    looking.variables, images, train=False, capture_intermediates=True, mutable=['intermediates']
  )
  for name, output in layers.outputs(looking, images).items():
    np.testing.assert_array_equal(output, known['intermediates'][name]['__call__'][0])


def test_layers_inside_of_modules_have_the_path_as_their_name():
  looking = looking_of(make_segmenter(), (16, 16, 3))
  names = list(layers.names(looking, (16, 16, 3)))
  assert names[0] == 'encoder/conv1_1' and names[-1] == 'score' and len(names) == len(set(names))


def test_a_module_that_is_called_twice_has_two_names():
  class Twice(nn.Module):
    @nn.compact
    def __call__(self, x):
      dense = nn.Dense(2, name='dense')
      return dense(dense(x.reshape(len(x), -1)))

  images = np.zeros((2, 1, 2, 1), np.float32)
  variables = Twice().init(KEY, images)
  looking = Looking(lambda x: Twice().apply(variables, x), variables)
  assert list(layers.names(looking, (1, 2, 1))) == ['dense', 'dense_again']
