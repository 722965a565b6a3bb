"""The wiring host: PySide6 dressed as PythonQt, with as much of Slicer's application as our panel asks for.

What runs in it is the real `.ui` file, the real widget class, the real logic and the real worker. What is imitated is
the layer between them that the package slicer-core lacks: the modules `qt` and `ctk`, `slicer.app`, a part of
`slicer.util`, `ScriptedLoadableModule` and `parameterNodeWrapper`. It is written for these tests and knows only the
classes that our `.ui` files use. It shows that the wires lead somewhere; it is not Slicer, and a test that passes here
says nothing about Slicer's look, its menus or its speed.
"""
