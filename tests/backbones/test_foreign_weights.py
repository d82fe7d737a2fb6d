"""Public weights of other libraries give the features of their own models."""

import json
import os
import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
from afno_mm.backbones import MiT, SegSwin, SegViT, Swin, ViT
from afno_mm.backbones.pretrained import load_pretrained
from afno_mm.engine.safety import SafeRunner
from afno_mm.weight_files import CheckpointError, read_weights
from mmengine.config import ConfigDict
from mmengine.registry import MODELS, DefaultScope
from mmseg.models.backbones import MixVisionTransformer
from safetensors.torch import load_file, save_file

SIZES = dict(num_hidden_layers=2, hidden_size=24, num_attention_heads=2, intermediate_size=48)
IMAGE = dict(image_size=64, patch_size=8)
SEGFORMER = dict(
    hidden_sizes=[8, 16, 20, 32],
    depths=[1, 2, 1, 1],
    num_attention_heads=[1, 2, 5, 8],
    decoder_hidden_size=16,
    num_labels=7,
)
MIT = dict(embed_dims=[8, 16, 20, 32], num_layers=[1, 2, 1, 1], num_heads=[1, 2, 5, 8])
MIT['norm_cfg'] = dict(type='LN', eps=1e-5)  # of Hugging Face
SWIN = dict(embed_dims=16, depths=[1, 2, 1, 1], num_heads=[1, 2, 2, 4])
SEG_SWIN = dict(SWIN, window_size=2, out_indices=(3,))
VIT = dict(embed_dims=24, num_layers=2, num_heads=2)
OUR_SWIN = dict(arch=SWIN, img_size=64, window_size=2)
OUR_VIT = dict(arch=dict(VIT, feedforward_channels=48), patch_size=8, out_type='featmap')
SEG_VIT = dict(VIT, mlp_ratio=2, patch_size=8, final_norm=True, patch_bias=True)
AFNO = dict(type='AFNO', num_blocks=1)


def randomised(model):
    """Make every tensor matter: no weight is 1, no bias is 0."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                value.normal_(std=0.3)
                if 'var' in name:
                    value.abs_().add_(0.5)
    return model.eval()


def hugging_face(kind, config, **settings):
    transformers = pytest.importorskip('transformers')
    cfg = getattr(transformers, config)(**settings)
    return randomised(getattr(transformers, kind)(cfg))


def segformer(kind='SegformerModel'):
    return hugging_face(kind, 'SegformerConfig', **SEGFORMER)


def vit(kind='ViTModel', config='ViTConfig'):
    return hugging_face(kind, config, **SIZES, **IMAGE)


def swin(kind='SwinModel', **more):
    sizes = dict(
        more,
        embed_dim=16,
        depths=[1, 2, 1, 1],
        num_heads=[1, 2, 2, 4],
        image_size=64,
        window_size=2,
    )
    return hugging_face(kind, 'SwinConfig', **sizes)


def timm_model(name, **settings):
    return randomised(pytest.importorskip('timm').create_model(name, **settings))


def timm_vit(name='vit_tiny_patch16_224', **settings):
    sizes = dict(depth=2, embed_dim=24, num_heads=2, mlp_ratio=2, img_size=64, patch_size=8)
    return timm_model(name, **sizes, **settings)


def timm_swin(**more):
    settings = dict(more, embed_dim=16, depths=(1, 2, 1, 1), num_heads=(1, 2, 2, 4), img_size=64)
    return timm_model('swin_tiny_patch4_window7_224', **settings, window_size=2)


def as_map(tokens):
    """Tokens (B, N, C), without extra ones, as a square map (B, C, H, W)."""
    side = int(tokens.shape[1] ** 0.5)
    return tokens[:, -side * side :].transpose(1, 2).unflatten(2, (side, side))


def features(model, x):
    """Return the maps (B, C, H, W) of a model of transformers or timm."""
    if hasattr(model, 'forward_features'):
        y = model.forward_features(x)
        return [y.permute(0, 3, 1, 2) if y.ndim == 4 else as_map(y)]
    model = getattr(model, 'base_model', model)
    if type(model).__name__ == 'SegformerModel':
        return list(model(x, output_hidden_states=True).hidden_states)
    return [as_map(model(x).last_hidden_state)]


def saved(model, folder):
    model.save_pretrained(folder)
    return folder / 'model.safetensors'


def state_file(model, folder):
    torch.save(model.state_dict(), folder / 'model.pth')
    return folder / 'model.pth'


def authors_keys(state):
    """Return a SegFormer of transformers with the authors' keys."""

    def up(match):
        return f'{match[1]}{int(match[2]) + 1}'

    names = (
        (r'patch_embeddings\.(\d)\.layer_norm', r'patch_embeddings.\1.norm'),
        (r'layer_norm_', 'norm'),
        (r'attention\.self\.(query|sr|layer_norm)', r'attn.\1'),
        (r'attn\.query', 'attn.q'),
        (r'attn\.layer_norm', 'attn.norm'),
        (r'attention\.output\.dense', 'attn.proj'),
        (r'mlp\.dense', 'mlp.fc'),
        (r'encoder\.(block)\.(\d)', up),
        (r'encoder\.(patch_embed)dings\.(\d)', up),
        (r'encoder\.layer_(norm)\.(\d)', up),
        (r'(linear_c)\.(\d)', up),
        (r'linear_fuse', 'linear_fuse.conv'),
        (r'batch_norm', 'linear_fuse.bn'),
        (r'decode_head\.classifier', 'decode_head.linear_pred'),
        (r'segformer\.', 'backbone.'),
    )
    result = {}
    for key, value in state.items():
        if '.self.value' in key:
            continue
        if '.self.key' in key:
            value = torch.cat([value, state[key.replace('self.key', 'self.value')]])
            key = key.replace('attention.self.key', 'attn.kv')
        for pattern, name in names:
            key = re.sub(pattern, name, key)
        result[key] = value
    # The authors' class has this unused layer too.
    result['decode_head.conv_seg.weight'] = torch.zeros(3)
    return result


def authors(model, folder):
    state = authors_keys(load_file(saved(model, folder)))
    assert 'backbone.block1.0.attn.kv.weight' in state and 'backbone.norm4.bias' in state
    torch.save(dict(state_dict=state, meta={}), folder / 'model.pth')
    return folder / 'model.pth'


def backbone_of_authors(model, folder):
    state = {f'segformer.{k}': v for k, v in load_file(saved(model, folder)).items()}
    torch.save(
        {k.removeprefix('backbone.'): v for k, v in authors_keys(state).items()}, folder / 'b'
    )
    return folder / 'b'


def shards(model, folder):
    model.save_pretrained(folder, max_shard_size='20KB')
    assert len(list(folder.glob('model-*.safetensors'))) > 2
    return folder


def microsoft(model, folder):
    """Swin's authors merge patches at the end of a stage and name the head otherwise."""
    state = {}
    for key, value in model.state_dict().items():
        key = re.sub(r'layers\.(\d)\.down', lambda m: f'layers.{int(m[1]) - 1}.down', key)
        state[key.replace('head.fc', 'head')] = value
    state['layers.0.blocks.0.attn.relative_position_index'] = torch.zeros(4, 4, dtype=torch.long)
    torch.save(dict(model=state), folder / 'swin.pth')
    return folder / 'swin.pth'


SEGMENTOR, CLASSIFIER = 'SegformerForSemanticSegmentation', 'SegformerForImageClassification'
CASES = {
    'segformer': (segformer, saved, MiT, MIT),
    'segformer-state': (segformer, state_file, MiT, MIT),
    'segformer-shards': (segformer, shards, MiT, MIT),
    'segformer-classifier': (lambda: segformer(CLASSIFIER), saved, MiT, MIT),
    'segformer-segmentor': (lambda: segformer(SEGMENTOR), saved, MiT, MIT),
    'segformer-authors': (lambda: segformer(SEGMENTOR), authors, MiT, MIT),
    'segformer-authors-backbone': (segformer, backbone_of_authors, MiT, MIT),
    'vit': (vit, saved, ViT, dict(OUR_VIT, img_size=64)),
    'vit-state': (vit, state_file, ViT, dict(OUR_VIT, img_size=64)),
    'vit-classifier': (
        lambda: vit('ViTForImageClassification'),
        saved,
        SegViT,
        SEG_VIT | dict(img_size=64),
    ),
    'swin': (swin, saved, Swin, OUR_SWIN),
    'swin-state': (lambda: swin('SwinForImageClassification'), state_file, Swin, OUR_SWIN),
    'swin-mmseg': (swin, saved, SegSwin, SEG_SWIN),
    'timm-vit': (timm_vit, state_file, ViT, dict(OUR_VIT, img_size=64)),
    'timm-vit-mmseg': (timm_vit, state_file, SegViT, SEG_VIT | dict(img_size=64)),
    'timm-deit3': (
        lambda: timm_vit('deit3_small_patch16_224'),
        state_file,
        ViT,
        dict(OUR_VIT, img_size=64, layer_scale_init_value=1.0),
    ),
    'timm-swin': (timm_swin, state_file, Swin, OUR_SWIN),
    'swin-authors': (timm_swin, microsoft, SegSwin, SEG_SWIN),
}


@pytest.mark.parametrize('case', CASES)
def test_features_are_those_of_the_original(case, tmp_path):
    make, save, ours, settings = CASES[case]
    original = make()
    path = save(original, tmp_path)
    model = ours(**settings, init_cfg=dict(type='Pretrained', checkpoint=str(path), min_match=1.0))
    model.init_weights()
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected, found = features(original, x), model.eval()(x)
    assert len(expected) == len(found)
    for theirs, own in zip(expected, found):
        torch.testing.assert_close(own, theirs, rtol=1e-5, atol=1e-5)
    report = load_pretrained(model, path)
    assert not report['missing'] and not report['mismatched']


def whole_model(scope, **parts):
    preprocessor = 'SegDataPreProcessor' if scope == 'mmseg' else 'ClsDataPreprocessor'
    with DefaultScope.overwrite_default_scope(scope):
        return MODELS.build(ConfigDict(data_preprocessor=dict(type=preprocessor), **parts))


def segmentor(mixer=None, **backbone):
    return whole_model(
        'mmseg',
        type='EncoderDecoder',
        backbone=dict(type='afno_mm.MiT', **{**MIT, **backbone}, mixer=mixer),
        decode_head=dict(
            type='afno_mm.SegformerHead',
            in_channels=MIT['embed_dims'],
            in_index=[0, 1, 2, 3],
            channels=16,
            num_classes=7,
            norm_cfg=dict(type='BN'),
        ),
    )


def classifier(backbone, head, **settings):
    neck = None if backbone is ViT else dict(type='GlobalAveragePooling')
    return whole_model(
        'mmpretrain',
        type='ImageClassifier',
        backbone=dict(type=backbone, **settings),
        neck=neck,
        head=dict(type=head, num_classes=10, in_channels=24 if backbone is ViT else 128),
    )


def loaded(model, path, folder):
    """Load a file as ``load_from`` does. Return what the log says."""
    name = f'{folder.name}{np.random.randint(10**9)}'
    runner = SafeRunner(model, str(folder), load_from=str(path), experiment_name=name)
    runner.load_or_resume()
    return next(folder.glob('*/*.log')).read_text()


@pytest.mark.parametrize('save', [saved, shards, authors, state_file])
def test_load_from_takes_whole_segformers_with_their_decoder(save, tmp_path):
    original = segformer(SEGMENTOR)
    model = segmentor()
    log = loaded(model, save(original, tmp_path), tmp_path)
    tensors = len(model.state_dict())
    assert f'{tensors} of {tensors} tensors loaded, 100.0% of the values; new: none' in log
    x = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        torch.testing.assert_close(model.eval()(x), original(x).logits, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize(
    'make, save, ours',
    [
        (
            lambda: timm_vit(num_classes=10),
            state_file,
            lambda: classifier(
                ViT, 'VisionTransformerClsHead', **{**OUR_VIT, 'out_type': 'cls_token'}, img_size=64
            ),
        ),
        (
            lambda: timm_swin(num_classes=10),
            microsoft,
            lambda: classifier(Swin, 'LinearClsHead', **OUR_SWIN),
        ),
        (
            lambda: swin('SwinForImageClassification', num_labels=10),
            saved,
            lambda: classifier(Swin, 'LinearClsHead', **OUR_SWIN),
        ),
    ],
    ids=['timm-vit', 'swin-authors', 'hugging-face-swin'],
)
def test_load_from_takes_whole_classifiers(make, save, ours, tmp_path):
    original, model = make(), ours()
    loaded(model, save(original, tmp_path), tmp_path)
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = original(x)
        expected = getattr(expected, 'logits', expected)
        found = model.eval().head(model.extract_feat(x))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    'make, save, ours, settings',
    [
        (segformer, saved, MiT, MIT),
        (timm_swin, state_file, Swin, OUR_SWIN),
        (swin, saved, SegSwin, SEG_SWIN),
        (vit, saved, ViT, dict(OUR_VIT, img_size=64, with_cls_token=False)),
        (timm_vit, state_file, SegViT, dict(SEG_VIT, img_size=64, with_cls_token=False)),
    ],
)
def test_with_a_mixer_only_the_mixers_are_new(make, save, ours, settings, tmp_path):
    path = save(make(), tmp_path)
    stock = ours(**settings, init_cfg=dict(type='Pretrained', checkpoint=str(path)))
    model = ours(**settings, mixer=AFNO, init_cfg=stock.init_cfg)
    stock.init_weights()
    model.init_weights()
    report = load_pretrained(model, path)
    assert report['missing'] and not report['mismatched']
    mixers = [k for k in model.state_dict() if '.attn.' in k]
    assert sorted(report['missing']) == sorted(mixers)
    values = stock.state_dict()
    for key, value in model.state_dict().items():
        # mmseg's ViT keeps the row of the class token that it does not use.
        if key not in mixers and key not in ('pos_embed', 'cls_token'):
            assert torch.equal(value, values[key]), key
    if 'pos_embed' in values:
        assert torch.equal(model.pos_embed[:, -64:], values['pos_embed'][:, -64:])


def test_load_from_reports_the_mixers_as_new(tmp_path):
    model = segmentor(mixer=AFNO)
    log = loaded(model, saved(segformer(SEGMENTOR), tmp_path), tmp_path)
    assert '; new: backbone.layers.0.1.0.attn.w1, backbone' in log and 'of another size' not in log


B0 = (8, 16, 20, 32), (2, 2, 2, 2)
B1 = (16, 32, 40, 64), (2, 2, 2, 2)
B2 = (16, 32, 40, 64), (3, 4, 6, 3)


@pytest.mark.parametrize(
    'of, to, message',
    [
        (B2, B0, r'layers.0.0.projection.weight \(16, 3, 7, 7\) for \(8, 3, 7, 7\)'),
        (B2, B1, r'has \[3, 4, 6, 3\] blocks in its stages, and this MiT has \[2, 2, 2, 2\]'),
        (B1, B2, r'has \[2, 2, 2, 2\] blocks in its stages, and this MiT has \[3, 4, 6, 3\]'),
    ],
    ids=['B2 into B0', 'B2 into B1', 'B1 into B2'],
)
@pytest.mark.parametrize('save', [saved, backbone_of_authors])
def test_weights_of_another_size_are_refused_with_both_sizes(save, of, to, message, tmp_path):
    sizes = SEGFORMER | dict(hidden_sizes=of[0], depths=of[1], num_attention_heads=[1, 2, 4, 8])
    path = save(hugging_face('SegformerModel', 'SegformerConfig', **sizes), tmp_path)
    settings = dict(embed_dims=to[0], num_layers=to[1], num_heads=[1, 2, 4, 8])
    with pytest.raises(ValueError, match=message):
        load_pretrained(MiT(**settings), path, min_match=0.1)


def test_load_from_refuses_another_size_with_both_sizes(tmp_path):
    sizes = SEGFORMER | dict(hidden_sizes=B1[0])
    path = saved(hugging_face(SEGMENTOR, 'SegformerConfig', **sizes), tmp_path)
    with pytest.raises(ValueError, match=r'weight \(16, 3, 7, 7\) for \(8, 3, 7, 7\)'):
        loaded(segmentor(), path, tmp_path)


@pytest.mark.parametrize('ours, settings', [(ViT, OUR_VIT), (SegViT, SEG_VIT)])
@pytest.mark.parametrize(
    'make', [vit, timm_vit, lambda: timm_vit('deit_tiny_distilled_patch16_224')]
)
@pytest.mark.parametrize('class_token', [True, False])
@pytest.mark.parametrize('size', [64, 96])
def test_position_embeddings_go_to_their_patches(ours, settings, make, class_token, size, tmp_path):
    original = make()
    name = next(k for k in original.state_dict() if 'pos_embed' in k or 'position_emb' in k)
    rows = original.state_dict()[name]
    model = ours(**settings, img_size=size, with_cls_token=class_token)
    load_pretrained(model, state_file(original, tmp_path))
    patches = rows[:, -64:].transpose(1, 2).unflatten(2, (8, 8))
    side = size // 8
    patches = torch.nn.functional.interpolate(patches, (side, side), mode='bicubic')
    found = as_map(model.pos_embed.detach()[:, -side * side :])
    torch.testing.assert_close(found, patches)
    if class_token:
        assert torch.equal(model.pos_embed[:, 0], rows[:, 0])


def test_tables_of_another_window_are_resized(tmp_path):
    load_pretrained(Swin(**dict(OUR_SWIN, window_size=4)), path := saved(swin(), tmp_path))
    model = Swin(**dict(OUR_SWIN, window_size=4))
    report = load_pretrained(model, path)
    assert not report['missing'] + report['mismatched']
    table = load_file(path)['encoder.layers.0.blocks.0.attention.self.relative_position_bias_table']
    maps = torch.nn.functional.interpolate(
        table.T.unflatten(1, (3, 3))[None], (7, 7), mode='bicubic'
    )
    found = model.stages[0].blocks[0].attn.w_msa.relative_position_bias_table.detach()
    torch.testing.assert_close(found, maps[0].flatten(1).T)


@pytest.mark.parametrize('of, to', [(ViT, SegViT), (SegViT, ViT)])
def test_vision_transformers_of_both_frameworks_take_each_others_weights(of, to, tmp_path):
    settings = {ViT: dict(OUR_VIT, img_size=64), SegViT: dict(SEG_VIT, img_size=64)}
    settings[SegViT]['norm_cfg'] = dict(type='LN', eps=1e-6)
    source, target = randomised(of(**settings[of])), to(**settings[to]).eval()
    report = load_pretrained(target, state_file(source, tmp_path))
    assert not report['missing'] + report['mismatched'] + report['unused']
    x = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(target(x)[0], source(x)[0], rtol=1e-5, atol=1e-5)


class Code:
    def __reduce__(self):
        return os.mkdir, ('executed',)


@pytest.mark.parametrize('load', ['backbone', 'load_from'])
def test_code_in_a_foreign_checkpoint_is_never_run(load, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({'patch_embed1.proj.weight': torch.zeros(2), 'code': Code()}, 'pytorch_model.bin')
    with pytest.raises((ValueError, RuntimeError), match="save its 'state_dict' alone"):
        if load == 'backbone':
            load_pretrained(MiT(**MIT), tmp_path)
        else:
            loaded(segmentor(), tmp_path / 'pytorch_model.bin', tmp_path)
    assert not (tmp_path / 'executed').exists()


def cut(folder):
    path = folder / 'model.safetensors'
    path.write_bytes(path.read_bytes()[:-100])


def remove(folder):
    (folder / 'model.safetensors').unlink()


def point_elsewhere(folder):
    index = dict(weight_map={'a': 'model.safetensors', 'b': 'model-2.safetensors'})
    remove(folder)
    (folder / 'model.safetensors.index.json').write_text(json.dumps(index))


def lose_a_tensor(folder):
    index = dict(weight_map={'lost': 'part.safetensors'})
    (folder / 'model.safetensors').rename(folder / 'part.safetensors')
    (folder / 'model.safetensors.index.json').write_text(json.dumps(index))


def double(folder):
    path = folder / 'model.safetensors'
    state = load_file(path)
    save_file({f'{who}.{k}': v.clone() for who in 'ab' for k, v in state.items()}, path)


@pytest.mark.parametrize(
    'fault, error, message',
    [
        (cut, CheckpointError, 'is damaged'),
        (remove, FileNotFoundError, 'wants one of model.safetensors.*has config.json'),
        (point_elsewhere, FileNotFoundError, 'lists 2 files, and 2 are missing'),
        (lose_a_tensor, CheckpointError, r"lists 1 tensors that no file has: \['lost'\]"),
        (double, ValueError, r"holds 2 models. Set init_cfg.prefix to one of \['a.', 'b.'\]"),
    ],
)
def test_faulty_folders_say_what_is_wrong(fault, error, message, tmp_path):
    saved(segformer(), tmp_path)
    fault(tmp_path)
    with pytest.raises(error, match=message):
        load_pretrained(MiT(**MIT), tmp_path)


def test_prefix_chooses_one_of_several_models(tmp_path):
    saved(segformer(), tmp_path)
    double(tmp_path)
    report = load_pretrained(MiT(**MIT), tmp_path, prefix='b.')
    assert not report['missing'] + report['unused']


@pytest.mark.parametrize(
    'content, prefix',
    [
        (lambda s: dict(model_state_dict=s, epoch=3), None),
        (lambda s: dict(student=dict(s), teacher=s), 'teacher'),
        (lambda s: dict(state_dict={f'module.{k}': v for k, v in s.items()}), 'module.backbone.'),
    ],
    ids=['tutorial', 'group', 'data-parallel'],
)
def test_prefix_is_written_as_the_file_has_it(content, prefix, tmp_path):
    torch.save(content(segmentor().state_dict()), tmp_path / 'a.pth')
    report = load_pretrained(segmentor().backbone, tmp_path / 'a.pth', prefix=prefix)
    assert not report['missing']


def test_a_wrong_prefix_lists_how_the_keys_begin(tmp_path):
    torch.save(dict(epoch=3, ema=segmentor().state_dict()), tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='set init_cfg.prefix .* Its keys begin with ema'):
        load_pretrained(segmentor().backbone, tmp_path / 'a.pth', prefix='backbone')


@pytest.mark.parametrize(
    'name, key',
    [
        ('a Swin V2', 'layers.0.blocks.0.attn.logit_scale'),
        ('a ViT that normalises queries and keys', 'blocks.0.attn.q_norm.weight'),
        ('a ViT with register tokens', 'reg_token'),
        ('a BEiT or Swin V2', 'blocks.0.attn.q_bias'),
    ],
)
def test_related_architectures_are_refused_by_name(name, key, tmp_path):
    state = timm_vit().state_dict() | {key: torch.zeros(4)}
    torch.save(state, tmp_path / 'a.pth')
    model = ViT(**OUR_VIT, img_size=64)
    with pytest.raises(ValueError, match=f'holds {name}: it has .*{key}'):
        load_pretrained(model, tmp_path / 'a.pth')
    assert load_pretrained(model, tmp_path / 'a.pth', min_match=0)['loaded']


@pytest.mark.parametrize('prefix, group', [('module.', 'state_dict'), ('', 'model')])
def test_load_from_takes_its_own_weights_in_other_layouts(prefix, group, tmp_path):
    state = randomised(segmentor()).state_dict()
    torch.save({group: {prefix + k: v for k, v in state.items()}}, tmp_path / 'a.pth')
    model = segmentor()
    loaded(model, tmp_path / 'a.pth', tmp_path)
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())


def test_what_has_no_counterpart_is_listed(tmp_path):
    report = load_pretrained(
        ViT(**OUR_VIT, img_size=64),
        state_file(timm_vit('deit_tiny_distilled_patch16_224'), tmp_path),
    )
    assert report['unused'] == ['dist_token', 'head_dist.weight', 'head_dist.bias']


def test_checkpoints_of_openmmlab_are_not_touched(tmp_path):
    model = segmentor()
    state = model.state_dict() | {'teacher.patch_embed1.proj.weight': torch.zeros(1)}
    checkpoint = dict(state_dict=dict(state), meta=dict(epoch=3))
    model.backbone.convert_checkpoint(checkpoint)
    assert checkpoint == dict(state_dict=state, meta=dict(epoch=3))


@pytest.mark.parametrize('ours, settings', [(MiT, MIT), (SegSwin, SEG_SWIN), (SegViT, SEG_VIT)])
def test_the_old_argument_pretrained_becomes_init_cfg(ours, settings, tmp_path):
    path = str(tmp_path / 'weights.pth')
    source = randomised(ours(**settings)).state_dict()
    torch.save(source, path)
    model = ours(**settings, pretrained=path)
    model.init_weights()
    assert all(torch.equal(v, source[k]) for k, v in model.state_dict().items())
    with pytest.raises((ValueError, AssertionError), match='init_cfg.*pretrained'):
        ours(**settings, pretrained=path, init_cfg=dict(type='Pretrained', checkpoint=path))
    assert ours(**settings, pretrained=None).init_cfg is None


def test_a_failed_initialisation_keeps_init_cfg(monkeypatch):
    def fail(self):
        raise RuntimeError('upstream')

    wanted = dict(type='Pretrained', checkpoint='weights.pth')
    model = MiT(**MIT, init_cfg=wanted)
    monkeypatch.setattr(MixVisionTransformer, 'init_weights', fail)
    with pytest.raises(RuntimeError, match='upstream'):
        model.init_weights()
    assert model.init_cfg == wanted


class Evil:
    def __reduce__(self):
        return os.mkdir, ('executed',)


def test_nothing_in_a_downloaded_file_is_executed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'cache'))
    torch.save(dict(state_dict=dict(evil=Evil())), 'evil.pth')
    torch.save(dict(weight=torch.ones(2)), 'good.pth')
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f'http://127.0.0.1:{server.server_port}'
        try:
            assert torch.equal(read_weights(f'{url}/good.pth')['weight'], torch.ones(2))
            with pytest.raises(Exception, match='evil.pth holds more than tensors'):
                read_weights(f'{url}/evil.pth')
        finally:
            server.shutdown()
    assert not os.path.exists('executed')


@pytest.mark.parametrize(
    'data, message',
    [
        (b'<!DOCTYPE html>', "15 bytes and starts with b'<!DOCTYPE html>'.*the link to the file"),
        (b'version https://git-lfs.github.com/spec/v1\n', 'git lfs pull'),
        (b'', 'it is empty'),
        (None, r"cut short .*starts with b'PK[^(]*$"),
    ],
)
def test_a_file_that_is_damaged_or_no_weights_is_said(data, message, tmp_path):
    file = tmp_path / 'weights.pth'
    torch.save(dict(weight=torch.zeros(999)), file)
    file.write_bytes(file.read_bytes()[:2000] if data is None else data)
    with pytest.raises(CheckpointError, match=f'weights.pth is damaged: .*{message}'):
        read_weights(file)


def test_weights_load_where_old_versions_of_mmengine_were_set_up(tmp_path, monkeypatch):
    monkeypatch.setenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', '1')
    model = torch.nn.Linear(2, 2)
    torch.save(model.state_dict(), tmp_path / 'x.pth')
    assert load_pretrained(model, tmp_path / 'x.pth')['loaded'] == ['weight', 'bias']
    assert os.environ['TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'] == '1'
    assert 'TORCH_FORCE_WEIGHTS_ONLY_LOAD' not in os.environ


def test_other_entries_of_init_cfg_come_before_the_weights(tmp_path):
    settings = dict(embed_dims=[8] * 4, num_layers=[1] * 4, num_heads=[1] * 4)
    model = MiT(**settings)
    torch.save(model.state_dict(), tmp_path / 'x.pth')
    pretrained = dict(type='mmengine.Pretrained', checkpoint=str(tmp_path / 'x.pth'))
    zeros = dict(type='Constant', layer='Linear', val=0.0)
    for init_cfg in (pretrained, [pretrained, zeros]):
        other = MiT(**settings, init_cfg=init_cfg)
        other.init_weights()
        for key, value in model.state_dict().items():
            assert torch.equal(other.state_dict()[key], value)
