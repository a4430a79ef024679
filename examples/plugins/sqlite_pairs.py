"""Source ``sqlite``: a table of a SQLite database, a row a pair."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from clbench.errors import UserError
from clbench.schema.domain import Reading
from clbench.schema.source import Request, Source

if TYPE_CHECKING:
    from clbench.data.pairs import DomainData


class Sqlite(Reading, Source):
    """A table with a column for each text and the label, and one that says which part a row belongs to.

    Attributes:
        file: the database, a path from the domain's file.
        table: its table; rows are read in the order of ``rowid``.
        part: the column that holds ``train``, ``validation`` or ``test``.
    """

    kind: Literal["sqlite"]
    file: str
    table: str = Field(pattern=r"^\w+$")
    part: str = "part"

    def load(self, request: Request) -> DomainData:
        import sqlite3

        from clbench.data.labels import Rows, to_pairs
        from clbench.data.pairs import SPLITS, DomainData

        path = request.path(self.file)
        if not path.is_file():
            raise UserError(f"domain '{request.domain}': field 'source.file': {path} does not exist.")
        # In double quotes SQLite takes the name of a column that is not there for a text.
        *read, part = ("`" + name.replace("`", "``") + "`" for name in (*self.wanted, self.part))
        splits, dropped = {}, 0
        try:
            base = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
            for split in SPLITS if request.trained_on else SPLITS[1:]:
                asked = f"select rowid, {', '.join(read)} from {self.table} where {part} = ? order by rowid"
                found = base.execute(asked, [split]).fetchall()
                places, *texts, labels = zip(*found, strict=True) if found else [[]] * (1 + len(read))
                rows = Rows(f"{path}, table {self.table}", "row", places, tuple(texts), labels)
                splits[split], gone = to_pairs(rows, self, request.label_space)
                dropped += gone
            base.close()
        except sqlite3.Error as error:
            raise UserError(f"domain '{request.domain}': {path} cannot be read: {error}.") from error
        return DomainData(request.domain, splits, {"id": f"{path.name}/{self.table}", "dropped": dropped})

    def origin(self) -> str:
        return f"{self.file}, table {self.table}"
