"""`python fake_run.py WORKDIR FAULT` writes the files of a run without training, and resumes.

Without JAX it starts at once. The state is in `state.json`. Faults: '' (none), 'film' (where it was killed after the
last step the film never comes), 'lines' (they are written again after a resume), and on a signal 'traceback', 'hang',
'status'; 'child' leaves a process behind, 'film of another' makes another film.
"""

import json
import os
import signal
import subprocess
import sys
import time

STEPS = 12


def main(folder, fault):
  told = []
  for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, lambda number, _: told.append(number))
  os.makedirs(f'{folder}/samples', exist_ok=True)
  step = read(f'{folder}/state.json', {'step': 0})['step']
  record = read(f'{folder}/run.json', {})
  if record.get('finished') or (fault == 'film' and step == STEPS):
    return
  write(f'{folder}/config.json', {'samples': {'every': 4}})
  record = {'resumed_from': step, 'steps': STEPS, 'done_after': step, 'versions': {'fake': '1'}}
  write(f'{folder}/run.json', record)
  if fault == 'child':
    subprocess.Popen(['sleep', '60'])
  if fault != 'lines' and os.path.exists(f'{folder}/metrics.jsonl'):
    with open(f'{folder}/metrics.jsonl') as file:
      lines = file.readlines()
    with open(f'{folder}/metrics.jsonl', 'w') as file:
      file.writelines(line for line in lines if line.endswith('\n') and json.loads(line)['step'] <= step)
  record['first_step_seconds'] = 1.0
  write(f'{folder}/run.json', record)
  while step < STEPS:
    step += 1
    with open(f'{folder}/metrics.jsonl', 'a') as file:
      file.write(json.dumps({'step': step, 'split': 'train', 'loss': 1 / step, 'data_wait': time.time()}) + '\n')
    time.sleep(0.01)
    if step % 4 == 0 or told:
      write(f'{folder}/state.json', {'step': step})
      while told and fault == 'hang':
        time.sleep(1)
      if told and fault == 'traceback':
        raise RuntimeError
      if told and fault != 'status':
        sys.exit(128 + told[0])
      if told:
        sys.exit(3)
      if step % 4 == 0:
        write(f'{folder}/samples/x_{step:08d}.png', step)
        write(f'{folder}/run.json', {**record, 'done_after': step})
  for name in ('x_00000004.png', 'x_00000008.png', 'x_00000012.png'):
    write(f'{folder}/samples/{name}', name)
  time.sleep(0.05)
  write(f'{folder}/samples/progress.gif', 'another' if fault == 'film of another' else 'film')
  write(f'{folder}/run.json', {**record, 'done_after': STEPS, 'finished': True})


def read(path, default):
  try:
    with open(path) as file:
      return json.load(file)
  except FileNotFoundError:
    return default


def write(path, content):
  with open(f'{path}.tmp', 'w') as file:
    json.dump(content, file)
  os.replace(f'{path}.tmp', path)


if __name__ == '__main__':
  main(*sys.argv[1:])
