-- The few entries of a chain that tell of a study's files, found without reading the chain. A twin of migrations/postgres/0021_chain_versions.sql.

CREATE INDEX audit_version ON audit (study_id, seq) WHERE action IN ('activate', 'amend', 'purge', 'plan-amendment');
