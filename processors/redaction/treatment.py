"""What a rule does to what it finds: the settings a rule has for it, which an organisation may override."""

import re
from typing import Annotated, Any, Literal

import hyperscan
from pydantic import AfterValidator, BeforeValidator, Field

from config.settings import Settings
from processors.redaction.compiled import compiled

__all__ = ["FullExpression", "Generalized", "Treatment", "fully_matches_expression", "is_scannable"]


def is_scannable(pattern: str) -> str:
    """The pattern, if it is linear-time: what Hyperscan takes, with the start of a match known.

    Raises: `ValueError` with Hyperscan's reason.
    """
    if re.search(r"\\[AzZGQ]", pattern):
        raise ValueError("write ^ and $ for the start and the end of a line; \\A, \\z, \\Z, \\G and \\Q are not taken")
    try:
        compiled([(pattern, hyperscan.HS_FLAG_SOM_LEFTMOST | hyperscan.HS_FLAG_MULTILINE)])
    except hyperscan.error as problem:
        raise ValueError(f"the pattern engine does not take this: {problem}") from None
    return pattern


def fully_matches_expression(pattern: str) -> str:
    """The pattern at the start of a text; a text matches fully if some match ends where the text ends."""
    return f"^(?:{pattern})"


def _is_scannable_from_start(pattern: str) -> str:
    is_scannable(pattern)
    is_scannable(fully_matches_expression(pattern))
    return pattern


FullExpression = Annotated[str, Field(min_length=1), AfterValidator(_is_scannable_from_start)]
"""An expression that a text must match from its start to its end."""


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Generalized = Literal["year", "age", "zip3", "ip_network"]
"""How a value may be made less exact; see `processors.redaction.generalize`."""


class Treatment(Settings):
    """What happens to what a rule finds."""

    action: Literal["mask", "drop", "keep", "pseudonymize", "generalize", "truncate", "observe"] = "mask"
    """`mask`: a placeholder takes its place. `drop`: the attribute goes. `keep`: values under just these keys stay.
    `pseudonymize`: a token that is the same for the same value. `generalize`: see there. `truncate`: see `truncate_to`.
    `observe`: nothing changes, it is counted. On metric data points and exemplars all but the last drop."""
    placeholder: str = ""
    """What a mask leaves; by default the rule's id in brackets."""
    class_: str = Field(default="", alias="class", pattern=r"^([a-z][a-z0-9_]*)?$")
    """The kind of identifier, by default the rule's id. It begins the token; equal values of one class have the same
    token, of two classes never."""
    canonical: Literal["text", "lower", "digits", "alphanumeric"] = "text"
    """What makes two spellings the same value for a token: the text as it is but for escapes and white space; without
    regard to capitals; its digits only; its letters and digits only, without regard to capitals. Leading zeros of a
    number never count, for an integer has lost them."""
    generalize: Annotated[tuple[Generalized, ...], BeforeValidator(_as_list)] = ()
    """What `generalize` makes of a value; the first that understands it, else it is masked. `year` of a date, `age` up
    to 89, `zip3` (three digits of a US ZIP code), `ip_network` (/24, /48)."""
    truncate_to: int | None = Field(default=None, ge=1)
    """How many characters `truncate` leaves of a value under the rule's keys, after all other rules. Never for
    identifiers: under HIPAA a part of one is one."""
    keep_values: tuple[FullExpression, ...] = ()
    """Expressions; what matches one in full stays, unless another rule finds something in it. In a rule whose action is
    `keep` they hold for all rules."""
