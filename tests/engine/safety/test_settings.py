"""Misspelled settings, options that lead nowhere, dead custom_keys and class counts."""

from pathlib import Path

import mmpretrain
import mmseg
import pytest
from afno_mm.engine import read_config
from afno_mm.engine.safety.model_settings import check_class_counts, check_custom_keys
from afno_mm.engine.safety.settings import SettingsError, check_options, check_settings
from mmengine.config import Config
from tiny import Model, runner
from torch import nn

CONFIGS = Path(__file__).parents[3] / 'configs'
SCENES = CONFIGS / 'segformer_afno_b0_scenes.py'
OWN = sorted(CONFIGS.glob('*.py'))
UPSTREAM = [
    path
    for package, step in ((mmseg, 28), (mmpretrain, 30))
    for path in sorted(Path(package.__file__).parent.glob('.mim/configs/[a-z]*/*.py'))[::step]
]

# Where the key is, how it is misspelled, the key that the message must name.
MISSPELLED = [
    ('optim_wrapper', 'optim_wraper', 'optim_wrapper'),
    ('load_from', 'loadfrom', 'load_from'),
    ('param_scheduler', 'param_sheduler', 'param_scheduler'),
    ('custom_hooks', 'custom_hook', 'custom_hooks'),
    ('default_hooks', 'defaults_hooks', 'default_hooks'),
    ('train_cfg', 'train_confg', 'train_cfg'),
    ('randomness', 'randomnes', 'randomness'),
    ('find_unused_parameters', 'find_unused_params', 'find_unused_parameters'),
    ('activation_checkpointing', 'activation_checkpoint', 'activation_checkpointing'),
    ('default_hooks.checkpoint', 'chekpoint', 'checkpoint'),
    ('default_hooks.checkpoint.max_keep_ckpts', 'max_keep_ckpt', 'max_keep_ckpts'),
    ('default_hooks.logger.interval', 'intervall', 'interval'),
    ('custom_hooks.0.priority', 'prioritty', 'priority'),
    ('train_dataloader.batch_size', 'batchsize', 'batch_size'),
    ('train_dataloader.persistent_workers', 'persistant_workers', 'persistent_workers'),
    ('train_dataloader.sampler.shuffle', 'shufle', 'shuffle'),
    ('train_dataloader.dataset.data_root', 'dataroot', 'data_root'),
    ('train_dataloader.dataset.data_prefix.seg_map_path', 'seg_map_pth', 'seg_map_path'),
    ('train_dataloader.dataset.pipeline.0.imdecode_backend', 'decode_backend', 'imdecode_backend'),
    ('val_dataloader.num_workers', 'num_worker', 'num_workers'),
    ('val_evaluator.iou_metrics', 'iou_metric', 'iou_metrics'),
    ('optim_wrapper.clip_grad', 'grad_clip', 'clip_grad'),
    ('optim_wrapper.clip_grad.max_norm', 'max_nrom', 'max_norm'),
    ('optim_wrapper.accumulative_counts', 'accumulative_count', 'accumulative_counts'),
    ('optim_wrapper.optimizer.weight_decay', 'weigth_decay', 'weight_decay'),
    ('optim_wrapper.paramwise_cfg.custom_keys', 'custom_key', 'custom_keys'),
    ('optim_wrapper.paramwise_cfg.norm_decay_mult', 'norm_decay_mul', 'norm_decay_mult'),
    ('optim_wrapper.paramwise_cfg.custom_keys.norm.decay_mult', 'decay_mul', 'decay_mult'),
    ('param_scheduler.0.start_factor', 'start_fact', 'start_factor'),
    ('param_scheduler.1.convert_to_iter_based', 'convert_to_iter', 'convert_to_iter_based'),
    ('train_cfg.val_interval', 'val_intervall', 'val_interval'),
    ('train_cfg.max_epochs', 'max_epoch', 'max_epochs'),
    ('val_cfg.fp16', 'pf16', 'fp16'),
    ('env_cfg.cudnn_benchmark', 'cudnn_bench', 'cudnn_benchmark'),
    ('randomness.deterministic', 'determinstic', 'deterministic'),
    ('log_processor.window_size', 'windowsize', 'window_size'),
    ('auto_scale_lr.base_batch_size', 'base_batchsize', 'base_batch_size'),
    ('visualizer.vis_backends', 'vis_backend', 'vis_backends'),
    ('visualizer.vis_backends.0.save_dir', 'savedir', 'save_dir'),
    ('model.backbone.num_layers', 'num_layer', 'num_layers'),
    ('model.backbone.mixer.num_blocks', 'num_blcks', 'num_blocks'),
    ('model.decode_head.num_classes', 'num_class', 'num_classes'),
    ('model.decode_head.loss_decode.loss_weight', 'loss_wieght', 'loss_weight'),
    ('model.data_preprocessor.bgr_to_rgb', 'bgr_to_rbg', 'bgr_to_rgb'),
    ('model.test_cfg.mode', 'mod', 'mode'),
]
MISSPELLED_TYPES = [
    ('default_hooks.checkpoint', 'CheckpointHok', 'CheckpointHook'),
    ('optim_wrapper.optimizer', 'AdammW', 'AdamW'),
    ('model.backbone', 'afno_mm.MitT', 'afno_mm.MiT'),
    ('train_dataloader.dataset', 'CityscapeDataset', 'CityscapesDataset'),
]


def holder(cfg, path):
    """The dict that holds the last name of a path; made if it is not there."""
    node = cfg
    for name in path.split('.')[:-1]:
        if not isinstance(node, list):
            node.setdefault(name, {})
        node = node[int(name) if isinstance(node, list) else name]
    return node, path.rpartition('.')[2]


@pytest.mark.parametrize(('path', 'wrong', 'right'), MISSPELLED)
def test_misspelled_key_is_refused_with_the_right_one(path, wrong, right):
    cfg = Config.fromfile(SCENES)
    check_settings(cfg)
    node, key = holder(cfg, path)
    node[wrong] = node.pop(key, {})
    with pytest.raises(SettingsError, match=rf'{wrong}\. Did you mean {right}\?') as error:
        check_settings(cfg)
    assert f'{path.rpartition(".")[0]}.{wrong}'.lstrip('.') in str(error.value)
    cfg.allowed_settings = [wrong]
    check_settings(cfg)


@pytest.mark.parametrize(('path', 'wrong', 'right'), MISSPELLED_TYPES)
def test_misspelled_type_is_refused_with_the_right_one(path, wrong, right):
    cfg = Config.fromfile(SCENES)
    holder(cfg, f'{path}.type')[0]['type'] = wrong
    with pytest.raises(SettingsError, match=rf'no {wrong}\. Did you mean {right}\?'):
        check_settings(cfg)


def test_all_problems_are_named_at_once_and_the_check_can_be_turned_off():
    cfg = Config.fromfile(SCENES)
    cfg.optim_wraper = {}
    cfg.train_cfg.max_epoch = 1
    cfg.train_dataloader.batchsize = cfg.val_dataloader.batchsize = 1
    with pytest.raises(
        SettingsError, match=r'\(4\):(?s:.*)optim_wraper(?s:.*)batchsize(?s:.*)max_epochs'
    ):
        check_settings(cfg)
    cfg.safety = dict(settings=False)
    check_settings(cfg)


def test_a_name_that_the_file_reads_itself_is_no_setting(tmp_path):
    file = tmp_path / 'config.py'
    file.write_text("custom_hook = dict(type='EMAHook')\ncustom_hooks = [custom_hook]\n")
    check_settings(Config.fromfile(file))
    file.write_text("# custom_hook is ours\ncustom_hook = [dict(type='EMAHook')]\n")
    with pytest.raises(SettingsError, match='custom_hooks'):
        check_settings(Config.fromfile(file))


@pytest.mark.parametrize('path', OWN, ids=lambda path: path.stem)
def test_own_configs_pass(path):
    check_settings(Config.fromfile(path))


@pytest.mark.slow
def test_upstream_configs_pass():
    assert len(UPSTREAM) > 40
    refused = {}
    for path in UPSTREAM:
        try:
            cfg = Config.fromfile(path)
        except (ImportError, KeyError, RuntimeError):  # of a package that is not installed
            continue
        # Once more without the text of the file, as a config that was dumped.
        for given in (cfg, Config(cfg.to_dict())):
            try:
                check_settings(given)
            except SettingsError as error:
                # Nothing reads wd_mult of upstream's DNLNet. It was to be decay_mult.
                if 'wd_mult' not in str(error):
                    refused[path.name] = str(error)
    assert not refused


@pytest.mark.parametrize(
    ('option', 'expected'),
    [
        ('model.backbne.drop_rate', 'Did you mean backbone'),
        ('model.backbone.mixer.num_blcks', 'Did you mean num_blocks'),
        ('model.backbone.drop_rte', 'Did you mean drop_'),
        ('model.decode_head.loss_decode.loss_wight', 'Did you mean loss_weight'),
        ('train_dataloder.batch_size', 'Did you mean train_dataloader'),
        ('optim_wrapper.optimizer.learning_rate', 'AdamW'),
        ('optim_wrapper.optimiser.lr', 'Did you mean optimizer'),
        ('param_scheduler.7.end', 'param_scheduler.0 to param_scheduler.1'),
        ('param_scheduler.first.end', 'is a list'),
        ('train_cfg.max_epochs.value', 'is 14'),
        ('lr', 'the config has no lr'),
        ('train_pipeline.0.type', 'only the config file reads train_pipeline'),
        ('dataset_type', 'the config has no dataset_type'),
        ('randomness.seed', None),
        ('env_cfg.dist_cfg.backend', None),
        ('model.backbone.init_cfg.checkpoint', None),
        ('model.test_cfg.stride', None),
        ('train_dataloader.dataset.metainfo.classes', None),
        ('train_dataloader.dataset.data_prefix.img_path', None),
        ('optim_wrapper.paramwise_cfg.custom_keys.head.lr_mult', None),
        ('optim_wrapper.accumulative_counts', None),
        ('val_evaluator.prefix', None),
        ('load_from', None),
        ('data_root', None),
        ('find_unused_parameters', None),
    ],
)
def test_options_that_lead_nowhere_are_refused(option, expected):
    cfg = Config.fromfile(SCENES)
    if expected is None:
        return check_options(cfg, {option: 1})
    with pytest.raises(SettingsError, match=expected):
        check_options(cfg, {option: 1})
    check_options(cfg, {option: 1, 'safety.settings': False})


def test_an_option_that_changes_a_type_brings_the_new_types_keys():
    cfg = Config.fromfile(SCENES)
    options = {'optim_wrapper.optimizer.type': 'SGD', 'optim_wrapper.optimizer.nesterov': True}
    check_options(cfg, options)
    with pytest.raises(SettingsError, match='nesterov'):
        check_options(cfg, {'optim_wrapper.optimizer.nesterov': True})


def test_an_option_for_a_name_that_only_the_file_reads_is_refused(tmp_path):
    file = tmp_path / 'config.py'
    file.write_text('crop_size = (8, 8)\nmodel = dict(data_preprocessor=dict(size=crop_size))\n')
    with pytest.raises(SettingsError, match='only the config file reads crop_size'):
        check_options(Config.fromfile(file), {'crop_size': (4, 4)})


def model(num_classes=2):
    net = nn.Module()
    net.backbone = nn.Sequential(nn.Linear(2, 2))
    net.decode_head = nn.Linear(2, 2)
    net.decode_head.num_classes = num_classes
    net.auxiliary_head = nn.ModuleList([nn.Linear(2, 2)])
    net.auxiliary_head[0].num_classes = 2
    net.num_classes = num_classes
    return net


def wrapper(*keys):
    return dict(paramwise_cfg=dict(custom_keys={key: dict(lr_mult=2.0) for key in keys}))


@pytest.mark.parametrize(
    ('key', 'right'),
    [('decode_haed', 'decode_head'), ('backbon.0', 'backbone.0'), ('.biass', 'bias')],
)
def test_custom_keys_that_match_no_parameter_are_refused(key, right):
    with pytest.raises(SettingsError, match=rf"{key}'\. Did you mean '{right}'"):
        check_custom_keys(model(), wrapper(key, 'head'))
    with pytest.raises(SettingsError, match=right):
        check_custom_keys(model(), dict(constructor='Two', one=wrapper(key)))
    check_custom_keys(model(), wrapper(key), allowed=[key])


def test_custom_keys_of_shared_schedules_pass():
    check_custom_keys(model(), wrapper('pos_embed', '.cls_token', 'backbone.0', '.bias'))
    check_custom_keys(model(), dict(paramwise_cfg=None))


@pytest.mark.parametrize('found', [1, 19])
def test_class_counts_that_disagree_are_refused_with_both_numbers(found):
    with pytest.raises(SettingsError, match=rf'model.decode_head.num_classes is {found}, .* 2 cl'):
        check_class_counts(model(found), ('road', 'car'))
    with pytest.raises(SettingsError, match='The data has road, car$'):
        check_class_counts(model(found), ('road', 'car'))
    allowed = ['model.decode_head.num_classes']
    check_class_counts(model(found), ('road', 'car'), allowed)
    check_class_counts(model(2), ('road', 'car'))
    check_class_counts(model(found), None)


def test_auxiliary_heads_are_counted_too():
    with pytest.raises(SettingsError, match=r'model.auxiliary_head.0.num_classes is 2, .* 19'):
        check_class_counts(model(19), [f'class {number}' for number in range(19)])


@pytest.mark.parametrize(
    ('settings', 'expected'),
    [
        ({}, None),
        (dict(num_classes=19), 'num_classes is 19, the data has 2'),
        (dict(custom_key='layrs'), "'layrs'. Did you mean 'layers'"),
        (dict(num_classes=19, allowed_settings=['num_classes']), None),
    ],
)
def test_the_hook_checks_before_the_first_step(tmp_path, settings, expected):
    net = Model()
    net.layers.num_classes = settings.get('num_classes', 2)
    cfg = Config(dict(settings, optim_wrapper=wrapper(settings.get('custom_key', 'layers'))))
    training = runner(tmp_path, net, most=1, hooks=[dict(type='afno_mm.SettingsHook')], cfg=cfg)
    if expected is None:
        training.train()
        return
    with pytest.raises(SettingsError, match=expected):
        training.train()
    assert not net.seen


def test_a_type_for_each_stage():
    kinds = ['AFNO', 'AFNO', 'GFN', 'SA']
    cfg = Config.fromfile(SCENES)
    cfg.model.backbone.mixer = dict(type=kinds)
    check_settings(cfg)
    cfg = read_config(str(SCENES), {'model.backbone.mixer.type': kinds})
    assert cfg.model.backbone.mixer == dict(type=kinds)
    with pytest.raises(SettingsError, match='Did you mean num_blocks'):
        check_settings(Config(dict(cfg, model=misspelled(cfg.model))))


def misspelled(model):
    return dict(model, backbone=dict(model.backbone, mixer=dict(type=['AFNO'] * 4, num_block=1)))
