"""Run several commands, as in a shell, in one process: the packages are imported once.

python one_process.py 'python tools/one_step.py CONFIG' 'python tools/train.py CONFIG'
"""

import logging
import os
import runpy
import shlex
import sys
import warnings

from mmengine.utils import ManagerMixin


def forget(kind):
    """Let the next command make its own logger, visualizer and message hub."""
    getattr(kind, '_instance_dict', {}).clear()
    for each in kind.__subclasses__():
        forget(each)


def run(command):
    """Run a script as ``python SCRIPT ...`` does."""
    print(f'$ {command}', flush=True)
    python, *sys.argv = shlex.split(command)
    assert python == 'python', command
    sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
    try:
        with warnings.catch_warnings():
            runpy.run_path(sys.argv[0], run_name='__main__')
    except SystemExit as end:
        if end.code:
            raise
    logging.disable(logging.NOTSET)
    forget(ManagerMixin)
    for name in ('generators', 'config_writer'):  # each script finds its own
        for module in [m for m in sys.modules if m.split('.')[0] == name]:
            del sys.modules[module]


if __name__ == '__main__':
    for command in sys.argv[1:]:
        run(command)
