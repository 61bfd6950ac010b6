"""From the options of an experiment to its task."""

from deconv import native
from deconv.ops import cpu_rule
from deconv.tasks import TASKS
from deconv.training import optimizers


def build_task(options, parallel, total, make_task=None):
  """Returns the Task of an experiment, whose optimizers' schedules end at step `total`.

  From here on its programs are compiled by the config's `cpu_rule` and `native`.

  Args:
    options: deconv.options.Experiment.
    parallel: deconv.training.parallel.Parallel.
    total: int, steps.
    make_task: what is trained instead of the config's task, called as deconv.tasks.TASKS' entries are.
  """
  cpu_rule.use(options.cpu_rule)
  native.use(options.native)

  def make_optimizer(scale, updates=1):
    return parallel.wrap_optimizer(optimizers.make_optimizer(options.optimizer, total, scale, updates))

  task = (make_task or TASKS[options.task])(options, make_optimizer, parallel.batch_norm_axis)
  task.data_axis = parallel.data_axis
  return task
