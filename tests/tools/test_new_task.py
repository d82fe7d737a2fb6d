"""A fourth task takes two edits, a file and its import; every tool then works with it.

The task is depth: one value for each pixel. The file is outside the package, and the config imports
it, as a user's package would be.
"""

import pickle

import pytest
import torch
from afno_mm.engine import read_config
from afno_mm.tasks import task_of
from running import REPOSITORY, tool

# Edit 1: a file with the task, its model, dataset and metric.
DEPTH = """
import numpy as np
import torch
from afno_mm.registry import DATASETS, HOOKS, METRICS, MODELS, TASKS
from afno_mm.tasks import Task
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement
from torch.nn import functional as F


def sample(depth, path='none'):
    return BaseDataElement(metainfo=dict(img_path=path), depth=depth)


@TASKS.register_module()
class Depth(Task):
    def handles(self, cfg):
        return cfg.get('model', {}).get('type') == 'afno_mm.DepthModel'

    def random_batch(self, model_cfg, size, batch_size):
        images = torch.randint(0, 256, (batch_size, 3, *size), dtype=torch.uint8)
        return dict(inputs=list(images), data_samples=[sample(i[0] / 255.) for i in images])

    def baseline(self, cfg, models):
        return f'error of depth 0: 0.50, of models: {models}'


@MODELS.register_module()
class DepthModel(BaseModel):
    def __init__(self, backbone, channels, data_preprocessor=None):
        super().__init__(data_preprocessor)
        self.backbone = MODELS.build(backbone)
        self.head = torch.nn.Conv2d(channels, 16, 1)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        depth = F.pixel_shuffle(self.head(self.backbone(inputs)[-1]), 4)[:, 0]
        if mode == 'loss':
            return dict(loss=F.l1_loss(depth, torch.stack([s.depth for s in data_samples])))
        return depth if mode == 'tensor' else [sample(d) for d in depth]


@DATASETS.register_module()
class DepthDataset(torch.utils.data.Dataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        image = np.random.default_rng(index).integers(0, 256, (3, 16, 16), dtype=np.uint8)
        image = torch.from_numpy(image)
        return dict(inputs=image, data_samples=sample(image[0] / 255., f'room_{index}.png'))


@METRICS.register_module()
class DepthError(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results += [s['depth'].abs().mean().item() for s in data_samples]

    def compute_metrics(self, results):
        return dict(error=sum(results) / len(results))


@HOOKS.register_module()
class DrawDepth(Hook):
    def __init__(self, enable=False, out_dir=None, **options):
        self.enable, self.out_dir = enable, out_dir

    def after_test_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if self.enable:
            import mmcv
            image = (outputs[0].depth * 255).clamp(0, 255).byte().cpu().numpy()
            mmcv.imwrite(image, f'{self.out_dir}/{batch_idx}.png')
"""
# Edit 2: its import.
CONFIG = """
custom_imports = dict(imports=['depth'])
default_scope = 'mmengine'
model = dict(
    type='afno_mm.DepthModel', channels=16,
    data_preprocessor=dict(type='ImgDataPreprocessor', mean=[127.] * 3, std=[60.] * 3),
    backbone=dict(
        type='afno_mm.ViT', img_size=16, patch_size=4, with_cls_token=False, out_type='featmap',
        arch=dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=16),
        mixer=dict(type='AFNO', num_blocks=2)))
train_dataloader = dict(
    batch_size=2, num_workers=0, dataset=dict(type='afno_mm.DepthDataset'),
    sampler=dict(type='DefaultSampler', shuffle=True))
val_dataloader = test_dataloader = dict(
    batch_size=1, num_workers=0, dataset=dict(type='afno_mm.DepthDataset'),
    sampler=dict(type='DefaultSampler', shuffle=False))
val_evaluator = test_evaluator = dict(type='afno_mm.DepthError')
train_cfg = dict(by_epoch=True, max_epochs=1)
val_cfg = test_cfg = dict()
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1))
default_hooks = dict(visualization=dict(type='afno_mm.DrawDepth'))
"""


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp('depth')
    (folder / 'depth.py').write_text(DEPTH)
    (folder / 'config.py').write_text(CONFIG)
    return folder / 'config.py'


@pytest.mark.slow
def test_every_tool_takes_the_task(config, tmp_path):
    path = dict(PYTHONPATH=f'{config.parent}:{REPOSITORY}')
    assert 'loss ' in tool('one_step.py', config, '--size', 16, 16, **path)
    tool('train.py', config, '--work-dir', tmp_path, **path)
    test = [config, tmp_path / 'epoch_1.pth', '--work-dir', tmp_path]
    kept = ['--show-dir', tmp_path / 'drawn', '--out', tmp_path / 'kept.pkl']
    assert 'error: 0.' in tool('test.py', *test, *kept, **path)
    assert len(list((tmp_path / 'drawn').glob('*.png'))) == 2
    kept = pickle.loads((tmp_path / 'kept.pkl').read_bytes())
    assert len(kept) == 2 and kept[0]['depth'].shape == (16, 16)
    metrics = tmp_path / 'metrics.json'
    metrics.write_text('{"error": 0.25}')
    output = tool('baseline.py', config, '--beside', metrics, **path)
    assert "error of depth 0: 0.50, of models: {'the model': {'error': 0.25}}" in output
    assert '16x16' in tool('get_flops.py', config, '--shape', 16, 16, **path)
    output = tool(
        'draw_clusters.py',
        *(config, tmp_path / 'epoch_1.pth', '--out', tmp_path),
        *('--images', 1, '--clusters', 2, '--neighbors', 3),
        **path,
    )
    assert f'{tmp_path}/room_1.png' in output


@pytest.fixture
def cfg(config, monkeypatch):
    monkeypatch.syspath_prepend(config.parent)
    return read_config(config)


def test_functions_behind_the_tools_take_the_task(cfg):
    from afno_mm.analysis import images_of_test, model_cost, run_layers
    from afno_mm.engine import build_model
    from afno_mm.engine.one_step import one_step
    from mixer_bench.candidates import Model

    task = task_of(cfg)
    assert type(task).__name__ == 'Depth'
    assert torch.isfinite(torch.tensor(one_step(cfg, (16, 16), 2)['loss']))
    assert model_cost(cfg, (16, 16)).mixer == 'AFNO'
    model = build_model(cfg, None, 'cpu').eval()
    ((path, images, picture),) = images_of_test(cfg, model, [1])
    assert path == 'room_1.png' and picture.shape == (16, 16, 3)
    assert len(run_layers(model.backbone, images)) == 2
    batch = model.data_preprocessor(task.random_batch(cfg.model, (16, 16), 2), True)
    candidate = Model('depth', 'AFNO', model, batch, task)
    candidate.forward()
    candidate.train()
    assert candidate.images.shape == (2, 3, 16, 16)


def test_task_in_a_registry_of_its_own_is_named_with_its_scope(tmp_path, monkeypatch):
    package = tmp_path / 'their_tasks'
    package.mkdir()
    (package / '__init__.py').write_text('')
    (package / 'registry.py').write_text(
        'from afno_mm.registry import TASKS as AFNO_MM\n'
        'from mmengine import Registry\n'
        "TASKS = Registry('task', parent=AFNO_MM, scope='their_tasks',\n"
        "                 locations=['their_tasks.flow'])\n"
    )
    (package / 'flow.py').write_text(
        'from afno_mm.tasks import Task\nfrom .registry import TASKS\n\n'
        '@TASKS.register_module()\nclass Flow(Task):\n    pass\n'
    )
    (tmp_path / 'flow_config.py').write_text("task = 'their_tasks.Flow'\n")
    monkeypatch.syspath_prepend(tmp_path)
    task = task_of(read_config(tmp_path / 'flow_config.py'))
    assert type(task).__module__ == 'their_tasks.flow'
