"""From a queue to its destination: read sender.py first, then delivery.py."""
