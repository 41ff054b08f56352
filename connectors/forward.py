"""`forward`: hands the batches of one pipeline to others as they are, to join pipelines or to fork one."""

from pipeline.batch import Batch
from pipeline.component import ConnectorSettings, Context

__all__ = ["Forward", "ForwardSettings"]


class ForwardSettings(ConnectorSettings):
    """The Collector's `forward` connector; it has no settings."""

    def build(self, context: Context) -> "Forward":
        return Forward()


class Forward:
    """Passes every batch on."""

    def route(self, batch: Batch) -> Batch:
        return batch
