"""The parts of the module MedVLPTrain; one class a file."""
