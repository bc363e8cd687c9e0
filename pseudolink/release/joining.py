"""
Joining payloads by the link map with DuckDB, which spills to disk what does not fit in memory.

The engine sees Arrow tables and data sets that it is handed and nothing else: no file system, no
network, no extensions. Its order of rows means nothing; whoever takes a result shuffles it.

Source: specs/release-v1.md, section 2; specs/adr/0052.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

import duckdb
import pyarrow as pa

from pseudolink.errors import ReleaseError
from pseudolink.formats import payload as payloads

#: A payload: a ``pyarrow.Table``, or a ``pyarrow.dataset.Dataset`` that is read as it is needed.
Source: TypeAlias = Any

MEMORY: Final = "2GB"
FIRST, SUM, LIST = "first", "sum", "list"
LINKED, RECORDS = "linked", "records"
#: The party by whose families a person of the cohort without one got it.
FAMILY_PARTY: Final = "family_party"

#: Whose a column is, and its name; nobody's are those of the release itself.
Named = tuple[str | None, str]
_NUMBER: Final = r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?"
_WHOLE: Final = r"-?(0|[1-9][0-9]{0,14})"
#: Exact: digits before and after the point together.
_EXACT: Final = "DECIMAL(38, 15)"


#: Columns of the link map beside those of a payload: no attribute has a line feed in its name.
_PERSON: Final = '"\nperson"'
_BAND: Final = '"\nband"'


def names(source: Source) -> list[str]:
    """The columns of a payload."""
    found: list[str] = source.schema.names
    return found


def column(source: Source, name: str) -> pa.ChunkedArray:
    """One column of a payload."""
    if isinstance(source, pa.Table):
        return source.column(name)
    return source.to_table(columns=[name]).column(name)


def quoted(name: str) -> str:
    """A name of a column as SQL writes it: what agreements call attributes is no code."""
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def engine(link_map: pa.Table, tables: Mapping[str, Source], spill: Path | None) -> Iterator[Join]:
    """
    Open the engine on a link map and payloads; closed, and its files gone, afterwards.

    Args:
        spill: folder for what does not fit in memory, the releaser's own; None keeps to memory.
    """
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": MEMORY,
        "preserve_insertion_order": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "temp_directory": "" if spill is None else str(spill),
    }
    with duckdb.connect(":memory:", config=settings) as connection:
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        connection.register("link_map", link_map)
        places = {party: f"payload_{number}" for number, party in enumerate(tables)}
        for party, name in places.items():
            connection.register(name, tables[party])
        yield Join(connection, tables, places)


class Join:
    """Statements about a link map and payloads; each result is a table in no order."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, tables: Mapping[str, Source], places: Mapping[str, str]
    ) -> None:
        self._connection, self._tables, self._places = connection, tables, places

    def _run(self, text: str) -> pa.Table:
        return self._connection.sql(text).to_arrow_table()

    def _linked(self, party: str) -> str:
        """The linked records of a party with the person of each."""
        return (
            f"(SELECT m.person AS {_PERSON}, m.band AS {_BAND}, p.* FROM {self._places[party]} p "
            f"JOIN link_map m ON m.record = p.record AND m.party = {_text(party)})"
        )

    def people(
        self, cohort: str, repeated: Mapping[str, Mapping[str, str]], family: pa.Table | None
    ) -> tuple[list[Named], pa.Table]:
        """
        One row a record of the cohort, with everything that other parties know of the person.

        Args:
            repeated: parties that may have several records of a person -> attribute -> rule, for
                those that are not listed. family: ``person``, ``family`` and ``lent`` (the party that
                lent it), in place of the cohort's own family ID.

        Returns:
            Of each column whose it is and its name, and the columns in that order: ``programme_id``,
            ``family_id`` (and ``family_party``) of nobody's, then those of the cohort, then of each
            other party ``linked``, ``records`` where it may have several, attributes, and numbers of
            events as ``events.NAME``.
        """
        wanted: list[tuple[Named, str]] = [((None, payloads.PROGRAMME_ID), f"c.{payloads.PROGRAMME_ID}")]
        joins = []
        if family is not None:
            self._connection.register("families", family)
            wanted += [((None, payloads.FAMILY_ID), "f.family"), ((None, FAMILY_PARTY), "f.lent")]
            joins.append(f"LEFT JOIN families f ON f.person = c.{_PERSON}")
        elif payloads.FAMILY_ID in names(self._tables[cohort]):
            wanted.append(((None, payloads.FAMILY_ID), f"c.{payloads.FAMILY_ID}"))
        wanted += [((cohort, name), f"c.{text}") for name, text in self._columns(cohort, None).items()]
        for number, party in enumerate(sorted(set(self._tables) - {cohort})):
            alias = f"t{number}"
            columns = self._columns(party, repeated.get(party))
            grouped = f"GROUP BY {_PERSON}" if party in repeated else ""
            body = "".join(f", {text} AS v{n}" for n, text in enumerate(columns.values()))
            joins.append(
                f"LEFT JOIN (SELECT {_PERSON}, true AS there{body} "
                f"FROM {self._linked(party)} {grouped}) {alias} ON {alias}.{_PERSON} = c.{_PERSON}"
            )
            wanted.append(((party, LINKED), f"coalesce({alias}.there, false)"))
            for n, name in enumerate(columns):
                one = f"{alias}.v{n}"
                wanted.append(((party, name), f"coalesce({one}, 0)" if name == RECORDS else one))
        chosen = ", ".join(f"{text} AS c{n}" for n, (_, text) in enumerate(wanted))
        table = self._run(f"SELECT {chosen} FROM {self._linked(cohort)} c {' '.join(joins)}")
        return [name for name, _ in wanted], table

    def _columns(self, party: str, rules: Mapping[str, str] | None) -> dict[str, str]:
        """Name -> SQL of what a party adds to a person; rules where it may have several records."""
        source = self._tables[party]
        if rules is None:
            single = {name: quoted(name) for name in payloads.attributes(source)}
            happened = [payloads.EVENTS + name for name in payloads.event_tables(source)]
            return single | {name: f"len({quoted(name)})" for name in happened}
        found = {RECORDS: "count(*)"}
        for name in payloads.attributes(source):
            if rules.get(name, LIST) == FIRST:
                # The strongest link; among equals the order of record IDs, which are random.
                found[name] = (
                    f"first({quoted(name)} ORDER BY {_BAND} DESC, record) "
                    f"FILTER (WHERE {quoted(name)} IS NOT NULL)"
                )
            elif rules.get(name, LIST) == SUM:
                exact = f"sum(CAST({quoted(name)} AS {_EXACT}))"
                whole = self._whole(party, name)
                found[name] = f"CAST({exact} AS {'BIGINT' if whole else 'DOUBLE'})"
        for name in payloads.event_tables(source):
            found[payloads.EVENTS + name] = f"CAST(sum(len({quoted(payloads.EVENTS + name)})) AS BIGINT)"
        return found

    def _whole(self, party: str, name: str) -> bool:
        """
        Whether all linked values of an attribute are whole numbers.

        Raises:
            ReleaseError: some are no numbers.
        """
        said = self._run(
            f"SELECT count(*) FILTER (NOT regexp_full_match({quoted(name)}, '{_NUMBER}')) AS wrong, "
            f"count(*) FILTER (NOT regexp_full_match({quoted(name)}, '{_WHOLE}')) AS parts "
            f"FROM {self._linked(party)}"
        ).to_pylist()[0]
        if said["wrong"]:
            raise ReleaseError(f"{party}, {name}: {said['wrong']:,} values are no numbers to add up")
        return not said["parts"]

    def records(self, cohort: str, party: str, columns: list[str]) -> pa.Table:
        """A row for every linked record of a party: programme ID and the attributes wanted."""
        wanted = "".join(f", r.{quoted(name)}" for name in columns)
        return self._run(
            f"SELECT c.{payloads.PROGRAMME_ID}{wanted} "
            f"FROM {self._linked(party)} r JOIN {self._linked(cohort)} c ON c.{_PERSON} = r.{_PERSON}"
        )

    def events(self, cohort: str, party: str, name: str) -> pa.Table:
        """A row for every event of linked records of a party: programme ID and the event's columns."""
        columns = payloads.event_columns(self._tables[party], name)
        wanted = ", ".join(f"e.event.{quoted(one)} AS {quoted(one)}" for one in columns)
        event = f"unnest({quoted(payloads.EVENTS + name)}) AS event"
        unnested = f"(SELECT {_PERSON}, {event} FROM {self._linked(party)})"
        return self._run(
            f"SELECT c.{payloads.PROGRAMME_ID}, {wanted} "
            f"FROM {unnested} e JOIN {self._linked(cohort)} c ON c.{_PERSON} = e.{_PERSON}"
        )


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
