"""What can go wrong with the embedded servers."""


class EmbeddedError(RuntimeError):
    """An embedded server cannot be found or started; the text is one line for the person at the terminal."""
