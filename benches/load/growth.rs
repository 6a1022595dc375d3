//! Fills a database as years of work would: many studies, many subjects, and the rows each leaves. Straight in SQL, because
//! enrolling ten million would take hours; the rows are copies of ones that the daemon itself wrote.

use std::path::Path;

use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

/// Studies `aurora1` to `aurora{studies}` beside the one that is there, `aurora0`, and so many subjects in all.
///
/// The audit entries carry no true digests: enrolling looks at a chain's head alone.
pub(crate) async fn fill(database: &Path, studies: usize, subjects: usize) {
    let url = format!("sqlite://{}", database.display());
    let mut connection = SqliteConnection::connect(&url).await.expect("the database");
    let each = subjects / studies;
    let numbers = |name: &str, count: usize| {
        format!("{name} (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM {name} WHERE n < {count})")
    };
    // Where the seed's own row counts stand, so that the copies come behind them.
    let last = "(SELECT max(id) FROM study)";
    let mut steps = vec![
        "PRAGMA synchronous = OFF".to_owned(),
        "PRAGMA foreign_keys = OFF".to_owned(),
        "PRAGMA cache_size = -20000".to_owned(),
        "BEGIN".to_owned(),
        format!(
            "WITH RECURSIVE {} INSERT INTO study (slug, stage, state, bundle_version, secret, secret_digest, subjects, \
             allocations, chain_length, chain_head, activated_at, changed_at) SELECT 'aurora' || n, stage, state, \
             bundle_version, secret, secret_digest, {each}, {each}, {each} + 1, chain_head, activated_at, changed_at \
             FROM numbers, study WHERE slug = 'aurora0'",
            numbers("numbers", studies)
        ),
        "INSERT INTO bundle SELECT study.id, version, digest, \
         replace(replace(files, 'aurora0', study.slug), 'AURORA0', upper(study.slug)), bundle.activated_at, actor, reason \
         FROM study, bundle WHERE study.slug <> 'aurora0' AND bundle.study_id = (SELECT id FROM study WHERE slug = 'aurora0')"
            .to_owned(),
        "INSERT INTO study_word SELECT slug, id FROM study WHERE slug <> 'aurora0'".to_owned(),
        "INSERT INTO study_word SELECT word, study.id FROM study_word, study WHERE word LIKE '%@%' AND slug <> 'aurora0'"
            .to_owned(),
    ];
    if each > 0 {
        steps.extend(rows(each, &numbers("numbers", each), last));
    }
    steps.extend(["COMMIT".to_owned(), "ANALYZE".to_owned(), "PRAGMA wal_checkpoint(TRUNCATE)".to_owned()]);
    for step in steps {
        sqlx::raw_sql(AssertSqlSafe(step)).execute(&mut connection).await.expect("a statement");
    }
    connection.close().await.expect("closed");
}

/// What each subject of each copied study leaves; its number in the database tells study and number.
fn rows(each: usize, numbers: &str, last: &str) -> Vec<String> {
    let of_seed = "(SELECT id FROM study WHERE slug = 'aurora0')";
    let id = format!("1000 + (study.id - {of_seed} - 1) * {each} + n");
    // References that the load never uses.
    let copy = |table: &str, columns: &str, values: &str, from: &str| {
        format!(
            "WITH RECURSIVE {numbers}, seed AS (SELECT * FROM {from}) INSERT INTO {table} ({columns}) SELECT {values} \
             FROM study CROSS JOIN numbers CROSS JOIN seed WHERE study.slug <> 'aurora0' AND study.id <= {last} \
             ORDER BY study.id, n"
        )
    };
    vec![
        copy(
            "subject",
            "id, study_id, number, reference_key, site, person, enrolled_at, answers, typed, inbox_id, audit_digest",
            &format!(
                "{id}, study.id, n, seed.site || '/old-' || n, seed.site, seed.person, enrolled_at, answers, typed, {id}, \
                 audit_digest"
            ),
            "subject ORDER BY id LIMIT 1",
        ),
        copy(
            "allocation",
            "study_id, number, subject_id, arm, slot, block_size, levels, kit, bundle_version, allocated_at, record",
            &format!(
                "study.id, n, {id}, arm, slot, block_size, levels, kit, seed.bundle_version, allocated_at, record"
            ),
            "allocation ORDER BY number LIMIT 1",
        ),
        copy(
            "audit",
            "study_id, seq, at, actor, action, body, previous, digest",
            "study.id, n, at, actor, action, body, previous, digest",
            "audit WHERE action = 'enroll' LIMIT 1",
        ),
        copy(
            "message",
            "message_key, content_digest, inbox_id, seen_at",
            &format!("'<old.' || study.id || '.' || n || '@example.jp>', content_digest, {id}, seen_at"),
            "message LIMIT 1",
        ),
        copy(
            "inbox",
            "id, mailbox, item_key, raw_digest, size, received_at, state, disposition, reason, tries, decided_at, \
             study_id, subject_id, person, reading, filed_folder, filed_at",
            &format!(
                "{id}, mailbox, 'old.' || study.id || '.' || n, raw_digest, size, received_at, 'done', disposition, reason, \
                 tries, decided_at, study.id, {id}, person, reading, 'Processed', decided_at"
            ),
            "inbox WHERE state = 'done' LIMIT 1",
        ),
        copy(
            "outbox",
            "id, message_id, mailbox, study_id, kind, recipient, priority, state, attempts, next_attempt_at, created_at, \
             sent_at, verdict_code, verdict_text, inbox_id, subject_id",
            &format!(
                "{id}, '<old.' || study.id || '.' || n || '@load.example.jp>', mailbox, study.id, kind, recipient, \
                 priority, 'sent', attempts, next_attempt_at, created_at, sent_at, verdict_code, verdict_text, {id}, {id}"
            ),
            "outbox WHERE state = 'sent' ORDER BY id LIMIT 1",
        ),
    ]
}
