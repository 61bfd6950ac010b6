"""Joins the processes of a run on several hosts, and ends each of them when another one fails."""

import contextlib
import os
import sys
import time
import traceback

from deconv.errors import UserError
from deconv.experiments import command
from deconv.training.peers import Peers

# Seconds after which JAX notices that a process is gone, where it is JAX that has to notice.
_HEARTBEAT_SECONDS = 40
# Seconds that the loss of another process, which often is the cause, has to come before an error of this one.
_CAUSE_FIRST = 3.0


@contextlib.contextmanager
def joined(spec, timeout):
  """Connects the processes of a run before any device is touched.

  A process that leaves by an error ends at once, with its sentence or traceback, and tells the others; then each of
  them ends with one sentence and exit status 2. So it does when another process is gone without a word.

  Args:
    spec: '' for one process; 'auto' where the cluster tells (TPU pods, Slurm); or
      'ADDRESS:PORT,PROCESS_COUNT,PROCESS_ID'.
    timeout: seconds that the processes wait for each other at the start.

  Raises:
    UserError: `spec` has another form, or not all processes come.
  """
  if not spec:
    yield
    return
  parsed = None if spec == 'auto' else _parse(spec)
  import jax

  jax.config.update('jax_enable_preemption_service', False)  # it would take SIGTERM from deconv.training.interrupt
  if not parsed:
    _initialize_by_cluster(timeout)
  peers = Peers(*parsed, timeout) if parsed else None
  try:
    if peers:
      address = peers.join()
      jax.distributed.initialize(
        address,
        num_processes=peers.count,
        process_id=peers.index,
        coordinator_bind_address=address,
        initialization_timeout=timeout,
      )
    yield
  except SystemExit:  # told to stop, and everything is saved
    raise
  except BaseException as error:
    _leave(error, peers)
  finally:
    if peers:
      peers.leave()


def _initialize_by_cluster(timeout):
  import jax

  try:
    jax.distributed.initialize(initialization_timeout=timeout, heartbeat_timeout_seconds=_HEARTBEAT_SECONDS)
  except ValueError as error:  # JAX knows a process, a number of processes or an address only in part
    raise UserError(
      f'--distributed=auto: JAX finds no cluster here ({error}): give ADDRESS:PORT,PROCESS_COUNT,PROCESS_ID'
    ) from error


def _parse(spec):
  try:
    address, count, index = spec.split(',')
    count, index = int(count), int(index)
    int(address.rpartition(':')[2])
  except ValueError:
    count, index = 0, 0
  if not 0 <= index < count or ':' not in address:
    raise UserError(
      f"--distributed={spec}: give 'auto' or ADDRESS:PORT,PROCESS_COUNT,PROCESS_ID, such as 10.0.0.1:29400,4,0"
    )
  return address, count, index


def _leave(error, peers):
  """Ends this process. Python's way out leads through a barrier of JAX, at which nobody else will come."""
  expected = isinstance(error, (UserError, KeyboardInterrupt))
  if peers:
    if not expected:
      time.sleep(_CAUSE_FIRST)
    peers.fail(_reason(error))
  try:
    with command.one_sentence():
      raise error
  except SystemExit as left:
    status = left.code
  except BaseException:
    traceback.print_exc()
    status = 1
  sys.stdout.flush()
  sys.stderr.flush()
  os._exit(status)


def _reason(error):
  said = ' '.join(str(error).split())
  if isinstance(error, UserError):
    return said
  return 'it was interrupted' if isinstance(error, KeyboardInterrupt) else f'{type(error).__name__}: {said}'
