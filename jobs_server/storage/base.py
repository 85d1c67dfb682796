"""What all tables have in common: the names of their constraints and the types of their columns."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, MetaData, Text
from sqlalchemy.orm import DeclarativeBase, registry


class Base(DeclarativeBase):
    """Declare a table, with one convention of constraint names, which migrations need, and 64-bit integers."""

    registry = registry(
        metadata=MetaData(
            naming_convention={
                "ix": "ix_%(table_name)s_%(column_0_N_name)s",
                "uq": "uq_%(table_name)s_%(column_0_N_name)s",
                "ck": "ck_%(table_name)s_%(constraint_name)s",
                "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
                "pk": "pk_%(table_name)s",
            }
        ),
        # Milliseconds since 1970 need 64 bits; every INTEGER of SQLite has them, and only INTEGER may be a row id.
        # Texts are in the order of their bytes, as SQLite has them: a ULID's order must not hang on a language.
        type_annotation_map={
            int: BigInteger().with_variant(Integer(), "sqlite"),
            str: Text().with_variant(Text(collation="C"), "postgresql"),
        },
    )
