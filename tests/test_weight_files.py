"""No scheme of MMEngine's checkpoint loader executes what is in a file."""

import argparse
import json
import os
import shutil
import sys
import tempfile
from types import SimpleNamespace

import pytest
import torch
from afno_mm import weight_files
from afno_mm.weight_files import CheckpointError, make_mmengine_safe, read_weights
from mmengine.fileio import BaseStorageBackend
from mmengine.fileio.backends.registry_utils import backends
from mmengine.runner.checkpoint import CheckpointLoader


class Evil:
    def __reduce__(self):
        return os.mkdir, ('executed',)


class Store(BaseStorageBackend):
    """An object store with one file."""

    def get(self, filepath):
        with open('file.pth', 'rb') as file:
            return file.read()

    get_text = None


@pytest.fixture
def anywhere(tmp_path, monkeypatch):
    """Make every address give ``file.pth`` of the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'cache'))
    monkeypatch.setenv('MMENGINE_HOME', str(tmp_path))
    (tmp_path / 'open_mmlab.json').write_text(json.dumps(dict(own='file.pth')))

    def copy(url, path, *_, **__):
        shutil.copy('file.pth', path)

    monkeypatch.setattr(torch.hub, 'download_url_to_file', copy)
    monkeypatch.setitem(backends, 'petrel', Store)
    model = SimpleNamespace(name='model.pth', download=lambda path: copy('', path))
    pavi = SimpleNamespace(modelcloud=SimpleNamespace(get=lambda path: model))
    monkeypatch.setitem(sys.modules, 'pavi', pavi)


@pytest.mark.parametrize('load', [CheckpointLoader.load_checkpoint, read_weights])
@pytest.mark.parametrize(
    'address',
    [
        'file.pth',
        'http://host/file.pth',
        'https://host/file.pth?download=1',
        'torchvision://resnet18',
        'modelzoo://resnet18',
        'open-mmlab://vgg16_caffe',
        'openmmlab://vgg16_caffe',
        'openmmlab://own',
        'mmcls://vgg11',
        's3://bucket/file.pth',
        'cluster:s3://bucket/file.pth',
        'petrel://bucket/file.pth',
        'pavi://owner/model',
    ],
)
def test_no_address_executes_what_it_gives(address, load, anywhere):
    make_mmengine_safe()
    weight = torch.ones(2)
    torch.save(dict(state_dict={'backbone.weight': weight}), 'file.pth')
    (found,) = load(address, map_location='cpu')['state_dict'].values()
    assert torch.equal(found, weight)
    shutil.rmtree('cache', ignore_errors=True)
    torch.save(dict(state_dict={'backbone.weight': weight, 'evil': Evil()}), 'file.pth')
    with pytest.raises(CheckpointError, match='holds more than tensors'):
        load(address, map_location='cpu')
    assert not os.path.exists('executed')


def test_files_of_the_same_name_from_two_repositories_are_two_files(anywhere):
    for value in (1.0, 2.0):
        torch.save(dict(a=torch.tensor(value)), 'file.pth')
        for _ in range(2):  # The second time it comes from the cache.
            found = read_weights(f'https://host/model-{value}/resolve/main/pytorch_model.bin')
            assert found['a'] == value


def test_a_torchscript_program_is_not_called_damaged(tmp_path):
    path = tmp_path / 'program.pt'
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), path)
    with pytest.raises(CheckpointError, match=r'is a TorchScript program: save its state_dict'):
        read_weights(path)


def test_the_object_that_is_refused_is_named(tmp_path):
    """Many training scripts save their command line in the checkpoint."""
    torch.save(dict(model={}, args=argparse.Namespace(lr=0.1)), tmp_path / 'mae.pth')
    with pytest.raises(CheckpointError, match=r'can run code: .*argparse.Namespace .*Convert it'):
        read_weights(tmp_path / 'mae.pth')


def test_every_scheme_of_mmengine_is_tried():
    tried = test_no_address_executes_what_it_gives.pytestmark[0].args[1]
    loaders = {CheckpointLoader._get_checkpoint_loader(address) for address in tried}
    assert loaders == set(CheckpointLoader._schemes.values())


def test_a_file_of_a_store_leaves_no_copy(anywhere, tmp_path, monkeypatch):
    torch.save(dict(a=torch.ones(2)), 'file.pth')
    (tmp_path / 'temporary').mkdir()
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path / 'temporary'))
    assert read_weights('s3://bucket/file.pth')['a'].sum() == 2
    assert not [*(tmp_path / 'temporary').iterdir()]


def test_a_machine_without_the_file_in_its_cache_downloads_it_too(anywhere, monkeypatch):
    monkeypatch.setattr(weight_files, 'is_main_process', lambda: False)
    torch.save(dict(a=torch.ones(2)), 'file.pth')
    assert read_weights('https://host/file.pth')['a'].sum() == 2
