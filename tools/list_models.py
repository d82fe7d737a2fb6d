"""List the configs by name, with their parameters, their results, and the source of the results."""

import argparse
import signal

import yaml
from afno_mm import list_models
from afno_mm.command_line import Parser
from afno_mm.names import nearest, root_folder


def parse_args() -> argparse.Namespace:
    example = "afno-mm list-models 'segformer_afno*' --task segmentation"
    parser = Parser(__doc__, example)
    names = "only these names, as in 'mit_*_b0'; default: all"
    parser.add_argument('pattern', nargs='?', help=names)
    tasks = ('segmentation', 'classification', 'inpainting')
    parser.add_argument('--task', choices=tasks, help='only configs of this task')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # for: afno-mm list-models | head
    names = list_models(args.pattern, args.task)
    if not names:
        near = nearest(args.pattern or '', list_models(task=args.task), 0.5)
        advice = f' Did you mean {near}?' if near else ''
        raise SystemExit(f'no config is named {args.pattern}.{advice} A pattern has *, as mit_*')

    width = max(map(len, names))
    for file in sorted(root_folder().glob('configs/metafile_*.yml')):
        for model in yaml.safe_load(file.read_text(encoding='utf-8'))['Models']:
            if model['Name'] not in names:
                continue
            about = model['Metadata']
            millions = f'{about["Parameters"] / 1e6:.2f}M' if 'Parameters' in about else ''
            metrics = model['Results'][0]['Metrics']
            scores = ', '.join(f'{value} {name}' for name, value in metrics.items())
            scores += f' ({about["Source of Results"]})' if scores else ''
            print(f'{model["Name"]:{width}}  {millions:>7}  {scores}'.rstrip())


if __name__ == '__main__':
    main()
