"""The worker process and its client. Import the client by its module: `vlp3d_core.service.client.Worker`.

The client's side needs nothing but the standard library and numpy, so that a host such as 3D Slicer stays light.
"""
