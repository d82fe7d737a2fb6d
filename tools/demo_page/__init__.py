"""The page of tools/demo.py. Only page.py needs gradio."""
