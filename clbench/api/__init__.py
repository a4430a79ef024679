"""The verbs of the command line for Python and notebooks: ``clbench.run``, ``clbench.compare`` and so on."""
