"""Around models: encode tables with columns of mixed types."""

from sklgen.compose._encoder import TabularEncoder

__all__ = ["TabularEncoder"]
