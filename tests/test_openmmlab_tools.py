"""Scripts of MMSegmentation that read our configs. test_configs.py has vis_scheduler.py."""

import runpy
import sys
from pathlib import Path
from types import ModuleType

import mmseg
import numpy as np
import pytest
import torch
from afno_mm.engine import build_model, read_config
from PIL import Image

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
