"""Benchmarks: our pipeline beside a floor, a rival and itself, on the same files in the same minutes. See README.md."""
