"""What can be trained: TASKS maps `config.task` to a class of Task (task.py).

It is called as `TASKS[name](options, make_optimizer, batch_norm_axis)`, see Task. The sections of a config that a task
has of its own stand in deconv.options.TASKS under the same name.
"""

from deconv.tasks.classification import Classification
from deconv.tasks.factor_vae import FactorVae
from deconv.tasks.gan import Gan
from deconv.tasks.inverse_graphics import InverseGraphics
from deconv.tasks.restoration import Restoration
from deconv.tasks.segmentation import Segmentation
from deconv.tasks.sparse_coding import SparseCoding
from deconv.tasks.vae import Vae

TASKS = {
  'gan': Gan,
  'vae': Vae,
  'factor_vae': FactorVae,
  'inverse_graphics': InverseGraphics,
  'classification': Classification,
  'restoration': Restoration,
  'sparse_coding': SparseCoding,
  'segmentation': Segmentation,
}
