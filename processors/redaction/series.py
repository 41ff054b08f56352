"""Series of metrics that become one because redaction took attributes off their data points: they are added up."""

from bisect import bisect_left

from pipeline.batch import Batch, Signal
from pipeline.component import Context
from processors.reaggregation import Reaggregation, ReaggregationSettings
from processors.redaction.edits import Changes
from processors.redaction.places import ON_METRIC_POINT

__all__ = ["Series"]


class Series(Reaggregation):
    """Re-aggregation of what was redacted already. Its sources are told apart by what was redacted, under a key that is
    never written: after a restart they begin anew.
    """

    def __init__(self, settings: ReaggregationSettings, context: Context) -> None:
        super().__init__(settings, context, keep_sources=False)

    def added_up(self, before: Batch, after: Batch, changes: Changes) -> Batch | None:
        """What is to be passed on at once of a batch that `changes` made another of."""
        if before.signal is not Signal.METRICS:
            return after
        if self.is_idle and not any(place in ON_METRIC_POINT for _, _, place in changes.redactions):
            return after
        starts = [start for start, _, _ in changes.edits]

        def gone(begin: int) -> bool:
            at = bisect_left(starts, begin) - 1
            return at >= 0 and changes.edits[at][1] > begin

        return self.apply_rewritten(before, after, gone)
