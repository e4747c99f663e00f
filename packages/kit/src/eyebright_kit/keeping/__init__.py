"""Keeping a trainer's process: where a run's files lie, how it is started, found again, asked to stop and buried.

The control plane's own executor and a trainer's service both keep runs in this way, so it knows neither of them.
"""
