"""The parts of `limit_cardinality`: what it counts, what it decides, and what it makes of a point."""
