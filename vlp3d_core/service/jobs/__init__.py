"""Jobs: a `vlp3d` command with a folder of its own, which outlives the program that submitted it.

Import by module; `book.Jobs` is the way in. Importing needs the standard library only, so that a host such as 3D Slicer
stays light; jsonschema, platformdirs and psutil are loaded by the calls that need them, torch never.
"""
