"""Imports: a job whose process fetches the data and reports, and whose child, shut into a sandbox, does the reading.

__main__    the importer, a trainer like any other to its executor: `python -m eyebright_kit.importing run SPEC`
worker      the child that unpacks, decodes and parses: `python -m eyebright_kit.importing.worker`
handover    the files by which the child leaves its result, and how others open them without trusting it
"""
