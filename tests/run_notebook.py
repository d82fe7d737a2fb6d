"""Run a notebook: its code in this process, its shell commands in others. Save its pictures.

python run_notebook.py NOTEBOOK FOLDER [OLD=NEW ...]    with OLD replaced by NEW in the code
"""

import ast
import json
import os
import subprocess
import sys

notebook, folder, *changes = sys.argv[1:]
names = {}
with open(notebook) as file:
    cells = json.load(file)['cells']
for number, cell in enumerate(cells):
    code = ''.join(cell['source'])
    for change in changes:
        code = code.replace(*change.split('='))
    if cell['cell_type'] != 'code':
        continue
    if code.startswith('!'):  # a command of the shell
        subprocess.run(code[1:], shell=True, check=True)
        continue
    tree = ast.parse(code)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, f'cell {number}', 'exec'), names)
    shown = last and eval(compile(ast.Expression(last.value), f'cell {number}', 'eval'), names)
    if shown is not None:
        shown.save(os.path.join(folder, f'{number}.png'))
