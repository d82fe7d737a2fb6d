"""Serve a page in the browser to play with trained models.

    tools/demo.py                                   # all models in work_dirs/
    tools/demo.py work_dirs/one work_dirs/two --images data/scenes/leftImg8bit/val
    tools/demo.py CONFIG.py CHECKPOINT.pth

Choose an image and one or two models. The page shows predictions side by side, with time and
memory. Sliders change AFNO's settings at once. A click shows the receptive fields at that position.
The page needs gradio: pip install "afno-mm[demo]".
"""

import argparse
import warnings

import afno_mm  # noqa: F401  reports a broken environment before anything else fails
from afno_mm.command_line import Parser
from demo_page.state import Models, example_images
from look_inside.models import find_models
from mmengine.device import get_device


def parse_args() -> argparse.Namespace:
    example = 'afno-mm demo work_dirs --images data/scenes/leftImg8bit/val'
    parser = Parser(__doc__, example)
    add = parser.add_argument
    models = 'work dirs, folders of work dirs, or pairs CONFIG.py CHECKPOINT.pth '
    models += '(default: work_dirs)'
    add('models', nargs='*', default=['work_dirs'], metavar='WORK_DIR', help=models)
    add('--images', metavar='FOLDER', help='folder with images to pick from')
    add('--device', default=get_device(), help='cpu, cuda, cuda:1, ... (default: %(default)s)')
    add('--host', default='127.0.0.1', help='address to serve on; 0.0.0.0 lets other machines in')
    add('--port', type=int, help='port to serve on (default: the first free one from 7860)')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    warnings.simplefilter('ignore')  # from building the models
    try:
        from demo_page.page import CSS, THEME, build
    except ImportError as error:
        if (error.name or '').partition('.')[0] != 'gradio':
            raise
        raise SystemExit(
            'demo.py needs gradio: pip install "afno-mm[demo]", or pip install gradio'
        ) from error
    try:
        models = Models(find_models(args.models), args.device)
        examples = example_images(args.images)
        page = build(models, examples)
    except (OSError, ValueError, RuntimeError) as error:
        raise SystemExit(f'demo.py: {error}') from error
    print(f'models: {", ".join(models.names)}', flush=True)
    page.queue(default_concurrency_limit=1).launch(
        server_name=args.host,
        server_port=args.port,
        css=CSS,
        theme=THEME,
        allowed_paths=examples,
        footer_links=[],
    )


if __name__ == '__main__':
    main()
