"""What both modules use: texts and errors in a panel, what is missing, nodes as volumes and labels."""
