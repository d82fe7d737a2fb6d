"""Start Python programs without the seconds in which they import PyTorch.

A server imports the libraries once. For each program it forks a process, which then runs the
program as ``python`` does. The server imports no package of OpenMMLab but mmengine and mmcv, and
nothing of afno_mm: what a program forgets to import is still missing.

:func:`folder` starts the server and returns a folder with the commands ``python`` and ``afno-mm``.
They take ``SCRIPT ...``, ``-m MODULE ...`` and ``-c CODE ...``. They ignore ``-u``, which torchrun
adds, and do not pass signals on.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import types
from functools import cache
from pathlib import Path

# multiprocessing.spawn keeps the real Python for the processes that it starts.
LIBRARIES = """
multiprocessing.spawn torch._dynamo torch.distributed.optim torch.utils.tensorboard torchvision timm
transformers torchmetrics.functional scipy.optimize matplotlib.pyplot mmcv mmengine.runner
mmengine.visualization
"""
CLIENT = """#!{python} -IS
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
arguments = {first} + sys.argv[1:]
request = json.dumps([arguments, os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(server, [len(request).to_bytes(8, 'big')], [0, 1, 2])
server.sendall(request)
os._exit(int(server.makefile().read() or 1) % 256)
"""


@cache
def folder() -> Path:
    """Start the server of this process, and return the folder with its commands."""
    place = tempfile.TemporaryDirectory(prefix='warm_python_')
    root = Path(place.name)
    address = str(root / 'socket')
    for name, first in (('python', []), ('afno-mm', ['-m', 'afno_mm.cli'])):
        command = root / name
        command.write_text(CLIENT.format(python=sys.executable, address=address, first=first))
        command.chmod(0o755)
    # The server ends when this process does: then its standard input is at its end.
    server = subprocess.Popen(
        [sys.executable, __file__, address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=dict(os.environ, OMP_NUM_THREADS='1'),
    )
    assert server.stdout.readline() == b'ready\n'
    atexit.register(place.cleanup)
    return root


def serve(address: str) -> tuple:
    """Fork a process for each request. Return only in such a process, with its request."""
    for library in LIBRARIES.split():
        try:
            importlib.import_module(library)
        except ImportError:  # an extra that is not installed
            continue
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    gc.freeze()  # the programs' garbage collector leaves out what they share with the server
    print('ready', flush=True)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            os._exit(0)
        connection, _ = listener.accept()
        if os.fork():
            connection.close()
            continue
        listener.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        size, files, _, _ = socket.recv_fds(connection, 8, 3)
        request = connection.makefile('rb').read(int.from_bytes(size, 'big'))
        program = os.fork()
        if not program:
            connection.close()
            return json.loads(request), files
        code = os.waitstatus_to_exitcode(os.waitpid(program, 0)[1])
        connection.sendall(str(code if code >= 0 else 128 - code).encode())
        os._exit(0)


def run(arguments, cwd, environment, files, python):
    """Run a program in this process as ``python`` does."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.executable = python
    first, *rest = arguments = arguments[1:] if arguments[0] == '-u' else arguments
    paths = environment.get('PYTHONPATH', '').split(os.pathsep)
    sys.path[1:1] = [path for path in paths if path and path not in sys.path]
    sys.stdin = open(0)
    if first == '-c':
        code, *rest = rest
        sys.argv, sys.path[0] = ['-c', *rest], ''
        main = sys.modules['__main__'] = types.ModuleType('__main__')
        exec(compile(code, '<string>', 'exec'), vars(main))
    elif first == '-m':
        sys.argv, sys.path[0] = rest, os.getcwd()
        runpy.run_module(rest[0], run_name='__main__', alter_sys=True)
    else:
        sys.argv, sys.path[0] = arguments, os.path.dirname(os.path.abspath(first))
        runpy.run_path(first, run_name='__main__')


if __name__ == '__main__':
    address = sys.argv[1]
    (arguments, cwd, environment), files = serve(address)
    run(arguments, cwd, environment, files, str(Path(address).with_name('python')))
