"""Scripts of MMSegmentation and MMPretrain that read our configs, datasets and logs.

test_configs.py has vis_scheduler.py, test_own_data_page.py has analyze_logs.py.
"""

import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import matplotlib.pyplot as plt
import mmengine
import mmpretrain
import mmseg
import numpy as np
import pytest
import torch
from afno_mm.engine import build_model, read_config
from afno_mm.registry import DATASETS
from mmengine.config import Config
from PIL import Image
from running import REPOSITORY

CONFIG = Path(__file__).parents[1] / 'configs/segformer_afno_b0_scenes.py'
SCRIPT = Path(mmseg.__file__).parent / '.mim/tools/analysis_tools/visualization_cam.py'


class GradCAM:
    """What the script uses of grad-cam 1.4.8: a map of activations, weighted by gradients."""

    def __init__(self, model, target_layers, use_cuda):
        self.model, self.kept = model, []
        target_layers[0].register_forward_hook(lambda module, inputs, output: self.keep(output))

    def keep(self, output):
        output.retain_grad()
        self.kept.append(output)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def __call__(self, input_tensor, targets):
        outputs = self.model(input_tensor)
        sum(target(output) for target, output in zip(targets, outputs)).backward()
        (features,) = self.kept
        weights = features.grad.mean((2, 3), keepdim=True)
        assert weights.any()
        heat = (weights * features).sum(1, keepdim=True).relu()
        heat = torch.nn.functional.interpolate(heat, input_tensor.shape[2:])[:, 0]
        return (heat / heat.max().clamp(1e-9)).detach().numpy()


@pytest.mark.parametrize('layer', ['decode_head.fusion_conv', 'backbone.layers[3][0].projection'])
def test_mmsegmentation_draws_what_a_class_looks_at(layer, tmp_path, monkeypatch):
    if not SCRIPT.exists():
        pytest.skip(f'{SCRIPT} is not installed')
    images = ModuleType('pytorch_grad_cam.utils.image')
    images.preprocess_image = lambda image, mean, std: (
        torch.from_numpy((image - np.float32(mean)) / np.float32(std))
    ).permute(2, 0, 1)[None]
    images.show_cam_on_image = lambda image, heat, use_rgb: np.uint8(image * heat[..., None] * 255)
    package = ModuleType('pytorch_grad_cam')
    package.GradCAM = GradCAM
    modules = {'pytorch_grad_cam': package, 'pytorch_grad_cam.utils.image': images}
    for name, module in {**modules, 'pytorch_grad_cam.utils': ModuleType('utils')}.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(1, 256, (64, 128, 3), dtype=np.uint8)
    Image.fromarray(pixels).save('image.png')
    model = build_model(read_config(str(CONFIG)), None, 'cpu')
    # All pixels become class 7, which the script draws by default.
    model.decode_head.conv_seg.bias.data[7] += 1000
    torch.save(dict(state_dict=model.state_dict(), meta={}), 'weights.pth')
    arguments = ['image.png', CONFIG, 'weights.pth', '--device', 'cpu', '--target-layers', layer]
    monkeypatch.setattr(sys, 'argv', [str(each) for each in (SCRIPT, *arguments)])
    runpy.run_path(str(SCRIPT), run_name='__main__')
    assert np.asarray(Image.open('vis_cam.png')).any() and Path('prediction.png').exists()


@pytest.mark.slow
@pytest.mark.parametrize('number', [2, 19])
def test_the_confusion_matrix_of_a_segmentation_model(number, tmp_path, monkeypatch):
    """MMSegmentation's own count overflows for more than 16 classes."""
    script = REPOSITORY / 'tools/confusion_matrix.py'
    for name in ('images', 'masks', 'pred'):
        (tmp_path / name).mkdir()
    values = np.array([[0, 0, 255, number - 1]] * 4, np.uint8)
    Image.fromarray(values).convert('RGB').save(tmp_path / 'images/a.png')
    Image.fromarray(values).save(tmp_path / 'masks/a.png')
    predicted = np.array([[0, number - 1, 1, number - 1]] * 4, np.uint8)
    Image.fromarray(predicted).save(tmp_path / 'pred/a.png')
    pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
    dataset = dict(
        type='afno_mm.SegDataset',
        data_root=str(tmp_path),
        data_prefix=dict(img_path='images', seg_map_path='masks'),
        metainfo=dict(classes=[f'class {k}' for k in range(number)]),
        pipeline=[*pipeline, dict(type='PackSegInputs')],
    )
    cfg = Config(dict(test_dataloader=dict(dataset=dataset)))
    cfg.dump(str(tmp_path / 'config.py'))
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.setattr(plt, 'savefig', lambda *args, **kwargs: saved.append(args))
    saved = []
    arguments = [str(tmp_path / name) for name in ('config.py', 'pred', 'matrix')]
    monkeypatch.setattr(sys, 'argv', [str(script), *arguments])
    names = runpy.run_path(str(script), run_name='__main__')
    assert saved == [(str(tmp_path / 'matrix/confusion_matrix.png'),)]
    matrix = names['count'](DATASETS.build(dataset), [predicted], ['a'])
    assert matrix.sum() == 12 and matrix[0, 0] == matrix[0, -1] == matrix[-1, -1] == 4


def test_mmpretrain_draws_the_confusion_matrix_of_kept_predictions(tmp_path, monkeypatch):
    path = Path(mmpretrain.__file__).parent / '.mim/tools/analysis_tools/confusion_matrix.py'
    if not path.exists():
        pytest.skip(f'{path} is not installed')
    script = str(path)
    kept = [
        dict(pred_score=torch.eye(10)[k], pred_label=torch.tensor([k]), gt_label=torch.tensor([0]))
        | dict(num_classes=10)
        for k in (0, 0, 3)
    ]
    mmengine.dump(kept, tmp_path / 'kept.pkl')  # as tools/test.py --out writes it
    config = CONFIG.with_name('mit_afno_b0_images.py')
    out = ['--out', 'matrix.pkl', '--show-path', 'matrix.png']
    monkeypatch.setattr(sys, 'argv', [script, str(config), 'kept.pkl', *out])
    monkeypatch.chdir(tmp_path)
    runpy.run_path(script, run_name='__main__')
    matrix = mmengine.load('matrix.pkl')
    assert matrix[0].tolist() == [2, 0, 0, 1] + [0] * 6 and matrix.sum() == 3
    assert np.asarray(Image.open('matrix.png')).any()


def test_the_confusion_matrix_pairs_predictions_and_images_by_name(monkeypatch):
    monkeypatch.syspath_prepend(REPOSITORY / 'tools')
    import confusion_matrix

    class Data(list):
        metainfo, reduce_zero_label, ignore_index = dict(classes='xy'), False, 255

        def get_data_info(self, index):
            return dict(img_path=f'images/{"ba"[index]}.png')

    def sample(value):
        truth = SimpleNamespace(data=torch.full((1, 2, 2), value))
        return dict(data_samples=SimpleNamespace(gt_sem_seg=truth))

    predictions = [np.zeros((2, 2), np.uint8), np.ones((2, 2), np.uint8)]  # of a.png and b.png
    matrix = confusion_matrix.count(Data([sample(1), sample(0)]), predictions, ['a', 'b'])
    assert matrix.tolist() == [[4, 0], [0, 4]]
    matrix = confusion_matrix.count(Data([sample(0), sample(0)]), predictions, ['a', 'b'])
    assert matrix.tolist() == [[4, 4], [0, 0]]
    shifted = Data([sample(1), sample(0)])
    shifted.reduce_zero_label = True  # the files of predictions then have ids from 1
    matrix = confusion_matrix.count(shifted, [image + 1 for image in predictions], ['a', 'b'])
    assert matrix.tolist() == [[4, 0], [0, 4]]
    with pytest.raises(SystemExit, match='no prediction b.png'):
        confusion_matrix.count(Data([sample(1), sample(0)]), predictions, ['a', 'c'])


def test_two_checkpoints_of_one_config_need_names(monkeypatch, capsys):
    monkeypatch.syspath_prepend(REPOSITORY / 'tools')
    import draw_predictions

    config = REPOSITORY / 'configs/segformer_afno_b0_scenes.py'
    monkeypatch.setattr('sys.argv', ['x', *([str(config), 'a.pth'] * 2), '--out', 'o.jpg'])
    with pytest.raises(SystemExit):
        draw_predictions.parse_args()
    assert 'a name of its own for each of 2 models' in capsys.readouterr().err
