"""tools/export.py, with the commands of docs/export.md."""

import re
import runpy
import shlex

import pytest
import torch
from afno_mm.engine import build_model, read_config
from running import REPOSITORY, needs_onnx, tool

PAGE = (REPOSITORY / 'docs/export.md').read_text()
BLOCKS = re.findall(r'^```(\w+)\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = [line for language, code in BLOCKS if language == 'bash' for line in code.splitlines()]
CONFIG = """
default_scope = 'mmseg'
data_preprocessor = dict(type='SegDataPreProcessor', size=(64, 64), bgr_to_rgb=True,
                         mean=[123., 116., 103.], std=[58., 57., 56.])
model = dict(
    type='EncoderDecoder', data_preprocessor=data_preprocessor,
    backbone=dict(type='afno_mm.SegViT', img_size=64, patch_size=8, with_cls_token=False,
                  embed_dims=8, num_layers=1, num_heads=2, out_indices=[0],
                  mixer=dict(type='AFNO', num_blocks=2)),
    decode_head=dict(type='FCNHead', in_channels=8, in_index=0, channels=8, num_convs=0,
                     concat_input=False, num_classes=3),
    train_cfg=dict(), test_cfg=dict(mode='slide', crop_size=(64, 64), stride=(48, 48)))
test_dataloader = dict(
    dataset=dict(type='BaseSegDataset', metainfo=dict(classes=('sky', 'road', 'car'))))
"""


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp('export')
    config, checkpoint = folder / 'tiny.py', folder / 'tiny.pth'
    config.write_text(CONFIG)
    model = build_model(read_config(str(config)), None, 'cpu')
    torch.save(dict(state_dict=model.state_dict()), checkpoint)
    return config, checkpoint


def run(monkeypatch, folder, *arguments):
    """Run the tool in this process, which has imported everything."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr('sys.argv', ['export.py', *map(str, arguments)])
    runpy.run_path(str(REPOSITORY / 'tools/export.py'), run_name='__main__')


@pytest.mark.slow
@pytest.mark.parametrize('command', COMMANDS)
def test_commands_of_the_page(command, files, tmp_path, monkeypatch, capsys):
    if '--format' not in command:
        needs_onnx()
    python, script, *arguments = shlex.split(command)
    assert (python, script) == ('python', 'tools/export.py')
    names = dict(CONFIG=files[0], CHECKPOINT=files[1])
    run(monkeypatch, tmp_path, *(names.get(word, word) for word in arguments))
    output = capsys.readouterr().out
    errors = [float(error) for error in re.findall(r'largest error (\S+)', output)]
    assert errors and max(errors) < (1e-2 if '--half' in command else 1e-4)
    assert 'initial weights' not in output and 'windows of (64, 64)' in output
    assert output.splitlines()[-1].startswith('wrote work_dirs/tiny/tiny.')
    assert '4/4' in output and 'ETA' in output
    assert ('opset' in output) == ('--format' not in command)


@pytest.mark.slow
def test_example_of_the_page(files, tmp_path, monkeypatch, capsys):
    pytest.importorskip('onnxruntime')
    cv2, numpy = pytest.importorskip('cv2'), pytest.importorskip('numpy')
    cv2.imwrite(str(tmp_path / 'photo.png'), numpy.full((50, 70, 3), 90, numpy.uint8))
    run(monkeypatch, tmp_path, *files, '--with-preprocessing', '--labels', '--out', 'model.onnx')
    (example,) = (code for _, code in BLOCKS if 'InferenceSession' in code)
    exec(example, {})
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith('["sky", "road", "car"]') and str(64 * 64) in last.replace('[', ' ')


@pytest.mark.slow
def test_a_compiled_package_agrees(files, tmp_path):
    arguments = [files[0], '--format', 'exported_program', '--compile-package', '--dynamic', 'none']
    arguments += ['--out', tmp_path / 'tiny.pt2']
    assert 'tiny.aoti.pt2 on 1x3x64x64: largest error' in tool('export.py', *arguments)


def test_a_file_that_differs_makes_the_tool_fail_and_keeps_the_earlier_file(
    files, tmp_path, monkeypatch, capsys
):
    from afno_mm.export.formats import FORMATS

    load = FORMATS['torchscript'].load
    wrong = lambda path: lambda images: load(path)(images) + 3e-4  # noqa: E731
    monkeypatch.setattr(FORMATS['torchscript'], 'load', wrong)
    arguments = ['none', '--format', 'torchscript', '--out', 'tiny.pt']
    (tmp_path / 'tiny.pt').write_text('earlier')
    with pytest.raises(SystemExit, match='differs from PyTorch'):
        run(monkeypatch, tmp_path, files[0], *arguments)
    output = capsys.readouterr().out
    assert 'largest error 3.0e-04' in output and 'initial weights' in output
    assert [file.name for file in tmp_path.iterdir()] == ['tiny.pt']
    assert (tmp_path / 'tiny.pt').read_text() == 'earlier'
