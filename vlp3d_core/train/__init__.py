"""Training: manifests, data, losses, methods and the engine that runs them."""
