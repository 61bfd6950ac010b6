"""Joining the processes of a run, at the door."""

import socket
import subprocess
import sys

import pytest

from deconv.errors import UserError
from deconv.experiments import distributed
from tests.experiments.run_experiment import ROOT, error_of, run


@pytest.mark.parametrize('spec', ['10.0.0.1:29400', '10.0.0.1,2,0', '10.0.0.1:29400,2,2', '10.0.0.1:x,2,0', 'a:1,2,b'])
def test_a_spec_of_another_form(spec):
  with pytest.raises(UserError, match='ADDRESS:PORT,PROCESS_COUNT,PROCESS_ID'), distributed.joined(spec, 1):
    pass


def test_one_process_joins_nobody():
  with distributed.joined('', 1):
    pass


def test_auto_where_there_is_no_cluster(tmp_path):
  said = error_of(run('main', '--config=configs/vae_digits.py:smoke', f'--workdir={tmp_path}', '--distributed=auto'))
  assert 'JAX finds no cluster here' in said and 'ADDRESS:PORT' in said


def test_an_address_that_does_not_answer_is_one_sentence(tmp_path):
  said = error_of(
    run(
      'main',
      '--config=configs/vae_digits.py:smoke',
      f'--workdir={tmp_path}',
      '--distributed=127.0.0.1:9,2,1',
      '--distributed_timeout=1',
      env={'JAX_PLATFORMS': 'cpu'},
    )
  )
  assert 'process 0 does not answer at 127.0.0.1:9' in said and '--distributed_timeout' in said


CODE = """
import os, signal, sys, time
from deconv.experiments import distributed
with distributed.joined(sys.argv[1], 30):
  os.kill(os.getpid(), signal.SIGTERM)
  time.sleep(30)
"""


def test_sigterm_ends_a_process_that_has_not_begun_to_train():
  """JAX's own service would take the signal and go on."""
  with socket.socket() as free:
    free.bind(('127.0.0.1', 0))
    spec = f'127.0.0.1:{free.getsockname()[1]},1,0'
  finished = subprocess.run([sys.executable, '-c', CODE, spec], cwd=ROOT, capture_output=True, timeout=120, check=False)
  assert finished.returncode == -15, finished.stderr
