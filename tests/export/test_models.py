"""Exported models agree with PyTorch, say what they need, and are refused where they differ."""

import json

import pytest
import torch
from afno_mm.engine import build_model
from afno_mm.export import ExportError, check_parity, export_model
from afno_mm.export.api import _notes
from afno_mm.export.formats import EXTRA_FILE
from afno_mm.export.network import Network, describe
from afno_mm.tasks import task_of
from mmengine.config import Config
from running import needs_onnx
from test_every_mixer import MIXERS

PIXELS = dict(mean=[123.0, 116.0, 103.0], std=[58.0, 57.0, 56.0])
MIT = dict(
    type='afno_mm.MiT',
    embed_dims=[8, 16],
    num_stages=2,
    num_layers=[1, 1],
    num_heads=[1, 2],
    patch_sizes=[7, 3],
    strides=[4, 2],
    sr_ratios=[2, 1],
    out_indices=(0, 1),
)
VIT = dict(
    type='afno_mm.ViT',
    img_size=64,
    patch_size=8,
    with_cls_token=False,
    arch=dict(embed_dims=16, num_layers=1, num_heads=2, feedforward_channels=16),
    out_type='featmap',
)
SEGVIT = dict(
    type='afno_mm.SegViT',
    img_size=64,
    patch_size=8,
    with_cls_token=False,
    embed_dims=16,
    num_layers=1,
    num_heads=2,
    out_indices=[0],
)
SWIN = dict(
    type='afno_mm.Swin',
    arch=dict(embed_dims=8, depths=[2, 1], num_heads=[1, 2]),
    pad_small_map=True,
    out_indices=(1,),
)
SEGSWIN = dict(
    type='afno_mm.SegSwin',
    embed_dims=8,
    depths=[2, 1],
    num_heads=[1, 2],
    strides=(4, 2),
    out_indices=(0, 1),
)


def config(model, scope):
    cfg = Config(dict(default_scope=scope, model=model))
    cfg.train_pipeline = [dict(type='RandomCrop', crop_size=(64, 64))]
    return cfg


def segmentor(backbone, widths, **settings):
    head = dict(
        type='SegformerHead',
        in_channels=widths,
        in_index=list(range(len(widths))),
        channels=8,
        num_classes=3,
        norm_cfg=dict(type='BN'),
    )
    pixels = dict(PIXELS, type='SegDataPreProcessor', bgr_to_rgb=True)
    model = dict(type='EncoderDecoder', backbone=backbone, data_preprocessor=pixels)
    test_cfg = dict(mode='whole')
    return config(
        model | dict(decode_head=head | settings, train_cfg={}, test_cfg=test_cfg), 'mmseg'
    )


def classifier(backbone, width):
    head = dict(type='LinearClsHead', num_classes=3, in_channels=width)
    pixels = dict(PIXELS, to_rgb=True, num_classes=3)
    neck = dict(type='GlobalAveragePooling')
    model = dict(type='ImageClassifier', backbone=backbone, data_preprocessor=pixels)
    return config(model | dict(head=head, neck=neck), 'mmpretrain')


def inpainter(backbone, width):
    head = dict(type='afno_mm.InpaintingHead', in_channels=width, patch_size=8)
    pixels = dict(PIXELS, to_rgb=True)
    model = dict(type='afno_mm.InpaintingModel', backbone=backbone, data_preprocessor=pixels)
    return config(model | dict(head=head), 'mmpretrain')


MODELS = {
    'MiT segmentor': lambda mixer: segmentor(MIT | mixer, [8, 16]),
    'SegSwin segmentor': lambda mixer: segmentor(SEGSWIN | mixer, [8, 16]),
    'SegViT segmentor': lambda mixer: segmentor(SEGVIT | mixer, [16]),
    'Swin classifier': lambda mixer: classifier(SWIN | mixer, 16),
    'ViT inpainter': lambda mixer: inpainter(VIT | mixer, 16),
}
STOCK = {'stock': {}, **{name: dict(mixer=mixer) for name, mixer in MIXERS.items()}}


def model_config(model, mixer='AFNO'):
    return MODELS[model](STOCK[mixer])


@pytest.mark.slow
@pytest.mark.parametrize('mixer', STOCK)
@pytest.mark.parametrize('model', MODELS)
def test_every_mixer_and_backbone_as_torchscript_of_any_size(model, mixer, tmp_path):
    cfg = model_config(model, mixer)
    exported = export_model(
        cfg, None, tmp_path / 'm.pt', format='torchscript', dynamic='batch-and-size'
    )
    (results,) = exported.parity.values()
    assert [result.shape for result in results] == [(2, 3, 64, 64), (1, 3, 83, 73)]
    assert all(result.error < 1e-4 for result in results)


@pytest.mark.slow
@pytest.mark.parametrize(
    'model, mixer, export_format',
    [
        ('ViT inpainter', 'AFNO', 'onnx'),
        ('ViT inpainter', 'AFNO', 'exported_program'),
        ('SegSwin segmentor', 'stock', 'onnx'),
    ],
)
def test_one_program_takes_any_size(model, mixer, export_format, tmp_path):
    if export_format == 'onnx':
        needs_onnx()
    cfg = model_config(model, mixer)
    path = tmp_path / 'm.pt2'
    exported = export_model(cfg, None, path, format=export_format, dynamic='batch-and-size')
    assert exported.ok
    assert all(result.error < 1e-4 for result in exported.parity[path])


def test_a_converter_that_fails_is_named_with_what_to_use(tmp_path, monkeypatch):
    pytest.importorskip('onnxscript')

    def fail(*_, **__):
        raise RuntimeError('no such operator')

    monkeypatch.setattr(torch.onnx, 'export', fail)
    with pytest.raises(ExportError, match='--format torchscript. Reason: no such operator'):
        export_model(model_config('ViT inpainter', 'SA'), None, tmp_path / 'm.onnx')


def test_the_metadata_of_a_model_are_its_own(tmp_path):
    cfg = model_config('SegViT segmentor', 'AFNO')
    cfg.test_dataloader = dict(dataset=dict(type='mmseg.CityscapesDataset'))
    model = build_model(cfg, None, 'cpu').double()
    model.dataset_meta = dict(classes=['a', 'b', 'c'])
    exported = export_model(cfg, model, tmp_path / 'm.pt', format='torchscript')
    assert json.loads(exported.metadata['classes']) == ['a', 'b', 'c']
    assert exported.metadata['checkpoint'] == 'a model in memory'


@pytest.mark.parametrize(
    'option, loaded, seen',
    [('bgr_to_rgb', 'BGR', 'RGB'), ('rgb_to_bgr', 'RGB', 'BGR'), (None, 'BGR', 'BGR')],
)
def test_the_metadata_name_the_order_of_channels(option, loaded, seen):
    cfg = model_config('SegViT segmentor')
    del cfg.model.data_preprocessor.bgr_to_rgb
    if option:
        cfg.model.data_preprocessor[option] = True
    model, layouts = build_model(cfg, None, 'cpu'), []
    for inside in (True, False):
        network = Network(model, task_of(cfg), with_preprocessing=inside)
        layouts.append(describe(cfg, None, network, 'none')['input_layout'])
    assert layouts == [f'NCHW uint8 {loaded} 0..255', f'NCHW float32 {seen} (pixel - mean) / std']


@pytest.mark.parametrize(
    'model, padding',
    [
        ('MiT segmentor', dict(test_cfg=dict(size_divisor=32))),
        ('Swin classifier', dict(pad_size_divisor=32)),
    ],
)
def test_a_note_says_that_the_file_does_not_pad(model, padding):
    cfg = model_config(model)
    assert _notes(cfg, 'weights.pth') == []
    cfg.model.data_preprocessor.update(padding)
    (note,) = _notes(cfg, 'weights.pth')
    assert 'data_preprocessor pads test images' in note


@pytest.mark.parametrize('unknown', [dict(format='onxx'), dict(dynamic='size')])
def test_unknown_formats_and_axes_are_refused_with_the_known(unknown):
    with pytest.raises(ExportError, match='must be one of .*(onnx|batch)'):
        export_model(model_config('SegViT segmentor', 'AFNO'), **unknown)


@pytest.mark.slow
@pytest.mark.parametrize('mixer', ['GFN', 'ESA', 'LS'])
def test_onnx_of_one_size_and_any_batch_with_its_metadata(mixer, tmp_path):
    onnx = needs_onnx()
    cfg = model_config('SegViT segmentor', mixer)
    cfg.test_dataloader = dict(
        dataset=dict(type='mmseg.CityscapesDataset', metainfo=dict(classes=('car', 'road', 'sky')))
    )
    exported = export_model(cfg, None, tmp_path / 'm.onnx', labels=True, opset=18)
    assert exported.ok and exported.parity[exported.path][0].agreement > 0.99
    model = onnx.load(exported.path)
    meta = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(meta['classes']) == ['car', 'road', 'sky']
    assert json.loads(meta['palette'])[:2] == [[0, 0, 142], [128, 64, 128]]
    assert json.loads(meta['mean']) == PIXELS['mean'] and meta['opset'] == '18'
    assert meta['input_layout'] == 'NCHW float32 RGB (pixel - mean) / std'
    assert [entry.version for entry in model.opset_import if not entry.domain] == [18]
    assert [value.name for value in model.graph.output] == ['logits', 'labels']
    (image,) = model.graph.input
    sizes = [dim.dim_param or dim.dim_value for dim in image.type.tensor_type.shape.dim]
    assert image.name == 'images' and sizes == ['batch', 3, 64, 64]


@pytest.mark.parametrize('model', ['MiT segmentor', 'Swin classifier', 'ViT inpainter'])
def test_preprocessing_in_the_network_is_that_of_the_data_preprocessor(model):
    cfg = model_config(model)
    built = build_model(cfg, None, 'cpu').eval()
    task = task_of(cfg)
    network = Network(built, task, with_preprocessing=True)
    batch = task.random_batch(cfg.model, (64, 64), 2)
    for sample in batch['data_samples']:
        if 'mask' in sample:
            sample.mask = torch.zeros(64, 64, dtype=torch.bool)
    images = batch['inputs'] if torch.is_tensor(batch['inputs']) else torch.stack(batch['inputs'])
    prepared = task.network_input(built.data_preprocessor(batch)['inputs'])
    with torch.no_grad():
        (expected,) = task.outputs(built, prepared).values()
        if model == 'ViT inpainter':
            mean, std = (torch.tensor(PIXELS[key])[:, None, None] for key in ('mean', 'std'))
            expected = expected * std + mean
        torch.testing.assert_close(network(images), expected)


def test_preprocessing_without_mean_is_refused():
    cfg = model_config('MiT segmentor')
    cfg.model.data_preprocessor = dict(type='SegDataPreProcessor')
    with pytest.raises(ExportError, match='SegDataPreProcessor has no mean'):
        export_model(cfg, format='torchscript', with_preprocessing=True)


def test_outputs_of_a_segmentor_are_those_of_its_prediction():
    cfg = model_config('MiT segmentor', 'stock')
    model = build_model(cfg, None, 'cpu').eval()
    images = torch.randn(2, 3, 45, 52)
    outputs = task_of(cfg).outputs(model, images, labels=True)
    samples = model.predict(images)
    torch.testing.assert_close(outputs['logits'][0], samples[0].seg_logits.data)
    assert torch.equal(outputs['labels'][1], samples[1].pred_sem_seg.data[0])


def test_one_output_channel_predicts_by_its_threshold():
    cfg = segmentor(MIT, [8, 16], num_classes=2, out_channels=1, threshold=0.3)
    cfg.model.decode_head.loss_decode = dict(type='CrossEntropyLoss', use_sigmoid=True)
    model = build_model(cfg, None, 'cpu').eval()
    images = torch.randn(1, 3, 64, 64)
    labels = task_of(cfg).outputs(model, images, labels=True)['labels']
    assert torch.equal(labels[0], model.predict(images)[0].pred_sem_seg.data[0].long())


def test_torchscript_keeps_a_model_unchanged_and_stores_metadata(tmp_path):
    cfg = model_config('ViT inpainter', 'SA')
    model = build_model(cfg, None, 'cpu').eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    path = tmp_path / 'folder' / 'm.pt'
    exported = export_model(cfg, model, path, format='torchscript', half=True)
    assert exported.ok and exported.notes == []
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]) and value.dtype == before[key].dtype
    files = {EXTRA_FILE: ''}
    torch.jit.load(str(path), _extra_files=files)
    assert json.loads(files[EXTRA_FILE])['precision'] == 'fp16'


@pytest.mark.parametrize(
    'export_format', ['torchscript', pytest.param('exported_program', marks=pytest.mark.slow)]
)
def test_a_frozen_size_is_refused_and_leaves_no_file(export_format, tmp_path):
    cfg = model_config('ViT inpainter', 'SA')
    model = build_model(cfg, None, 'cpu')
    path = tmp_path / 'm.pt2'

    class Frozen(type(model)):
        def reconstruct(self, x):
            return super().reconstruct(x) + float(int(x.shape[2]))

    model.__class__ = Frozen
    settings = dict(format=export_format, dynamic='batch-and-size')
    try:
        exported = export_model(cfg, model, path, **settings)
    except ExportError as error:
        assert '--dynamic batch' in str(error)
    else:
        assert not exported.ok
    assert not any(tmp_path.iterdir())


def test_a_wrong_result_fails_the_check():
    images = torch.randn(2, 3, 4, 4)
    wanted = dict(logits=images, labels=images.argmax(1))

    def result(difference, index=(0, 0, 0, 0)):
        logits = images.clone()
        logits[index] += difference
        (found,) = check_parity([wanted], lambda _: (logits, logits.argmax(1)), [images])
        return found

    assert result(0.0).ok and result(0.0).agreement == 1
    assert not result(2e-2).ok and result(2e-2).error == pytest.approx(2e-2, rel=1e-3)
    assert not result(float('nan')).ok
    assert not result(float('inf')).ok
    assert result(100.0).agreement < 1
    wrong = wanted['labels'].clone()
    wrong[0] += 1
    (found,) = check_parity([wanted], lambda _: (images, wrong), [images])
    assert found.agreement == 0.5


def test_a_wrong_shape_or_a_refused_input_fails_the_check():
    images = torch.randn(2, 3, 4, 4)
    with pytest.raises(ExportError, match=r'returns shapes \[\(1, 3, 4, 4\)\]'):
        check_parity([dict(logits=images)], lambda x: x[:1], [images])
    with pytest.raises(ExportError, match='cannot run images of'):
        check_parity([dict(logits=images)], lambda x: x.reshape(7), [images])


@pytest.mark.parametrize(
    'settings, message',
    [
        (dict(format='onnx', package=True), '--format exported_program'),
        (dict(format='exported_program', out='m.onnx'), r'files named \*.pt2, got --out m.onnx'),
        (dict(format='torchscript', opset=17), '--opset is for --format onnx'),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(ExportError, match=message):
        export_model(model_config('ViT inpainter'), **settings)


def test_missing_packages_are_named_with_the_command(monkeypatch):
    monkeypatch.setattr('afno_mm.export.formats.find_spec', lambda name: None)
    with pytest.raises(ModuleNotFoundError, match='pip install onnx onnxruntime onnxscript'):
        export_model(model_config('ViT inpainter'))


def test_a_missing_compiler_is_named(monkeypatch):
    monkeypatch.setenv('CXX', 'no-such-compiler')
    with pytest.raises(FileNotFoundError, match='there is no no-such-compiler'):
        export_model(model_config('ViT inpainter'), format='exported_program', package=True)


def test_gray_images(tmp_path):
    cfg = Config(
        dict(
            model=dict(
                type='ImageClassifier',
                backbone=dict(MIT, in_channels=1, out_indices=(1,), mixer=dict(type='SA')),
                neck=dict(type='GlobalAveragePooling'),
                head=dict(type='LinearClsHead', num_classes=3, in_channels=16),
            ),
            data_preprocessor=dict(mean=[127.0], std=[57.0], num_classes=3),
            default_scope='mmpretrain',
        )
    )
    export_model(cfg, None, tmp_path / 'gray.ts', format='torchscript', size=(64, 64))
    assert torch.jit.load(tmp_path / 'gray.ts')(torch.randn(1, 1, 64, 64)).shape == (1, 3)
    batch = task_of(cfg).random_batch(cfg.model, (64, 64), 2)
    assert batch['inputs'].shape == (2, 1, 64, 64)
