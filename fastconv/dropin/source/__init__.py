"""Other people's files as they have them: notebooks, scripts that train, missing imports, Python 2, folders."""
