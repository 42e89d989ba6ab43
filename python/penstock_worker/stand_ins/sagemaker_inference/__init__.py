"""Stands in for SageMaker's inference toolkit where an environment lacks it: scripts import these names from it."""
