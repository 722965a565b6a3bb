"""The command `vlp3d`: one file a command, no logic of its own."""
