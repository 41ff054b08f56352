"""The parts of the processor `redaction`: what the Collector's processor of this name does, by Telescrub's means."""
