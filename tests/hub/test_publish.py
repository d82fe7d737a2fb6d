"""tools/publish.py and the publishers of both frameworks, on a checkpoint of a training."""

import hashlib
import json
import re
import runpy
import shutil
import sys
import time
from pathlib import Path

import mmpretrain
import mmseg
import pytest
import torch
from afno_mm.engine import read_config
from afno_mm.engine.safety.numbers import NonFiniteError
from afno_mm.export import export_model
from afno_mm.hub import from_pretrained, publish
from mmengine.config import Config
from running import tool
from safetensors import safe_open

MIT_B0 = 'https://mmassets.onedl.ai/mmsegmentation/v0.5/pretrain/segformer/mit_b0.pth'


@pytest.fixture
def checkpoint(trained):
    return torch.load(trained / 'epoch_1.pth')


def equal(state, other):
    return state.keys() == other.keys() and all(torch.equal(state[k], other[k]) for k in state)


def contents(files):
    """Weights and JSON of both published files."""
    pth, safetensors = files
    loaded = torch.load(pth)
    assert set(loaded) == {'meta', 'state_dict'}
    yield loaded['state_dict'], loaded['meta']['published']
    with safe_open(safetensors, 'pt') as file:
        yield {key: file.get_tensor(key) for key in file.keys()}, file.metadata()


@pytest.mark.parametrize('name', ['shore', 'shore.pth', 'depth.safetensors', 'v1.2'])
def test_files_have_their_hash_in_the_name_and_all_that_a_prediction_needs(
    name, trained, checkpoint, tmp_path
):
    files = publish(trained / 'epoch_1.pth', tmp_path / 'new' / name, author='A', licence='MIT')
    for file in files:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()[:8]
        stem = name.removesuffix('.pth').removesuffix('.safetensors')
        assert file.name == f'{stem}-{digest}{file.suffix}'
        assert torch.hub.HASH_REGEX.search(file.name)[1] == digest
    for state, texts in contents(files):
        assert equal(state, checkpoint['state_dict'])
        config, provenance = json.loads(texts['config']), json.loads(texts['provenance'])
        assert 'work_dir' not in config and config['model']['decode_head']['num_classes'] == 3
        assert json.loads(texts['dataset_meta'])['palette'] == [
            [0, 0, 255],
            [0, 255, 255],
            [0, 255, 0],
        ]
        assert (provenance['author'], provenance['licence']) == ('A', 'MIT')
        assert provenance['trained']['iterations'] == 2
    assert sorted(files) == sorted((tmp_path / 'new').iterdir())


def test_the_same_checkpoint_gives_the_same_pth(trained, tmp_path):
    once, again = (publish(trained / 'epoch_1.pth', tmp_path / n / 'a')[0] for n in 'xy')
    assert once.name == again.name


@pytest.mark.parametrize(
    'ema, kind', [(None, 'averaged (EMA)'), (True, 'averaged (EMA)'), (False, 'plain')]
)
def test_averaged_or_plain_weights_are_taken_as_asked(ema, kind, trained, checkpoint, tmp_path):
    plain = {
        key.removeprefix('module.'): value
        for key, value in checkpoint['ema_state_dict'].items()
        if key.startswith('module.')
    }
    assert not equal(plain, checkpoint['state_dict'])
    for state, texts in contents(publish(trained / 'epoch_1.pth', tmp_path / 'a', ema=ema)):
        assert equal(state, plain if ema is False else checkpoint['state_dict'])
        assert json.loads(texts['provenance'])['weights'] == kind


def test_averaged_weights_that_are_not_there_are_refused(checkpoint, tmp_path):
    del checkpoint['ema_state_dict']
    torch.save(checkpoint, tmp_path / 'epoch_1.pth')
    with pytest.raises(ValueError, match='no averaged weights.*--ema'):
        publish(tmp_path / 'epoch_1.pth', tmp_path / 'a', ema=True)


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_weights_that_are_not_finite_are_refused(value, checkpoint, tmp_path):
    checkpoint['state_dict']['decode_head.conv_seg.bias'][1] = value
    torch.save(checkpoint, tmp_path / 'epoch_1.pth')
    with pytest.raises(NonFiniteError, match='the first is decode_head.conv_seg.bias'):
        publish(tmp_path / 'epoch_1.pth', tmp_path / 'new/a')
    assert not (tmp_path / 'new').exists()


def test_bare_weights_need_a_config(checkpoint, config, tmp_path):
    torch.save(checkpoint['state_dict'], tmp_path / 'bare.pth')
    with pytest.raises(ValueError, match='has no config inside'):
        publish(tmp_path / 'bare.pth', tmp_path / 'a')
    for file in publish(tmp_path / 'bare.pth', tmp_path / 'a', config):
        assert from_pretrained(file).dataset_meta['classes'] == ('sky', 'sea', 'land')


@pytest.mark.slow
@pytest.mark.parametrize('key', ['model.backbone.init_cfg.checkpoint', 'load_from'])
@pytest.mark.parametrize(
    'start, restricted',
    [
        (MIT_B0, True),
        ('/home/me/mit_b3_20220624-13b1141c.pth', True),
        ('weights/mit_b2.pth', True),
        ('nvidia/mit-b0', True),
        ('https://host/segformer_mit-b0_8x1_cityscapes.pth', True),
        ('work_dirs/mit_esa_b0_imagenet/epoch_300.pth', False),
    ],
)
def test_weights_that_began_as_nvidias_say_so(start, restricted, key, checkpoint, tmp_path):
    cfg = Config.fromstring(checkpoint['meta']['cfg'], '.py')
    cfg.merge_from_dict({key: start})
    checkpoint['meta']['cfg'] = cfg.pretty_text
    torch.save(checkpoint, tmp_path / 'epoch_1.pth')
    for _, texts in contents(publish(tmp_path / 'epoch_1.pth', tmp_path / 'a')):
        provenance = json.loads(texts['provenance'])
        assert provenance['started_from'] == (start if '://' in start else start.split('/')[-1])
        assert ('non-commercial' in (provenance['restriction'] or '')) == restricted


def test_a_list_of_initialisers_may_name_the_weights_too(checkpoint, tmp_path):
    cfg = Config.fromstring(checkpoint['meta']['cfg'], '.py')
    init = dict(type='Pretrained', checkpoint='weights/mit_b2.pth')
    cfg.model.backbone.init_cfg = [dict(type='Constant', layer='LayerNorm', val=1.0), init]
    checkpoint['meta']['cfg'] = cfg.pretty_text
    torch.save(checkpoint, tmp_path / 'epoch_1.pth')
    for _, texts in contents(publish(tmp_path / 'epoch_1.pth', tmp_path / 'a')):
        assert json.loads(texts['provenance'])['started_from'] == 'mit_b2.pth'
        assert 'init_cfg' not in json.loads(texts['config'])['model']['backbone']


def test_a_warm_started_student_is_published_as_an_ordinary_model(checkpoint, tmp_path):
    cfg = Config.fromstring(checkpoint['meta']['cfg'], '.py')
    init = dict(type='Pretrained', checkpoint='weights/mit_b2.pth')
    cfg.model.update(type='afno_mm.WarmStartSegmentor', teacher=dict(mixer=None, init_cfg=init))
    checkpoint['meta']['cfg'] = cfg.pretty_text
    torch.save(checkpoint, tmp_path / 'epoch_1.pth')
    for state, texts in contents(publish(tmp_path / 'epoch_1.pth', tmp_path / 'a')):
        model = json.loads(texts['config'])['model']
        assert model['type'] == 'EncoderDecoder' and 'teacher' not in model
        assert json.loads(texts['provenance'])['started_from'] == 'mit_b2.pth'
        assert equal(state, checkpoint['state_dict'])


def test_a_published_file_can_be_published_again(trained, checkpoint, tmp_path):
    for file in publish(trained / 'epoch_1.pth', tmp_path / 'a', author='A'):
        for state, texts in contents(publish(file, tmp_path / file.suffix / 'b', author='B')):
            assert equal(state, checkpoint['state_dict'])
            assert json.loads(texts['provenance'])['published_before']['author'] == 'A'


@pytest.mark.slow
def test_the_tool_prints_files_provenance_and_paths_of_the_machine(trained, config, tmp_path):
    output = tool('publish.py', trained / 'epoch_1.pth', tmp_path / 'a.pth', '--no-ema')
    assert len(re.findall(r'a-[0-9a-f]{8}\.(?:pth|safetensors)  0\.\d MiB, loads', output)) == 2
    assert 'weights: plain' in output and 'licence: not stated' in output
    assert f'paths of this machine: {config.parent}' in output


@pytest.mark.parametrize(
    'package, script',
    [(mmseg, 'misc/publish_model.py'), (mmpretrain, 'model_converters/publish_model.py')],
)
def test_upstream_s_publishers_take_our_checkpoints(
    package, script, trained, checkpoint, tmp_path, monkeypatch
):
    path = Path(package.__file__).parent / '.mim/tools' / script
    if not path.exists():
        pytest.skip(f'{path} is not installed')
    monkeypatch.chdir(tmp_path)
    shutil.copy(trained / 'epoch_1.pth', 'in.pth')
    monkeypatch.setattr(sys, 'argv', [str(path), 'in.pth', 'shore.pth'])
    runpy.run_path(str(path), run_name='__main__')
    while not (files := list(tmp_path.glob('shore[-_]*.pth'))):
        time.sleep(0.01)  # MMSegmentation renames the file in another process
    assert 'optimizer' not in torch.load(files[0])
    assert equal(from_pretrained(files[0]).state_dict(), checkpoint['state_dict'])


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_an_export_of_a_published_file_has_its_classes(suffix, trained, config, tmp_path):
    files = {file.suffix: file for file in publish(trained / 'epoch_1.pth', tmp_path / 'a')}
    cfg = read_config(str(config))
    cfg.test_dataloader.dataset.metainfo = dict(classes=('a', 'b', 'c'))
    out = tmp_path / 'm.pt'
    exported = export_model(cfg, str(files[suffix]), out, format='torchscript', dynamic='none')
    assert json.loads(exported.metadata['classes']) == ['sky', 'sea', 'land']
    assert json.loads(exported.metadata['palette'])[1] == [0, 255, 255]
