import glob
import os
import shutil

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = os.path.dirname(os.path.abspath(__file__))
DOCS = ['sphinx>=8,<10', 'myst-parser>=4,<6', 'furo', 'latex2mathml']
FOR_A_CHECKOUT = ('environment.sh', 'quickstart.sh', 'run_tests.sh')


def read(*path):
    with open(os.path.join(ROOT, *path), encoding='utf-8') as file:
        return file.read()


class BuildWithConfigsAndTools(build_py):
    """Copy configs/, their index, tools/ and the scripts and generators of data/ to afno_mm/.mim.

    mim, MMEngine and afno-mm look there. An editable install uses those of the checkout.
    """

    def run(self):
        super().run()
        if self.editable_mode:
            return
        mim = os.path.join(self.build_lib, 'afno_mm', '.mim')
        for folder in ('configs', 'tools', 'data/generators'):
            shutil.copytree(
                os.path.join(ROOT, folder),
                os.path.join(mim, folder),
                dirs_exist_ok=True,
                ignore=shutil.ignore_patterns('__pycache__', *FOR_A_CHECKOUT),
            )
        for script in glob.glob(os.path.join(ROOT, 'data', '*.py')):
            shutil.copy(script, os.path.join(mim, 'data'))
        shutil.copy(os.path.join(ROOT, 'model-index.yml'), mim)


version = {}
exec(read('afno_mm', 'version.py'), version)

setup(
    name='afno-mm',
    version=version['__version__'],
    description='Adaptive Fourier neural operators and other token mixers for '
    'MMSegmentation and MMPretrain',
    long_description=read('README.md'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    packages=find_packages(include=['afno_mm', 'afno_mm.*']),
    package_data={'afno_mm': ['py.typed'], 'afno_mm.ops.afno.cpu': ['*.c', '*.h']},
    entry_points={'console_scripts': ['afno-mm = afno_mm.cli:main']},
    python_requires='>=3.10',
    # The only list of requirements: afno_mm.environment checks it when afno_mm is imported.
    install_requires=[
        'torch>=2.6',
        'torchvision>=0.21',
        # The maintained continuation of mmengine, mmcv, mmsegmentation and mmpretrain.
        'onedl-mmengine>=0.10.12,<0.11',
        'onedl-mmcv>=2.3.6,<2.4',
        'onedl-mmsegmentation>=1.4.2,<1.5',
        'onedl-mmpretrain>=1.3.6,<1.4',
        'cityscapesscripts>=2.2',
        'numpy<2.4',  # cityscapesscripts calls np.in1d
        'pillow<13',  # cityscapesscripts writes PNGs of mode I
        'torchmetrics>=1.0',
        'packaging',
        'safetensors',  # weights that hold no code
        'tensorboard',  # what trainings log
    ],
    extras_require={
        # setuptools builds wheels itself since 70.1.
        'tests': [
            'pytest',
            'pytest-xdist',
            'PyWavelets',  # the mixer of docs/tutorials
            'hypothesis',
            'scikit-image',
            'scikit-learn',
            'setuptools>=70.1',
            # What users bring weights from, and what they run exported models in.
            'onnx',
            'onnxruntime',
            'onnxscript',
            'timm',
            'transformers',
            'segmentation-models-pytorch',
            'huggingface-hub',
            # The tests build the site of the docs.
            *DOCS,
        ],
        'docs': DOCS,
        'export': ['onnx', 'onnxruntime', 'onnxscript'],  # tools/export.py
        'hub': ['huggingface-hub'],  # from_pretrained of names
        'analysis': ['scikit-learn'],  # tools/draw_clusters.py
        'demo': ['gradio>=6,<7'],  # tools/demo.py
        'bench': ['nvidia-physicsnemo', 'neuraloperator'],
        'lint': ['ruff>=0.17,<0.18', 'mypy>=2.4,<3', 'pre-commit'],
    },
    cmdclass={'build_py': BuildWithConfigsAndTools},
)
