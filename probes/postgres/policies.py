"""Row-level security: asked where a policy shows the login every row, else an error instead of fewer rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

Rows: TypeAlias = tuple[tuple[object, ...], ...]

# Null: the table has no row security. Behind a view there may be other tables with other policies.
_SHOWN: Final = """
WITH tables AS (
    SELECT c.oid, c.relkind, c.relrowsecurity FROM pg_class c
    WHERE c.oid IN (SELECT to_regclass(name) FROM unnest(%s::text[]) AS name)
),
mine AS (
    SELECT p.* FROM pg_policy p JOIN tables t ON t.oid = p.polrelid
    WHERE p.polcmd IN ('r', '*')
      AND EXISTS (SELECT FROM unnest(p.polroles) AS role
                  WHERE role = 0 OR pg_has_role(current_user, role, 'USAGE'))
)
SELECT CASE WHEN t.relkind NOT IN ('r', 'p') THEN false
            WHEN t.relrowsecurity THEN
                EXISTS (SELECT FROM mine m WHERE m.polrelid = t.oid AND m.polpermissive
                                             AND pg_get_expr(m.polqual, m.polrelid) = 'true')
                AND NOT EXISTS (SELECT FROM mine m WHERE m.polrelid = t.oid AND NOT m.polpermissive)
       END
FROM tables t
"""


def ask_policies(run: Callable[[str, Sequence[object]], Rows], *tables: str) -> None:
    """Let the policies of `tables` (names as SQL reads them) be asked if they show the login every row.

    Any other stays what the transaction makes of it: an error.
    """
    shown = [row[0] for row in run(_SHOWN, ([*tables],))]
    if True in shown and False not in shown:
        run("SELECT set_config('row_security', 'on', true)", ())
