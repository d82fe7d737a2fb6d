"""Which task a config has, and what a task changes in a config."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from afno_mm.registry import TASKS, type_name
from afno_mm.tasks import Classification, Inpainting, Segmentation, Task, task_of
from afno_mm.tasks.base import rgb
from afno_mm.tasks.dataset_configs import bare_datasets, dataset_meta, unwrapped
from mmengine.config import Config, ConfigDict

REPOSITORY = Path(__file__).parents[2]


def config(model, scope='mmpretrain', **settings):
    pipeline = [dict(type='LoadImageFromFile'), dict(type='PackInputs')]
    return Config(
        dict(
            default_scope=scope,
            model=dict(type=model),
            test_dataloader=dict(dataset=dict(pipeline=pipeline)),
            test_evaluator=dict(type='Accuracy'),
            default_hooks=dict(visualization=dict(type='VisualizationHook')),
            visualizer=dict(type='Visualizer'),
            **settings,
        )
    )


@pytest.mark.parametrize(
    'cfg, task',
    [
        (config('EncoderDecoder', 'mmseg'), Segmentation),
        (config('CascadeEncoderDecoder', 'mmseg'), Segmentation),
        (config('mmseg.EncoderDecoder', None), Segmentation),
        (config('ImageClassifier'), Classification),
        (config('mmpretrain.ImageClassifier', 'mmengine'), Classification),
        (config('afno_mm.InpaintingModel'), Inpainting),
        (config('ImageClassifier', task='Inpainting'), Inpainting),
        (config('MAE', task='afno_mm.Classification'), Classification),
    ],
)
def test_task_is_the_named_one_or_the_one_that_handles_the_config(cfg, task):
    assert type(task_of(cfg)) is task


def test_model_of_no_task_is_refused_with_the_tasks_and_how_to_name_one():
    message = r"model.type='MAE'.*'mmpretrain'.*task='\w+'.*Segmentation.*afno_mm.registry.TASKS"
    with pytest.raises(ValueError, match=message):
        task_of(config('MAE'))
    assert task_of(config('MAE'), default=(default := Task())) is default
    with pytest.raises(ValueError, match="no task is named 'Depth'.*Inpainting"):
        task_of(config('MAE', task='Depth'), default=Task())


def test_task_registered_last_comes_first(monkeypatch):
    monkeypatch.setattr(TASKS, '_module_dict', dict(TASKS.module_dict))

    @TASKS.register_module()
    class Mine(Task):
        def handles(self, cfg):
            return cfg.get('default_scope') == 'mmseg'

    assert type(task_of(config('EncoderDecoder', 'mmseg'))) is Mine
    assert type(task_of(config('ImageClassifier'))) is Classification


@pytest.mark.parametrize(
    'cfg, name',
    [
        (config('EncoderDecoder', 'mmseg'), 'pseudo_collate'),
        (config('mmseg.EncoderDecoder'), 'pseudo_collate'),
        (config('ImageClassifier'), 'default_collate'),
        (config('afno_mm.InpaintingModel'), 'default_collate'),
        (config('MAE'), 'default_collate'),
        (config('Climber', 'mmengine'), 'pseudo_collate'),
    ],
)
def test_mmpretrain_s_models_get_stacked_images(cfg, name):
    assert task_of(cfg, default=Task()).collate(cfg) == name


@pytest.mark.parametrize(
    'task, model, field',
    [
        (Segmentation(), dict(decode_head=dict(num_classes=3)), 'gt_sem_seg'),
        (Segmentation(), dict(decode_head=[dict(), dict(num_classes=3)]), 'gt_sem_seg'),
        (Classification(), dict(head=dict(num_classes=3)), 'gt_label'),
        (Inpainting(), dict(), 'mask'),
    ],
)
def test_random_batch_has_images_and_labels(task, model, field):
    batch = task.random_batch(ConfigDict(model), (4, 6), 5)
    assert len(batch['inputs']) == len(batch['data_samples']) == 5
    assert batch['inputs'][0].shape == (3, 4, 6) and batch['inputs'][0].dtype == torch.uint8
    assert all(field in sample for sample in batch['data_samples'])
    assert isinstance(batch['inputs'], list) == isinstance(task, Segmentation)


def test_predictions_are_drawn_by_a_hook():
    options = dict(show=True, wait_time=3, interval=7)
    cfg = config('EncoderDecoder', 'mmseg')
    Segmentation().draw_predictions(cfg, 'out', **options)
    hook = cfg.default_hooks.visualization
    assert hook.draw and cfg.visualizer.save_dir == 'out' and 'out_dir' not in hook
    cfg = config('ImageClassifier')
    Classification().draw_predictions(cfg, 'out', **options)
    hook = cfg.default_hooks.visualization
    assert hook.enable and hook.out_dir == 'out' and 'save_dir' not in cfg.visualizer
    assert (hook.type, hook.number) == ('afno_mm.PredictionPicturesHook', 0)
    assert (hook.show, hook.wait_time, hook.interval) == (True, 3, 7)
    own = Config(dict(cfg, default_hooks=dict(visualization=dict(type='OwnHook', colour='red'))))
    Classification().draw_predictions(own, 'out', **options)
    hook = own.default_hooks.visualization
    assert (hook.type, hook.colour, hook.enable) == ('OwnHook', 'red', True)
    Task().draw_predictions(cfg := config('Captioner'), 'out', **options)
    assert cfg.default_hooks.visualization == dict(
        type='VisualizationHook', enable=True, out_dir='out', **options
    )
    cfg = Config(dict(model=dict(type='InpaintingModel')))
    Inpainting().draw_predictions(cfg, 'out')
    assert cfg.default_hooks.visualization.enable
    del cfg.default_hooks.visualization
    with pytest.raises(ValueError, match='drawing needs default_hooks.visualization'):
        Task().draw_predictions(cfg, 'out', **options)


def test_predictions_are_kept_as_pngs_or_in_a_pickle():
    cfg = config('ImageClassifier')
    Classification().keep_predictions(cfg, 'out.pkl')
    assert cfg.test_evaluator[1] == dict(type='DumpResults', out_file_path='out.pkl')
    cfg = config('EncoderDecoder', 'mmseg')
    cfg.test_evaluator = [dict(type='IoUMetric'), dict(type='afno_mm.CityscapesMetric')]
    Segmentation().keep_predictions(cfg, 'out')
    assert 'output_dir' not in cfg.test_evaluator[0]
    assert cfg.test_evaluator[1].output_dir == 'out' and cfg.test_evaluator[1].keep_results
    cfg.test_evaluator = dict(type='IoUMetric')
    Segmentation().keep_predictions(cfg, 'out')
    assert cfg.test_evaluator == [dict(type='IoUMetric', output_dir='out')]


def test_classification_has_a_default_test_time_augmentation():
    cfg = config('mmpretrain.ImageClassifier')
    task_of(cfg).use_tta(cfg)
    assert cfg.model.type == 'mmpretrain.AverageClsScoreTTA'
    assert cfg.test_dataloader.dataset.pipeline[1].type == 'TestTimeAug'


def test_augmented_models_keep_a_data_preprocessor_from_beside_the_model():
    cfg = config('mmpretrain.ImageClassifier', data_preprocessor=dict(mean=[1.0]))
    task_of(cfg).use_tta(cfg)
    assert cfg.model.module.data_preprocessor == dict(mean=[1.0])


def test_augmented_testing_of_inpainting_is_refused():
    cfg = config('afno_mm.InpaintingModel')
    with pytest.raises(ValueError, match='--tta needs tta_model'):
        task_of(cfg).use_tta(cfg)


def test_type_name_is_without_scope():
    assert type_name('mmseg.FCNHead') == type_name('FCNHead') == 'FCNHead'
    assert type_name(Segmentation) == 'Segmentation'


def test_only_tasks_ask_which_task_a_config_has():
    question = re.compile(
        r"""EncoderDecoder|ImageClassifier|InpaintingModel|\breconstruct\b|default_scope.*==|==.*default_scope"""
    )
    found = [
        f'{path.relative_to(REPOSITORY)}: {line.strip()}'
        for folder in ('afno_mm', 'tools', 'benchmarks')
        for path in (REPOSITORY / folder).rglob('*.py')
        if path.parent != REPOSITORY / 'afno_mm/tasks'
        for line in path.read_text().splitlines()
        if question.search(line)
    ]
    assert not found


@pytest.mark.slow
def test_engine_and_tasks_are_imported_without_the_frameworks():
    code = 'import sys, afno_mm.engine, afno_mm.tasks; print(*sys.modules)'
    run = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert 'afno_mm.tasks.inpainting' in run.stdout.split()
    assert not {'mmseg', 'mmpretrain'} & set(run.stdout.split())


@pytest.mark.parametrize('kind', ['RepeatDataset', 'ConcatDataset'])
def test_wrapped_datasets_get_the_pipeline_of_tta(kind):
    cfg = config('ImageClassifier')
    inner = cfg.test_dataloader.dataset
    more = dict(dataset=inner, times=2) if kind[0] == 'R' else dict(datasets=[inner, inner])
    cfg.test_dataloader.dataset = dict(type=kind, **more)
    task_of(cfg).use_tta(cfg)
    datasets = bare_datasets(cfg.test_dataloader.dataset)
    assert [one.pipeline[-1].type for one in datasets] == ['TestTimeAug'] * len(datasets)
    assert 'pipeline' not in cfg.test_dataloader.dataset


def test_unwrapped_datasets_hold_each_image_once(tmp_path):
    names = [str(tmp_path / name) for name in 'ab']
    for name in names:
        Path(name).mkdir()
        Path(name, 'image.jpg').touch()
    inner = [dict(type='mmseg.BaseSegDataset', data_prefix=dict(img_path=name)) for name in names]
    both = ConfigDict(type='RepeatDataset', times=10**6, dataset=dict(datasets=inner))
    paths = [item['img_path'] for item in unwrapped(both, [])]
    assert paths == [f'{name}/image.jpg' for name in names]


def test_predictions_without_labels_are_not_scored():
    cfg = config('EncoderDecoder', 'mmseg', task='Segmentation')
    cfg.test_evaluator = [dict(type='DumpResults'), dict(type='IoUMetric')]
    cfg.test_dataloader.dataset.data_prefix = dict(img_path='images')
    Segmentation().keep_predictions(cfg, 'out')
    assert cfg.test_evaluator == [
        dict(type='DumpResults'),
        dict(type='IoUMetric', output_dir='out', format_only=True),
    ]


def test_predictions_with_labels_are_scored():
    cfg = config('EncoderDecoder', 'mmseg', task='Segmentation')
    cfg.test_evaluator = dict(type='IoUMetric')
    cfg.test_dataloader.dataset.data_prefix = dict(img_path='images', seg_map_path='masks')
    Segmentation().keep_predictions(cfg, 'out')
    assert cfg.test_evaluator == [dict(type='IoUMetric', output_dir='out')]


@pytest.mark.parametrize('name', ['CityscapesDataset', 'mmseg.CityscapesDataset'])
def test_classes_of_upstream_datasets_are_found(name):
    dataset = dict(type=name, metainfo=dict(classes=['car', 'road']))
    cfg = Config(dict(default_scope='mmseg'))
    cfg.test_dataloader = dict(dataset=dict(type='RepeatDataset', dataset=dataset))
    assert dataset_meta(cfg) == dict(classes=['car', 'road'], palette=[[0, 0, 142], [128, 64, 128]])
    dataset['metainfo'] = None
    cfg.test_dataloader = dict(dataset=dataset)
    assert len(dataset_meta(cfg)['classes']) == 19


def test_a_config_with_a_class_of_its_own_has_no_colours():
    dataset = dict(type='mmseg.CityscapesDataset', metainfo=dict(classes=['car', 'boat']))
    meta = dataset_meta(dict(test_dataloader=dict(dataset=dataset)))
    assert meta == dict(classes=['car', 'boat'])


def test_images_of_16_bits_are_drawn_with_their_largest_value_white():
    image = np.array([[0, 300], [1500, 3000]], np.uint16)
    drawn = rgb(image)
    assert drawn.dtype == np.uint8 and drawn.shape == (2, 2, 3)
    assert drawn[..., 1].tolist() == [[0, 25], [127, 255]]
