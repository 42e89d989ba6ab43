"""Stands in for SageMaker's XGBoost container where an environment lacks it: scripts import its `encoder`."""
