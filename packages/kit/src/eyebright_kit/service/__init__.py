"""A trainer as an HTTP service: `python -m eyebright_X serve`.

It keeps each training in a process of its own, which outlives it, and tells the callback URL what that process writes down. One
service is one trust domain: whoever may start a training there may run what its trainer can be told to run, as its user.
"""
