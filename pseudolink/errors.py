"""
Every public exception, each with a stable code (``PL-AREA-NN``), by whose fault it is; those of engines
are in ``engines/errors``. A code is never reused for another meaning: scripts test for it. A message
names files, columns, rules, row numbers and counts, never a cell's value, a token or a key.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple


class PseudolinkError(Exception):
    """Base of every error that pseudolink raises on purpose."""

    code = "PL-GEN-00"

    def __init__(self, message: str, *, advice: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice

    def diagnostics(self) -> dict[str, object]:
        """The error as data: code, cause and advice (what ``--json`` prints)."""
        return {"code": self.code, "message": self.message, "advice": self.advice}


class Problem(NamedTuple):
    """One thing that is wrong, and where (``passes[2].on``, ``row 17, field 'dob'``)."""

    place: str
    message: str


class ProblemsError(PseudolinkError):
    """Several things are wrong; all of them are listed, so that one correction is enough."""

    code = "PL-GEN-01"
    what = "input"

    def __init__(
        self, problems: Iterable[Problem], *, source: str | None = None, advice: str | None = None
    ) -> None:
        self.problems: Sequence[Problem] = tuple(problems)
        self.source = source
        where = f" in {source}" if source else ""
        count = len(self.problems)
        head = f"{count} problem{'s' if count != 1 else ''} with the {self.what}{where}"
        lines = [f"  {place}: {message}" if place else f"  {message}" for place, message in self.problems]
        super().__init__("\n".join([head, *lines]), advice=advice)

    def diagnostics(self) -> dict[str, object]:
        return {**super().diagnostics(), "problems": [p._asdict() for p in self.problems]}


# ---------------------------------------------------------------- input


class InputError(PseudolinkError):
    """A file cannot be read as what it should be."""

    code = "PL-INPUT-01"


class EmptyInputError(InputError):
    """A file has no rows."""

    code = "PL-INPUT-02"


class MissingColumnsError(ProblemsError, InputError):
    """The extract lacks columns that the schema needs."""

    code = "PL-INPUT-03"
    what = "columns"


class EncodingOfTextError(InputError):
    """The bytes are not text in the declared character encoding."""

    code = "PL-INPUT-04"


class OutputExistsError(PseudolinkError):
    """The output is already there; nothing is overwritten."""

    code = "PL-OUT-01"


class OutputError(PseudolinkError):
    """The output could not be written (no space, no permission); nothing was left."""

    code = "PL-OUT-02"


class UsageError(PseudolinkError):
    """Options that do not go together or a value that is out of range."""

    code = "PL-USE-01"


class MissingDependencyError(PseudolinkError):
    """An optional package or system library is needed for this and is not installed."""

    code = "PL-DEP-01"


class DoNotLinkError(ProblemsError, InputError):
    """Lines of a do-not-link list are no pair of people of the extract; nothing is encoded."""

    code = "PL-INPUT-05"
    what = "do-not-link list"


class EventsError(ProblemsError, InputError):
    """Events that belong to no one record of the extract, or an event table without its columns."""

    code = "PL-INPUT-06"
    what = "events"


class KnownLinksError(ProblemsError, InputError):
    """Known links are no pairs of people of the extract, or contradict the do-not-link list."""

    code = "PL-INPUT-07"
    what = "known links"


class WorkbookError(ProblemsError, InputError):
    """A workbook no longer holds what was entered in it, or not yet what it will show."""

    code = "PL-INPUT-08"


class FieldRuleError(ProblemsError):
    """Cells break rules that their fields declare; the values are never kept."""

    code = "PL-CLEAN-02"
    what = "cells"


class UnusableFieldError(ProblemsError):
    """A field that the schema needs has no usable value in any row."""

    code = "PL-CLEAN-03"
    what = "fields"


# ---------------------------------------------------------------- design: schema and agreement


class SchemaError(ProblemsError):
    """The linkage schema is not valid; every problem is listed with its place."""

    code = "PL-SCHEMA-01"
    what = "linkage schema"


class SchemaMismatchError(PseudolinkError):
    """An artefact was made under another linkage schema."""

    code = "PL-SCHEMA-02"


class AgreementError(ProblemsError):
    """The agreement is not valid; every problem is listed with its place."""

    code = "PL-AGREE-01"
    what = "agreement"


class AgreementMismatchError(PseudolinkError):
    """An artefact was made under another agreement."""

    code = "PL-AGREE-02"


class AgreementExpiredError(PseudolinkError):
    """The agreement or an artefact made under it is past its date, or not yet in force."""

    code = "PL-AGREE-03"


class AgreementUnsignedError(ProblemsError):
    """A party's signature is missing or does not fit the agreement."""

    code = "PL-AGREE-04"
    what = "signatures"


class NotPermittedError(PseudolinkError):
    """The agreement does not permit this party to do or receive this."""

    code = "PL-AGREE-05"


class AttributeNotPermittedError(ProblemsError, NotPermittedError):
    """A payload carries attributes that the agreement does not permit."""

    code = "PL-AGREE-06"
    what = "attributes"


class AgreementAmendedError(PseudolinkError):
    """A party has signed an amendment; the earlier version of the agreement is over."""

    code = "PL-AGREE-07"


# ---------------------------------------------------------------- keys


class KeyFileError(PseudolinkError):
    """A key file is missing, damaged or of another kind."""

    code = "PL-KEY-01"


class PassphraseError(PseudolinkError):
    """The passphrase does not open this key file, or is too weak to protect one."""

    code = "PL-KEY-02"


class WrongKeyError(PseudolinkError):
    """A key is not the one that the agreement or the artefacts call for."""

    code = "PL-KEY-03"


class KeyDestroyedError(PseudolinkError):
    """The key was destroyed; what was sealed under it can no longer be opened."""

    code = "PL-KEY-05"


class KeyPlaceError(PseudolinkError):
    """A key or passphrase stands where it must not: in a repository, or open to others."""

    code = "PL-KEY-06"


class KeyExposedError(PseudolinkError):
    """A key file can be read by other users of the machine."""

    code = "PL-KEY-04"


# ---------------------------------------------------------------- packages and receipts


class PackageError(PseudolinkError):
    """A package is damaged, truncated or not a package."""

    code = "PL-SEAL-01"


class SignatureError(PackageError):
    """The sender's signature does not fit; the package is not from whom it says."""

    code = "PL-SEAL-02"


class NotARecipientError(PackageError):
    """The package is not sealed to this party."""

    code = "PL-SEAL-03"


class ReplayError(PackageError):
    """An earlier package, where a later one of the same sender has been used already."""

    code = "PL-SEAL-04"


class WithdrawalMissingError(ProblemsError):
    """A withdrawal that was used before is not among those given; people would come back."""

    code = "PL-WITHDRAW-01"
    what = "withdrawals"


class ArtefactError(ProblemsError):
    """What a package or file holds breaks the written format of its artefact."""

    code = "PL-FORMAT-01"
    what = "artefact"


class LedgerError(ProblemsError):
    """The chain of receipts has a change, a gap, a reorder or a wrong signature."""

    code = "PL-LEDGER-01"
    what = "ledger"


class LedgerForkError(ProblemsError):
    """A party has shown two different ledgers; it has rewritten what it did."""

    code = "PL-LEDGER-02"
    what = "ledgers"


class TimestampError(PseudolinkError):
    """A timestamp file is not one, is not of this ledger, or does not verify."""

    code = "PL-LEDGER-03"


# ---------------------------------------------------------------- the floor, linkage, release


class FloorError(ProblemsError):
    """Too many records would have company; nothing is encoded."""

    code = "PL-FLOOR-01"
    what = "security floor"


class AuditError(ProblemsError):
    """The schema requires a fresh audit that passed, and the report given is none; nothing is encoded."""

    code = "PL-AUDIT-01"
    what = "audit"


class LinkageError(PseudolinkError):
    """The linkage cannot go on with what it was given."""

    code = "PL-LINK-01"


class FilterWidthError(UsageError):
    """Filters that are to be compared are not arrays of filters, or differ in their words."""

    code = "PL-MATCH-01"


class TooManyPairsError(LinkageError):
    """More pairs than may be held; ``suggested`` is a threshold that should bring fewer, or None."""

    code = "PL-MATCH-02"

    def __init__(self, message: str, *, suggested: Fraction | None = None, advice: str | None = None) -> None:
        super().__init__(message, advice=advice)
        self.suggested = suggested


class MixedArtefactsError(ProblemsError):
    """Artefacts that do not belong together (key, schema, agreement, party)."""

    code = "PL-LINK-02"
    what = "packages"


class ReviewError(PseudolinkError):
    """Candidates or labels of a clerical review cannot be used."""

    code = "PL-REVIEW-01"


class ScoringError(PseudolinkError):
    """The model could not be estimated from these encodings."""

    code = "PL-SCORE-01"


class WrongClassError(ProblemsError, ScoringError):
    """The pairs that the model took for matches do not look like people met twice."""

    code = "PL-SCORE-02"
    what = "model of matches"


class ReleaseError(PseudolinkError):
    """The release cannot be made from what was given."""

    code = "PL-RELEASE-01"


# ---------------------------------------------------------------- tables


class TableInputError(ProblemsError):
    """The file or the definition does not give a table: not a row a person, no such column."""

    code = "PL-TABLE-01"
    what = "table"


class AreaTableError(PseudolinkError):
    """A table by council or another authority was not asked for in so many words."""

    code = "PL-TABLE-02"


class TableTooLargeError(PseudolinkError):
    """More cells or combinations than can be protected together."""

    code = "PL-TABLE-03"


class UnsafeTableError(PseudolinkError):
    """No suppression pattern protects everybody, given what was published before."""

    code = "PL-TABLE-04"


class TableLedgerError(PseudolinkError):
    """The ledger of published tables cannot be read or has been changed."""

    code = "PL-TABLE-05"


class UnsafeOutputError(ProblemsError):
    """A model whose estimates would tell of a few people; every rule that it breaks."""

    code = "PL-TABLE-06"
    what = "model"


class DisclosureRulesError(ProblemsError):
    """The disclosure rules of the agreement do not fit the release, or are no rules."""

    code = "PL-DISC-01"
    what = "disclosure rules"


class DisclosureError(PseudolinkError):
    """No release can be made that keeps the disclosure rules."""

    code = "PL-DISC-02"


class NotAcceptedError(PseudolinkError):
    """The releaser did not accept the disclosure report; nothing was released."""

    code = "PL-DISC-03"


# ---------------------------------------------------------------- evidence


class EvidenceError(ProblemsError):
    """Artefacts that were given as evidence are broken; the document was written and names them."""

    code = "PL-EVID-01"
    what = "evidence"
