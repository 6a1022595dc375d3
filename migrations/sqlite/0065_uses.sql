-- A credential may be used as often as its survey lets, unless it was issued for one use. A twin of migrations/postgres/0065_uses.sql.

-- Until now the number repeated what the survey said when it was issued, and nothing looked at it.
UPDATE credential SET uses = 0;
