"""What to say where a framework is not installed."""


def missing(extra: str, error: ImportError) -> ImportError:
    """Return the error that says which extra to install. One that is installed, but broken, is raised as it is."""
    if not isinstance(error, ModuleNotFoundError):
        return error
    return ImportError(f'This needs a package that is not installed ({error.name}): pip install "threadkeep[{extra}]"')
