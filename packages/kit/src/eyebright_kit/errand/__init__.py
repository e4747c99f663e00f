"""A training whose data lie at an address: import them, then become the trainer.

What a training service starts for platforms that keep no data set versions: `python -m eyebright_kit.errand run SPEC`, with the
errand beside SPEC.
"""
