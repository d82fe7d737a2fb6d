"""Run the tools as a user does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import warm_python

REPOSITORY = Path(__file__).parents[1]


def needs_onnx():
    """Skip a test where ONNX Runtime is missing, or torch cannot convert the models of the test."""
    onnx = pytest.importorskip('onnx')
    pytest.importorskip('onnxruntime')
    if tuple(map(int, torch.__version__.split('.')[:2])) < (2, 7):
        pytest.skip('the ONNX converter of torch 2.6 fails on these models')
    return onnx


def environment(**more):
    """Return the environment of a command: this one, where 'python' and 'afno-mm' start fast."""
    path = [str(warm_python.folder()), os.path.dirname(sys.executable), os.environ['PATH']]
    return os.environ | dict(OMP_NUM_THREADS='1', PATH=os.pathsep.join(path)) | more


def call(*command, succeeds=True, **more):
    result = subprocess.run(
        [str(c) for c in command],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        env=environment(**more),
    )
    output = result.stdout + result.stderr
    assert (result.returncode == 0) == succeeds, output[-5000:]
    return output


def tool(name, *arguments, **options):
    """Run a script of tools/, or of another folder by its path, as in 'data/make_scenes.py'."""
    path = name if '/' in name else f'tools/{name}'
    return call('python', REPOSITORY / path, *arguments, **options)


def scalars(work_dir):
    (path,) = work_dir.glob('*/vis_data/scalars.json')
    return [json.loads(line) for line in path.read_text().splitlines()]
