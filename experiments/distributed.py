"""Joins the processes of a run on several hosts."""

from deconv.errors import UserError


def initialize(spec):
  """Calls `jax.distributed.initialize` before any device is touched.

  Args:
    spec: '' for one process; 'auto' where the cluster tells (TPU pods, Slurm); or
      'ADDRESS:PORT,PROCESS_COUNT,PROCESS_ID'.

  Raises:
    UserError: `spec` has another form.
  """
  if not spec:
    return
  import jax

  if spec == 'auto':
    jax.distributed.initialize()
    return
  try:
    address, count, index = spec.split(',')
    count, index = int(count), int(index)
  except ValueError:
    count, index = 0, 0
  if not 0 <= index < count or ':' not in address:
    raise UserError(
      f"--distributed={spec}: give 'auto' or ADDRESS:PORT,PROCESS_COUNT,PROCESS_ID, such as 10.0.0.1:29400,4,0"
    )
  jax.distributed.initialize(address, num_processes=count, process_id=index)
