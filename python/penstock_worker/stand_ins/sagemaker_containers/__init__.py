"""Stands in for the library of SageMaker's older containers where an environment lacks it: scripts import these names from it."""
