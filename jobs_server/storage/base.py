"""How a table is declared: the names of its constraints, the types of its columns, and a class that names them.

Declared as SQLAlchemy's own declarative classes are, but without its ORM: no session is ever opened, and to load the
ORM and to map the classes takes as long as a fifth of a start. `flask_extension.mapped` maps them for who wants that.
"""

from __future__ import annotations

from typing import Any, ClassVar, Generic, NamedTuple, TypeVar, cast, overload

from sqlalchemy import BigInteger, Column, FromClause, Integer, MetaData, Table, Text
from sqlalchemy.types import TypeEngine

Value = TypeVar("Value")
Declared = TypeVar("Declared", bound="Base")

# Milliseconds since 1970 need 64 bits; every INTEGER of SQLite has them, and only INTEGER may be a row id.
# Texts are in the order of their bytes, as SQLite has them: a ULID's order must not hang on a language.
_TYPES: dict[str, TypeEngine[Any]] = {
    "int": BigInteger().with_variant(Integer(), "sqlite"),
    "str": Text().with_variant(Text(collation="C"), "postgresql"),
}
_MAPPED, _OR_NONE = "Mapped[", " | None"


class Mapped(Generic[Value]):
    """The type of a column's name in a table's class, by what a row has there."""

    def __get__(self, row: None, table: type[Any]) -> Column[Value]:
        """Return the column."""
        raise AssertionError("a table's class has the columns themselves")


class _Options(NamedTuple):
    arguments: tuple[Any, ...]
    options: dict[str, Any]


def mapped_column(*arguments: Any, **options: Any) -> Any:
    """Say more of a column than its type; takes what SQLAlchemy's `Column` does after the name."""
    return _Options(arguments, options)


class Base:
    """Declare a table, with one convention of constraint names, which migrations need, and 64-bit integers."""

    metadata: ClassVar[MetaData] = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    __tablename__: ClassVar[str]
    __table_args__: ClassVar[tuple[Any, ...]] = ()
    __table__: ClassVar[Table]

    def __init_subclass__(cls) -> None:
        """Make the table, and let the class name its columns."""
        *more, last = cls.__table_args__ or ({},)
        parts, options = (more, last) if isinstance(last, dict) else ((*more, last), {})
        columns = [
            _column(name, annotation, cls.__dict__.get(name, _Options((), {})))
            for name, annotation in cls.__annotations__.items()
            if annotation.startswith(_MAPPED)
        ]
        cls.__table__ = Table(cls.__tablename__, cls.metadata, *columns, *parts, **options)
        for column in columns:
            setattr(cls, column.key, column)

    @classmethod
    def __clause_element__(cls) -> Table:
        """Return the table, where a statement is given the class."""
        return cls.__table__


def _column(name: str, annotation: str, said: _Options) -> Column[Any]:
    kept = annotation.removeprefix(_MAPPED).removesuffix("]")
    options = {"nullable": kept.endswith(_OR_NONE)} | said.options
    known: Any = _TYPES.get(kept.removesuffix(_OR_NONE))
    column = Column(name, *([] if known is None else [known]), *said.arguments, **options)
    column.key = name  # SQLAlchemy has a text of a kind of its own there, which is no key of JSON's.
    return column


@overload
def aliased(table: type[Declared]) -> type[Declared]: ...
@overload
def aliased(table: type[Declared], rows: FromClause) -> type[Declared]: ...
def aliased(table: type[Declared], rows: FromClause | None = None) -> type[Declared]:
    """Name a table a second time in a statement, or rows of its kind; the columns have the names of the table's."""
    return cast(type[Declared], _Alias(table.__table__.alias() if rows is None else rows))


class _Alias:
    """Stand for a table's class under another name."""

    def __init__(self, rows: FromClause) -> None:
        self._rows = rows

    def __getattr__(self, name: str) -> Column[Any]:
        try:
            return cast(Column[Any], self._rows.c[name])
        except KeyError:
            raise AttributeError(name) from None

    def __clause_element__(self) -> FromClause:
        """Return the rows, where a statement is given the alias."""
        return self._rows
