"""The rules in force, as the ledger keeps them."""

import hashlib
from collections.abc import Sequence

import orjson

from audit.rows import RuleOnRecord
from config.settings import Settings

__all__ = ["on_record", "rules_digest"]


def rules_digest(rules: Sequence[Settings]) -> str:
    """SHA-256 over all that the rules say, in their order of precedence; as `processors.redaction.rules.digest`."""
    plain = [rule.model_dump(mode="json", by_alias=True) for rule in rules]
    return hashlib.sha256(orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)).hexdigest()


def on_record(rule: Settings) -> RuleOnRecord:
    """A rule of `processors.redaction.rules`."""
    said = rule.model_dump(mode="json")
    examples = said.get("examples", {})
    count = len(examples.get("match", ())) + len(examples.get("no_match", ()))
    finds_text = any(said.get(each) for each in ("patterns", "cues", "paths")) or said.get("in_text") != "never"
    finds = "text" if finds_text else "keys"
    return RuleOnRecord(said["id"], said["version"], said["title"], said["legal"], said["action"], count, finds)
