"""The parts of the module MedVLPSegment: nodes in, segments out, and the panel."""
