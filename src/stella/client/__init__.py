"""Speaks to a Stella service: the same operations as the command line, with the same results and the same errors.

from stella.client.api import Client

stella = Client("http://127.0.0.1:8080", token)
made = stella.mirror.create(dir="stable", source=("artifacts=dist/",), out="B.stella")
print(made.root)
"""
