"""from_pretrained finds weights in every place, checks them, and runs no code from them."""

import shutil
import sys

import afno_mm
import huggingface_hub
import mmpretrain
import pytest
import torch
from afno_mm.hub import from_pretrained, publish
from afno_mm.hub.config_data import ConfigDataError, to_json
from afno_mm.weight_files import CheckpointError
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.apis import inference_model, init_model
from safetensors.torch import save_file


@pytest.fixture(scope='module')
def published(trained, tmp_path_factory):
    return publish(trained / 'epoch_1.pth', tmp_path_factory.mktemp('published') / 'shore')


def same(one, other):
    a, b = one.state_dict(), other.state_dict()
    return list(a) == list(b) and all(torch.equal(a[key], b[key]) for key in a)


@pytest.fixture
def source(request, trained, published, config, tmp_path):
    """A place to load from, and more arguments."""
    pth, safetensors = published
    if request.param == 'repository':
        return 'owner/shore', {}
    if request.param == 'folder':
        shutil.copy(safetensors, tmp_path)
        shutil.copy(pth, tmp_path)
        return tmp_path, {}
    if request.param == 'work dir of an old MMEngine':
        checkpoint = torch.load(trained / 'epoch_1.pth')
        del checkpoint['meta']['cfg']
        torch.save(checkpoint, tmp_path / 'epoch_1.pth')
        shutil.copy(trained / 'shore.py', tmp_path)
        return tmp_path, {}
    return {
        'pth': (pth, {}),
        'safetensors': (str(safetensors), {}),
        'checkpoint': (trained / 'epoch_1.pth', {}),
        'work dir': (str(trained), {}),
        'config': (config, dict(weights=trained / 'epoch_1.pth')),
        'config and safetensors': (str(config), dict(weights=str(safetensors))),
    }[request.param]


@pytest.mark.slow
@pytest.mark.parametrize(
    'source',
    [
        'pth',
        'safetensors',
        'checkpoint',
        'work dir',
        'work dir of an old MMEngine',
        'folder',
        'config',
        'config and safetensors',
        'repository',
    ],
    indirect=True,
)
def test_the_model_is_that_of_mmsegmentation(
    source, config, trained, image, published, monkeypatch
):
    asked = []

    def download(repository, revision, allow_patterns):
        asked.append((repository, revision, allow_patterns))
        return str(published[0].parent)

    monkeypatch.setattr(huggingface_hub, 'snapshot_download', download)
    where, arguments = source
    model = afno_mm.from_pretrained(where, **arguments)
    assert asked in ([], [('owner/shore', None, ['*.safetensors'])])
    reference = init_model(str(config), str(trained / 'epoch_1.pth'), device='cpu')
    assert same(model, reference) and not model.training
    assert model.dataset_meta == reference.dataset_meta
    assert model.dataset_meta['classes'] == ('sky', 'sea', 'land')
    result, expected = (inference_model(each, image) for each in (model, reference))
    assert torch.equal(result.seg_logits.data, expected.seg_logits.data)


def test_mmpretrain_predicts_with_the_model(image):
    with pytest.warns(UserWarning, match='mit_afno_b0_images with weights=None'):
        model = from_pretrained('mit_afno_b0_images', weights=None)
    classes = [f'class {i}' for i in range(10)]
    model.dataset_meta['classes'] = classes  # the config does not know them: they are folders
    result = mmpretrain.inference_model(model, image)
    assert result['pred_class'] == classes[result['pred_label']]


def test_a_config_has_no_weights():
    with pytest.raises(ValueError, match='weights=FILE.*weights=None'):
        from_pretrained('segformer_afno_b0_cityscapes')


@pytest.mark.parametrize(
    'name, message',
    [
        ('segformer_afno_b3_cityscape', 'did you mean segformer_afno_b3_cityscapes'),
        (
            'work_dirs/nothing',
            r'there is no file and no folder work_dirs/nothing.*no such repository',
        ),
        ('a/b/c', 'there is no file and no folder a/b/c'),
    ],
)
def test_nothing_found_says_where_it_looked(name, message, monkeypatch):
    def download(*_, **__):
        raise OSError('no such repository')

    monkeypatch.setattr(huggingface_hub, 'snapshot_download', download)
    with pytest.raises(FileNotFoundError, match=message):
        from_pretrained(name)


def test_without_huggingface_hub_it_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, 'huggingface_hub', None)
    with pytest.raises(FileNotFoundError, match=r'pip install "afno-mm\[hub\]"'):
        from_pretrained('owner/name')


@pytest.mark.parametrize('which', ['*.pth', '*.safetensors'])
@pytest.mark.parametrize('fault', ['changed', 'cut'])
def test_damaged_files_are_refused(which, fault, published, tmp_path):
    (path,) = published[0].parent.glob(which)
    content = bytearray(path.read_bytes())
    content[-3000] ^= 1
    broken = tmp_path / path.name
    broken.write_bytes(content if fault == 'changed' else content[:-3000])
    with pytest.raises(CheckpointError, match='damaged'):
        from_pretrained(broken)


def test_a_folder_without_one_published_file_is_refused(published, tmp_path):
    with pytest.raises(ValueError, match='It has 0: no files'):
        from_pretrained(tmp_path)
    for name in ('a.safetensors', 'b.safetensors'):
        shutil.copy(published[1], tmp_path / name)
    with pytest.raises(ValueError, match='It has 2: a.safetensors, b.safetensors. Name one'):
        from_pretrained(tmp_path)


def test_weights_of_another_model_are_refused(published):
    with pytest.raises(
        CheckpointError, match='(?s)from another model than that of the config.*Missing key'
    ):
        from_pretrained('mit_afno_b0_images', weights=published[0])


@pytest.mark.parametrize('suffix', ['pth', 'safetensors'])
def test_weights_of_data_parallel_training_and_foreign_metadata_are_taken(
    suffix, trained, config, tmp_path
):
    state = torch.load(trained / 'epoch_1.pth')['state_dict']
    renamed = {f'module.{key}': tensor for key, tensor in state.items()}
    file = tmp_path / f'a.{suffix}'
    if suffix == 'pth':
        torch.save(dict(model=renamed), file)
    else:
        save_file(renamed, file, metadata=dict(config='segformer-b0'))
    model = from_pretrained(config, weights=file)
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())


@pytest.mark.parametrize('kind', ['url', 'folder', 'of a config that is no plain data'])
def test_a_config_takes_weights_from_anywhere(kind, trained, config, tmp_path, monkeypatch):
    checkpoint = torch.load(trained / 'epoch_1.pth')
    checkpoint['meta']['cfg'] = 'model = dict(type=mmseg.models.EncoderDecoder)'
    file = tmp_path / 'pytorch_model.bin'
    torch.save(checkpoint, file)
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'cache'))
    download = lambda url, path, **_: shutil.copy(file, path)  # noqa: E731
    monkeypatch.setattr(torch.hub, 'download_url_to_file', download)
    weights = dict(url='https://host/a.pth', folder=tmp_path).get(kind, file)
    cfg = Config.fromfile(config)
    cfg.test_dataloader.dataset.metainfo = dict(classes=('a', 'b', 'c'))
    before = cfg.to_dict()
    model = from_pretrained(cfg, weights=weights)
    state = checkpoint['state_dict']
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())
    assert model.dataset_meta['classes'] == ('sky', 'sea', 'land')
    assert cfg.to_dict() == before


def test_weights_without_a_config_are_refused(trained, tmp_path):
    torch.save(torch.load(trained / 'epoch_1.pth')['state_dict'], tmp_path / 'bare.pth')
    with pytest.raises(ValueError, match='has no config inside'):
        from_pretrained(tmp_path / 'bare.pth')
    for name in ('a.py', 'b.py'):  # either could be its config
        shutil.copy(trained / 'shore.py', tmp_path / name)
    with pytest.raises(ValueError, match='has no config inside'):
        from_pretrained(tmp_path)
    (tmp_path / 'b.py').unlink()
    assert from_pretrained(tmp_path).dataset_meta is not None


@pytest.mark.parametrize('place', ['text of a checkpoint', 'published config'])
def test_code_in_a_file_never_runs(place, trained, published, tmp_path):
    marker = tmp_path / 'executed'
    if place == 'published config':
        checkpoint = torch.load(published[0])
        model = dict(type='os.system', command=f'touch {marker}')
        checkpoint['meta']['published']['config'] = to_json(dict(model=model))
    else:
        checkpoint = torch.load(trained / 'epoch_1.pth')
        checkpoint['meta']['cfg'] = f'model = open({str(marker)!r}, "w")'
    torch.save(checkpoint, tmp_path / 'evil.pth')
    with pytest.raises(ConfigDataError):
        from_pretrained(tmp_path / 'evil.pth')
    assert not marker.exists()


@pytest.fixture(autouse=True)
def scope_of_segmentation():
    init_default_scope('mmseg')
