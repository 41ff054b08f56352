"""Benchmarks. Machines are shared and noisy: every figure is CPU time, and only ratios within one run mean anything."""
