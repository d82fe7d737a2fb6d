"""Learning rates that decay from the last layer to the first."""

import re

import pytest
from afno_mm.engine import build_runner, read_config
from afno_mm.engine.safety.settings import SettingsError
from mmengine.config import ConfigDict
from mmengine.model import BaseModel
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope

RATE, LR = 0.5, 1.0
MIXER = dict(type='AFNO', num_blocks=1)
VIT = dict(num_layers=3, num_heads=2, embed_dims=16)
SWIN = dict(embed_dims=16, depths=[1, 2, 1, 1], num_heads=[1, 2, 2, 4])
BACKBONES = {
    'MiT': dict(embed_dims=8, num_layers=[1, 2, 1, 1], num_heads=[1, 2, 4, 8]),
    'Swin': dict(arch=SWIN),
    'SegSwin': SWIN,
    'ViT': dict(
        arch=dict(VIT, feedforward_channels=32),
        img_size=32,
        patch_size=8,
        with_cls_token=False,
        out_type='featmap',
    ),
    'SegViT': dict(VIT, mlp_ratio=2, img_size=32, patch_size=8, with_cls_token=False),
}
DEPTHS = [1, 2, 1, 1]


def depth_of(name, kind):
    """Return the depth of a parameter and the last depth, from the definition."""
    blocks = 3 if 'ViT' in kind else sum(DEPTHS)
    last = blocks + 1
    if not name.startswith('backbone.'):
        return last, last
    name = name.removeprefix('backbone.')
    if re.match(
        r'patch_embed|pos_embed|cls_token|layers\.0\.0\.projection|layers\.0\.0\.norm', name
    ):
        if kind != 'ViT' or 'layers' not in name:
            return 0, last
    if 'ViT' in kind:
        match = re.match(r'layers\.(\d)', name)
        return (int(match[1]) + 1 if match else last), last
    stage = re.match(r'(?:stages|layers)\.(\d)\.', name)
    if not stage:
        return last, last  # Swin's norms of its results
    before = sum(DEPTHS[: int(stage[1])])
    block = re.match(r'stages\.\d\.blocks\.(\d)|layers\.\d\.1\.(\d)', name)
    if block:
        return before + 1 + int(block[1] or block[2]), last
    # Between two stages: with the block before.
    return before if re.match(r'layers\.\d\.0', name) else before + DEPTHS[int(stage[1])], last


def model_of(scope, kind, mixer):
    backbone = dict(type=f'afno_mm.{kind}', **BACKBONES[kind], mixer=mixer)
    head = dict(type='FCNHead', in_channels=16, channels=16, num_classes=2, num_convs=0)
    parts = dict(type='EncoderDecoder', decode_head=head | dict(concat_input=False))
    if scope == 'mmpretrain':
        head = dict(type='LinearClsHead', num_classes=2, in_channels=16)
        parts = dict(type='ImageClassifier', head=head)
    with DefaultScope.overwrite_default_scope(scope):
        return MODELS.build(ConfigDict(backbone=backbone, **parts))


def rates_of(model, scope, **settings):
    cfg = dict(optimizer=dict(type='SGD', lr=LR, weight_decay=0.1), **settings)
    with DefaultScope.overwrite_default_scope(scope):
        wrapper = build_optim_wrapper(model, ConfigDict(cfg))
    names = {id(p): name for name, p in model.named_parameters()}
    groups = wrapper.optimizer.param_groups
    assert sum(len(group['params']) for group in groups) == len(names)
    return {names[id(p)]: group['lr'] for group in groups for p in group['params']}


BARE = 'LearningRateDecayOptimWrapperConstructor'


@pytest.mark.parametrize('mixer', [None, MIXER], ids=['stock', 'AFNO'])
@pytest.mark.parametrize('kind', BACKBONES)
@pytest.mark.parametrize(
    'scope, constructor, rate',
    [
        ('mmseg', BARE, 'layer_decay_rate'),
        ('mmseg', f'afno_mm.{BARE}', 'decay_rate'),
        ('mmpretrain', BARE, 'layer_decay_rate'),  # MMPretrain's own class
        ('mmpretrain', f'afno_mm.{BARE}', 'layer_decay_rate'),
    ],
)
def test_every_parameter_has_the_rate_of_its_depth(scope, constructor, rate, kind, mixer):
    model = model_of(scope, kind, mixer)
    rates = rates_of(model, scope, constructor=constructor, paramwise_cfg={rate: RATE})
    for name, found in rates.items():
        depth, last = depth_of(name, kind)
        assert found == pytest.approx(LR * RATE ** (last - depth)), name
    assert len(set(rates.values())) == len(set(range(last + 1)))


def test_other_settings_of_paramwise_cfg_go_on_working():
    settings = dict(layer_decay_rate=RATE, custom_keys={'decode_head': dict(lr_mult=10.0)})
    rates = rates_of(
        model_of('mmseg', 'MiT', MIXER), 'mmseg', constructor=BARE, paramwise_cfg=settings
    )
    assert rates['decode_head.conv_seg.weight'] == 10 * LR
    assert rates['backbone.layers.0.0.projection.weight'] == pytest.approx(LR * RATE**6)


@pytest.mark.parametrize(
    'settings, message',
    [
        (dict(norm_decay_mult=0.0), 'needs paramwise_cfg.layer_decay_rate or .decay_rate'),
        (dict(decay_rate=0.9, decay_type='stage_wise'), "decay_type='layer_wise'"),
        (dict(decay_rate=0.9, num_layers=12), 'num_layers is 12, and MiT has 5 blocks'),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        rates_of(model_of('mmseg', 'MiT', None), 'mmseg', constructor=BARE, paramwise_cfg=settings)


@MODELS.register_module()
class DecayModel(BaseModel):
    def __init__(self, backbone):
        super().__init__()
        self.backbone = MODELS.build(backbone)

    def forward(self, inputs, mode):
        images = inputs[:, None, None, None].float().expand(-1, 3, 32, 32)
        return dict(loss=self.backbone(images)[-1].square().mean())


CONFIG = """
train_dataloader = dict(batch_size=2, num_workers=0, dataset=[dict(inputs=IMAGE)] * 2,
                        sampler=dict(type='DefaultSampler', shuffle=False),
                        collate_fn=dict(type='default_collate'))
model = dict(type='DecayModel', backbone=BACKBONE)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1, weight_decay=0.1),
                     constructor='CONSTRUCTOR', paramwise_cfg=dict(KEY=0.5, norm_decay_mult=0.0))
param_scheduler = dict(type='PolyLR', power=1.0, by_epoch=True, end=3)
train_cfg = dict(by_epoch=True, max_epochs=1)
default_scope = 'mmseg'
"""


def decay_runner(folder, key, constructor=f'afno_mm.{BARE}'):
    backbone = dict(type='afno_mm.MiT', **BACKBONES['MiT'], mixer=MIXER)
    text = CONFIG.replace('KEY', key).replace('CONSTRUCTOR', constructor)
    text = text.replace('BACKBONE', repr(backbone)).replace('IMAGE', '0.5')
    (folder / 'config.py').write_text(text)
    cfg = read_config(str(folder / 'config.py'))
    cfg.work_dir, cfg.experiment_name = str(folder), folder.name
    return build_runner(cfg)


def test_a_training_has_these_rates_and_its_schedule_scales_them(tmp_path):
    runner = decay_runner(tmp_path, 'layer_decay_rate')
    runner.train()
    groups = {group['param_name']: group for group in runner.optim_wrapper.optimizer.param_groups}
    assert groups['backbone.layers.3.1.0.attn.w1']['lr'] == pytest.approx(0.1 * 0.5 * 0.5)
    assert groups['backbone.layers.0.0.norm.weight']['lr'] == pytest.approx(0.1 * 0.5**6 * 0.5)


def test_a_misspelled_rate_is_refused(tmp_path):
    with pytest.raises(SettingsError, match='Did you mean layer_decay_rate'):
        decay_runner(tmp_path, 'layer_decay_rat')


def test_backbones_without_depths_are_named():
    with DefaultScope.overwrite_default_scope('mmseg'):
        model = model_of('mmseg', 'MiT', None)
    model.backbone.__class__ = type('Other', (type(model).__bases__[0],), {})
    with pytest.raises(ValueError, match='Other has none'):
        rates_of(model, 'mmseg', constructor=BARE, paramwise_cfg=dict(decay_rate=0.9))
