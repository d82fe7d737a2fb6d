"""The command afno-mm, and what all tools share: examples in --help, and suggestions."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from afno_mm import cli
from afno_mm.command_line import Parser
from running import REPOSITORY, call

SCRIPTS = [
    path
    for folder in ('tools', 'data', 'benchmarks')
    for path in sorted((REPOSITORY / folder).glob('*.*'))
    if path.suffix in ('.py', '.sh')
    and path.name not in ('environment.sh', 'quickstart.sh', 'run_tests.sh')
]
COMMANDS = cli.find_commands()


def help_of(path, monkeypatch, capsys):
    """Run a script with --help, in this process: its imports take seconds."""
    if path.suffix == '.sh':
        return call('bash', path, '--help')
    monkeypatch.setattr(sys, 'argv', [str(path), '--help'])
    monkeypatch.setattr(sys, 'path', [str(path.parent), *sys.path])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(path), run_name='__main__')
    assert not stopped.value.code
    return capsys.readouterr().out


@pytest.mark.parametrize('path', SCRIPTS, ids=lambda p: p.name)
def test_help_shows_an_example(path, monkeypatch, capsys):
    text = help_of(path, monkeypatch, capsys)
    script = str(path.relative_to(REPOSITORY))
    name = path.stem.replace('_', '-')
    found = re.search(
        rf'^  +(afno-mm {name}\b|(python )?{re.escape(script)}).*$', text, re.MULTILINE
    )
    assert found, f"{script}: write example = 'afno-mm {name} ...' and Parser(__doc__, example)"


@pytest.mark.parametrize('name', COMMANDS)
def test_examples_parse(name, monkeypatch):
    """The options of an example exist, and its configs too."""
    command = COMMANDS[name]
    first, *words = command.example.replace("'", '').split()
    assert (first, words[0]) == ('afno-mm', name) and len(command.summary) < 110
    configs = [w for w in words[1:] if re.match('(segformer|mit|vit)_[a-z0-9_]+$', w)]
    assert all((REPOSITORY / f'configs/{config}.py').is_file() for config in configs)
    if command.script.suffix == '.sh' or name == 'doctor':
        return
    monkeypatch.setattr(sys, 'argv', [str(command.script), *words[1:]])
    monkeypatch.setattr(sys, 'path', [str(command.script.parent), *sys.path])
    assert runpy.run_path(str(command.script))['parse_args']()


def run(*arguments, cwd, environment=None):
    """Run afno-mm as its console script does, in another folder."""
    code = 'import sys; from afno_mm.cli import main; sys.exit(main())'
    return subprocess.run(
        [sys.executable, '-c', code, *arguments],
        cwd=cwd,
        env=dict(os.environ, PYTHONPATH=str(REPOSITORY), **(environment or {})),
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize('arguments', [(), ('--help',)])
def test_the_commands_are_listed_with_a_line_and_an_example(arguments, tmp_path):
    result = run(*arguments, cwd=tmp_path)
    assert result.returncode == 0
    for name, command in COMMANDS.items():
        assert re.search(rf'^{name} +{re.escape(command.summary)}$', result.stdout, re.MULTILINE)
        assert f'$ {command.example}' in result.stdout
    assert {'train', 'test', 'sweep', 'export', 'new-config', 'doctor', 'make-scenes'} < {*COMMANDS}
    assert 'dist-launch' not in COMMANDS


def test_an_unknown_command_gets_the_near_one(tmp_path):
    result = run('trian', 'x', cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr == "afno-mm has no command 'trian'. Did you mean train?\n"
    assert 'It has baseline, check-data' in run('zzz', cwd=tmp_path).stderr


def test_a_command_runs_in_the_current_folder_with_its_exit_code(tmp_path):
    result = run('make_images', 'here', '--train', '1', '--val', '1', '--size', '16', cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert len([*tmp_path.glob('here/train/*/*')]) == 10
    assert run('make-images', '--sise', '16', cwd=tmp_path).returncode == 2


def test_shell_scripts_get_this_python(tmp_path):
    script = tmp_path / 'srun'
    script.write_text('#!/bin/sh\ncommand -v python; printf "%s\\n" "$@"\n')
    script.chmod(0o755)
    path = {'PATH': f'{tmp_path}:/usr/bin:/bin'}
    words = ('slurm-test', 'gpu', 'name', 'my_config.py', 'last.pth')
    lines = run(*words, cwd=tmp_path, environment=path).stdout.splitlines()
    assert lines[0] == str(Path(sys.executable).with_name('python'))
    assert lines[-4:] == ['my_config.py', 'last.pth', '--launcher', 'slurm']


def test_a_tool_takes_the_name_of_a_config_in_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = REPOSITORY / 'tools/get_flops.py'
    monkeypatch.setattr(sys, 'argv', [str(path), 'segformer_afno_b0_scenes'])
    args = runpy.run_path(str(path))['parse_args']()
    assert args.configs == [str(REPOSITORY / 'configs/segformer_afno_b0_scenes.py')]


def parser():
    made = Parser('What it does.', 'afno-mm tool x')
    made.add_argument('--work-dir')
    made.add_argument('--auto-scale-lr', action='store_true')
    made.add_argument('--format', choices=['onnx', 'torchscript'])
    return made


@pytest.mark.parametrize(
    'words, error',
    [
        (['--wrok-dir', 'x'], r'unrecognized arguments: --wrok-dir x. Did you mean --work-dir\?'),
        (['--lr-auto-scale'], r'Did you mean --auto-scale-lr\?'),
        (['--wrok-dir=x', '--fromat=y'], r'Did you mean --work-dir --format\?'),
        (['--format', 'onx'], r"invalid choice: 'onx' .*\. Did you mean onnx\?"),
        (['--zzz'], r'unrecognized arguments: --zzz$'),
    ],
)
def test_an_unknown_option_gets_the_near_one(words, error, capsys):
    with pytest.raises(SystemExit) as stopped:
        parser().parse_args(words)
    assert stopped.value.code == 2
    assert re.search(error, capsys.readouterr().err.strip())


@pytest.mark.parametrize('tool', ['train', 'check_data', 'get_flops', 'sweep', 'export'])
def test_an_unknown_config_gets_the_near_one(tool, monkeypatch, capsys):
    path = REPOSITORY / f'tools/{tool}.py'
    monkeypatch.setattr(sys, 'argv', [str(path), 'segformer_afno_b0_scene'])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(path))['parse_args']()
    assert stopped.value.code == 2
    assert 'Did you mean segformer_afno_b0_scenes?' in capsys.readouterr().err


def test_help_of_a_command():
    asked, given = (
        subprocess.run([sys.executable, '-m', 'afno_mm.cli', *arguments], capture_output=True)
        for arguments in (['help', 'list-models'], ['list-models', '--help'])
    )
    assert asked.stdout == given.stdout and b'segformer_afno' in asked.stdout


def test_the_nearest_name_of_a_model():
    command = [sys.executable, '-m', 'afno_mm.cli', 'list-models', 'segfromer_afno_b0_scenes']
    said = subprocess.run(command, capture_output=True, text=True, env={'HOME': '/tmp'}).stderr
    assert 'Did you mean segformer_afno_b0_scenes?' in said  # also without PATH
