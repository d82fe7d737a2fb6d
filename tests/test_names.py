"""Configs are found by their names, here and by the OpenMMLab packages."""

import collections
import runpy
from pathlib import Path

import afno_mm
import mmpretrain
import modelindex
import numpy as np
import pytest
import yaml
from afno_mm.names import config_file, nearest, root_folder
from afno_mm.registry import MODELS
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.infer import BaseInferencer
from mmengine.registry import DefaultScope
from mmengine.utils import is_installed
from mmpretrain import ImageClassificationInferencer
from mmseg.apis import MMSegInferencer

REPOSITORY = Path(__file__).parents[1]
WRITER = runpy.run_path(str(REPOSITORY / 'tools/write_model_index.py'))
METAFILES = sorted(REPOSITORY.glob('configs/metafile_*.yml'))
ENTRIES = [model for file in METAFILES for model in yaml.safe_load(file.read_text())['Models']]


@pytest.fixture
def own_scope(monkeypatch):
    """Keep the default scope that an inferencer sets from other tests."""
    monkeypatch.setattr(DefaultScope, '_instance_dict', collections.OrderedDict())
    afno_mm.register_models()


@pytest.mark.slow
def test_the_index_is_what_the_configs_say():
    for name, text in WRITER['model_index'](REPOSITORY).items():
        assert (REPOSITORY / name).read_text() == text, 'run: python tools/write_model_index.py'


def test_the_names_are_those_of_the_files():
    files = {path.stem for path in (REPOSITORY / 'configs').glob('*.py')}
    assert set(afno_mm.list_models()) == files == {model['Name'] for model in ENTRIES}
    assert root_folder() == REPOSITORY


def test_names_are_listed_by_pattern_and_task():
    listed = afno_mm.list_models('segformer_afno_b?_city*')
    assert listed == [f'segformer_afno_b{size}_cityscapes' for size in range(4)]
    tasks = [afno_mm.list_models(task=t) for t in ('segmentation', 'classification', 'inpainting')]
    assert sum(map(len, tasks)) == len(ENTRIES)
    assert afno_mm.list_models('vit_ls', 'classification') == ['vit_ls_s4_imagenet']
    with pytest.raises(ValueError, match="no task 'detection'; the tasks are classification"):
        afno_mm.list_models(task='detection')


def test_results_say_whose_they_are():
    for model in ENTRIES:
        (result,) = model['Results']
        source = model['Metadata']['Source of Results']
        assert (source == 'no number') == (not result['Metrics']), model['Name']
        if 'cityscapes' in model['Name'] and result['Metrics']:
            assert source.endswith('not measured here')


@pytest.mark.parametrize(
    'header, results',
    [
        (
            "Expect: 80.9 mIoU (the paper's number; not measured by us). Parameters: 5M.",
            ({'mIoU': 80.9}, 'reported in the paper, not measured here'),
        ),
        (
            "Expect: .931 SSIM, 27.05 dB PSNR (the paper's numbers; not measured by us).",
            ({'SSIM': 0.931, 'PSNR': 27.05}, 'reported in the paper, not measured here'),
        ),
        (
            'Expect: 37.7 mIoU. The most frequent class gives 11.6 mIoU (all measured by us).',
            ({'mIoU': 37.7}, 'measured here'),
        ),
        ('Expect: 49 to 57 % top-1; one class gives 10 % top-1 (measured by us).', None),
        ('Expect: no number. The paper plots this model without one; not measured by us.', None),
        ('Expect: 80.9 mIoU, and nobody says whose number it is.', None),
    ],
)
def test_headers_are_read(header, results):
    assert WRITER['results_of'](header) == results


def test_a_config_is_found_by_name_and_by_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = 'segformer_afno_b0_scenes'
    path = str(REPOSITORY / f'configs/{name}.py')
    assert config_file(name) == config_file(f'{name}.py') == config_file(path) == path
    sweep = str(REPOSITORY / 'configs/sweeps/table6.py')
    assert config_file('table6') == config_file('sweeps/table6') == sweep
    Path(f'{name}.py').write_text('')
    assert config_file(f'{name}.py') == f'{name}.py'
    with pytest.raises(FileNotFoundError, match=f'Did you mean {name}?'):
        config_file('segformer_afno_b0_scene')
    with pytest.raises(FileNotFoundError, match=f'give {name} alone'):
        config_file(f'elsewhere/{name}.py')
    with pytest.raises(FileNotFoundError, match='list_models'):
        config_file('zzz')


def test_the_nearest_name_may_have_its_words_in_another_order():
    assert nearest('weight_decay_norm', ['norm_weight_decay', 'weight']) == 'norm_weight_decay'
    assert nearest('zzz', ['abc']) is None


def test_modelindex_reads_the_index_as_mim_does():
    index = modelindex.load(str(REPOSITORY / 'model-index.yml'))
    index.build_models_with_collections()
    assert {model.name for model in index.models} == set(afno_mm.list_models())
    assert all((REPOSITORY / model.config).is_file() for model in index.models)
    models = {model.name: model for model in index.models}
    large = models['segformer_afno_b3_cityscapes']
    assert large.results[0].metrics == {'mIoU': 80.9}
    assert large.metadata.data['Parameters'] == 50_060_000
    assert large.weights is None


def test_mmsegmentation_finds_names(own_scope):
    assert 'vit_afno_scenes' in BaseInferencer.list_models('afno_mm')
    with pytest.warns(UserWarning, match='Checkpoint is not loaded'):
        inferencer = MMSegInferencer('segformer_afno_b0_scenes', scope='afno_mm', device='cpu')
    image = np.zeros((64, 128, 3), np.uint8)
    assert inferencer(image)['predictions'].shape == (64, 128)


def test_mmpretrain_finds_names(own_scope):
    assert mmpretrain.list_models('mit_afno_b0') == ['mit_afno_b0_imagenet', 'mit_afno_b0_images']
    assert 'mit_gfn_b1_imagenet' in mmpretrain.list_models(task='Image Classification')
    with pytest.warns(UserWarning, match='Unable to find pre-defined checkpoint'):
        inferencer = ImageClassificationInferencer('mit_afno_b0_images', device='cpu')
    (result,) = inferencer(np.zeros((64, 64, 3), np.uint8))
    assert len(result['pred_scores']) == 10


def test_only_the_default_scope_afno_mm_looks_into_other_packages(own_scope):
    assert MODELS.get('EncoderDecoder') is None
    with DefaultScope.overwrite_default_scope('afno_mm'):
        assert MODELS.get('EncoderDecoder').__module__.startswith('mmseg')
        assert MODELS.get('ImageClassifier').__module__.startswith('mmpretrain')
        assert MODELS.get('NoSuchModel') is None


def test_mmengine_finds_configs_of_mmsegmentation_and_installs_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr('mmengine.hub.hub.install_package', lambda name: installed.append(name))
    installed = []
    path = tmp_path / 'own.py'
    path.write_text("_base_ = 'mmseg::_base_/datasets/ade20k.py'\n")
    found = Config.fromfile(path), get_config('mmseg::_base_/datasets/ade20k.py')
    assert {cfg.train_dataloader.dataset.type for cfg in found} == {'ADE20KDataset'}
    assert installed == ['mmseg'] and is_installed('mmseg')
