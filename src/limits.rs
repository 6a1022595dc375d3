//! Every limit, named, in one place (promise 9). What exceeds one is refused with a reason.
//!
//! A unit ends a name where there is one. Those of elections, of DNS, of forms, of mailings and of OpenPGP stand in files of their own.

mod dns;
mod elections;
mod forms;
mod mailings;
mod openpgp;

pub use dns::*;
pub use elections::*;
pub use forms::*;
pub use mailings::*;
pub use openpgp::*;

/// Largest mail that is downloaded, in bytes; of a larger one only the headers are kept, and it goes to quarantine.
pub const MAIL_BYTES: usize = 10 * 1024 * 1024;
/// Largest header block that is read, in bytes.
pub const HEADER_BLOCK_BYTES: usize = 64 * 1024;
/// Largest single header field or body line that is read, in bytes.
pub const LINE_BYTES: usize = 32 * 1024;
/// Most header fields of one mail.
pub const HEADER_FIELDS: usize = 500;
/// Most `Received` fields before a mail counts as looping.
pub const HOPS: usize = 50;
/// Deepest nesting of MIME parts.
pub const MIME_DEPTH: usize = 20;
/// Most MIME parts of one mail.
pub const MIME_PARTS: usize = 100;
/// Most decoded text that is read for data, in bytes.
pub const TEXT_BYTES: usize = 1024 * 1024;
/// Most `key: value` lines of one mail.
pub const KEYS: usize = 500;
/// Longest answer, in characters.
pub const ANSWER_CHARS: usize = 20_000;
/// Age of a `Date` header beyond which a mail is held as a replay, in seconds (30 days).
pub const DATE_AGE_SECONDS: i64 = 30 * 24 * 3600;
/// How far ahead of our clock a `Date` header may be, in seconds (2 days).
pub const DATE_AHEAD_SECONDS: i64 = 2 * 24 * 3600;
/// Tries to read one mail before it is set aside as poison.
pub const READ_TRIES: i64 = 3;
/// Most items of one instrument.
pub const ITEMS: usize = 1_000;
/// Most choices of one item.
pub const CHOICES: usize = 500;
/// Most choices of a matrix that stand beside each other; with more, the rows stand one below another, as on a phone.
pub const MATRIX_COLUMNS: usize = 7;
/// Most sites of one study.
pub const SITES: usize = 5_000;
/// Most people of one study.
pub const PEOPLE: usize = 10_000;
/// Stack of a thread, in bytes. A mail's way through the desk needs a third of that where code is not optimized, and a thread takes no
/// more memory than it touches.
pub const WORKER_STACK_BYTES: usize = 8 * 1024 * 1024;
/// Most threads for work that blocks: files, wording of letters, reading ahead.
pub const BLOCKING_THREADS: usize = 2;
/// Most participants of one list.
pub const PARTICIPANTS: usize = 1_000_000;
/// Most addresses that one letter on stopped addresses lists.
pub const STOPPED_ADDRESSES_TOLD: usize = 50;
/// Most participants of one address who get a link each when one asks.
pub const PARTICIPANTS_OF_AN_ADDRESS: usize = 10;
/// Most people of one address among whom somebody without a reference is looked for by name.
pub const PEOPLE_OF_AN_ADDRESS: usize = 1_000;
/// Most people passed over, or of one address, whom a command names on the terminal.
pub const PEOPLE_NAMED: usize = 50;
/// Participants that `hagaki credentials list` reads at once.
pub const ROSTER_ROWS: i64 = 1_000;
/// Participants on one page of the list of who answered.
pub const PARTICIPANTS_SHOWN: i64 = 100;
/// How often a participant who wants to enroll themself may be refused: an honest mistake can be corrected, but nobody finds out by
/// trying which answers let them in.
pub const ENROLLMENT_REFUSALS: i64 = 5;
/// Most participants who get their credentials in one transaction.
pub const CREDENTIAL_BATCH: usize = 500;
/// Most days that a study may ask somebody to wait between two responses.
pub const RESPONSE_INTERVAL_DAYS: u32 = 366;
/// Responses of a survey without names that are opened together at least, where the study does not ask for more.
pub const URN_BATCH: u32 = 10;
/// Smallest number that a study may ask for: of fewer, who answered what can be guessed.
pub const URN_BATCH_LEAST: u32 = 5;
/// Greatest number that a study may ask for: twice as many may wait until the survey closes.
pub const URN_BATCH_MOST: u32 = 500;
/// Most responses opened in one transaction; at least twice [`URN_BATCH_MOST`], so that what is left is a batch, too.
pub const URN_OPENED: usize = 1_000;
/// Least room for the answers of a sealed response, in bytes.
pub const SEALED_BYTES_LEAST: usize = 1_024;
/// Most room for them, in bytes; each response of a survey without names takes the same, so that none is known by its length.
pub const SEALED_BYTES_MOST: usize = 32 * 1_024;
/// Seconds until a letter that no key opens is looked at again.
pub const KEY_WAIT_SECONDS: i64 = 600;
/// Most keys of a key file, those that only open among them.
pub const KEYS_KEPT: usize = 64;
/// Most arms of one scheme.
pub const ARMS: usize = 20;
/// Most further randomizations of one study.
pub const RANDOMIZATIONS: usize = 8;
/// Most factors of one scheme.
pub const FACTORS: usize = 30;
/// Studies whose day's work one step of the calendar does.
pub const CALENDAR_BATCH: i64 = 100;
/// Least seconds between two looks at what is due.
pub const CALENDAR_SECONDS: u64 = 20;
/// Most allocations of one study that are given by hand.
pub const FORCED: u32 = 10_000;
/// Kits that a subject may be given by mail in place of others for one allocation, where a study says nothing else.
pub const KIT_REPLACEMENTS: u32 = 5;
/// The most that a study may say.
pub const KIT_REPLACEMENTS_MOST: u32 = 1_000;
/// Most subjects of one reference: screenings of one person, and duplicates of one that are known.
pub const SUBJECTS_OF_REFERENCE: usize = 100;
/// How often one person may be screened again.
pub const RESCREENINGS: u32 = 9;
/// Cases on one page of a site's list.
pub const CASES_SHOWN: i64 = 50;
/// Most cases that are looked through at once for what is due.
pub const CASES_LOOKED_THROUGH: i64 = 2_000;
/// Most cases, the latest, that the page of cases looks through for what is due; its reader waits for it.
pub const DUE_CASES: i64 = 20_000;
/// Most cases that a weekly report looks through for what is due.
pub const WEEK_CASES: i64 = 100_000;
/// Most weeks of an enrollment that its picture shows.
pub const WEEKS_DRAWN: i64 = 26;
/// Most lines of what is due on one page, or in one letter.
pub const DUE_SHOWN: usize = 100;
/// Most events of one study.
pub const EVENTS: usize = 200;
/// Most days from what an event is counted from to the event, and of its tolerance: a hundred years.
pub const EVENT_DAYS: u32 = 36_525;
/// Most rules of one schedule.
pub const SCHEDULE_RULES: usize = 100;
/// Most days that a letter is moved to find one on which it may go out: a year, so that a holiday without end is found out.
pub const SCHEDULE_SHIFT_DAYS: usize = 366;
/// Most years in which the next time of a cron line is looked for; every eighth year can be without a 29 February.
pub const SCHEDULE_YEARS: u32 = 9;
/// Most letters of one rule to one person, those before the rule began among them.
pub const SCHEDULE_OCCASIONS: u32 = 100_000;
/// A letter that leaves no later than so many seconds after its time is on time (a quarter of an hour).
pub const SCHEDULE_PUNCTUAL_SECONDS: i64 = 15 * 60;
/// Most letters of one rule to one person that a schedule may ask for.
pub const SCHEDULE_TIMES: u32 = 1_000;
/// People or subjects whose letters are planned in one transaction, under the study's lock.
pub const SCHEDULE_PAGE: i64 = 500;
/// Letters of a schedule that are written in one transaction, under the study's lock.
pub const SCHEDULE_LETTERS: i64 = 200;
/// Letters of one rule to one person that are left out in one transaction, such as those of a year in which nothing ran.
pub const SCHEDULE_SKIPS: usize = 1_000;
/// How often a wish for no more letters is tried again at once, where its study was changed in that moment: a mail program asks once.
pub const OPT_OUT_TRIES: u32 = 3;
/// A letter of a schedule that waited in the outbox for longer than so many seconds is looked at once more before it leaves.
pub const SCHEDULE_FRESH_SECONDS: i64 = 60;
/// A letter that cannot be written is tried again after so many seconds (an hour), and too few letters that leave only together.
pub const SCHEDULE_RETRY_SECONDS: i64 = 3600;
/// Most letters of a schedule that a list shows.
pub const SCHEDULE_LISTED: i64 = 10_000;
/// Most hours from what a letter is counted from, and from one letter to the next: a month.
pub const SCHEDULE_HOURS: u32 = 31 * 24;
/// Score at which an address gets no more invitations and reminders, in tenths: three failures for good. Mailman stops at five; its lists
/// send daily.
pub const BOUNCE_LIMIT_TENTHS: u32 = 30;
/// A score is forgotten after so many days without a failure. Mailman forgets after seven; letters of a study come by weeks and months.
pub const BOUNCE_STALE_DAYS: i64 = 90;
/// Most days ahead that an automatic answer is believed to tell the end of an absence.
pub const ABSENCE_DAYS: i64 = 60;
/// Most calendars of holidays of one schedule.
pub const HOLIDAY_FILES: usize = 20;
/// Most holidays of one calendar, repeated ones counted each time.
pub const HOLIDAYS: usize = 10_000;
/// Year to the end of which a holiday that comes each year is written out.
pub const HOLIDAY_LAST_YEAR: i32 = 2100;
/// Most days to avoid that a schedule lists, each from a first to a last day.
pub const AVOIDED: usize = 100;
/// Most days of one rehearsal of a schedule.
pub const REHEARSED_DAYS: u32 = 1_100;
/// Most invented people of one rehearsal of a schedule.
pub const REHEARSED_PEOPLE: u32 = 100_000;
/// Most letters that one rehearsal of a schedule tells.
pub const REHEARSED_LETTERS: usize = 5_000_000;
/// Most cohorts of one study.
pub const COHORTS: usize = 50;
/// Greatest epoch of a scheme.
pub const EPOCHS: u64 = 1_000;
/// Longest reason for a scheme that leaves nothing to chance, in characters.
pub const DETERMINISTIC_REASON_CHARS: usize = 500;
/// Greatest ratio or integer weight in a scheme.
pub const RATIO: u64 = 1_000;
/// Most kits of one study.
pub const KITS: usize = 1_000_000;
/// Most kits that one act names.
pub const KIT_CODES: usize = 10_000;
/// Longest time a kit can be demanded to be good for when it is given, in days.
pub const KIT_MINIMUM_DAYS: u32 = 3_650;
/// Greatest number of kits of an arm below which a shortage is told.
pub const KIT_THRESHOLD: u32 = 1_000;
/// Most lots that a letter on a shortage lists for an arm.
pub const KIT_LOTS: i64 = 20;
/// Largest file of a bundle, in bytes.
pub const BUNDLE_FILE_BYTES: usize = 64 * 1024 * 1024;
/// How long a file waits for the form it came with to be sent, in days; then it is deleted.
pub const FILE_WAITING_DAYS: u64 = 30;
/// Most bytes of a study's files that wait for their forms to be sent (2 GB).
pub const FILES_WAITING_BYTES: i64 = 2_000_000_000;
/// Most files of one person, for one form, that wait for the form to be sent.
pub const FILES_WAITING_OWNER: i64 = 100;
/// Most bytes of them (300 MB): what the largest form asks for, and some of it chosen anew.
pub const FILES_WAITING_OWNER_BYTES: i64 = 300_000_000;
/// Most files that are deleted in one step of the calendar.
pub const FILES_SWEPT: i64 = 200;
/// Most items of one instrument that ask for a file.
pub const FILE_ITEMS: usize = 10;
/// Patience for a bucket to be reached, and for it to say something, in seconds.
pub const BUCKET_SECONDS: u64 = 20;
/// Tries to sign in with one login that may fail before anybody has to wait.
pub const SIGN_IN_FREE_TRIES: u32 = 5;
/// Tries to sign in from one place that may fail before anybody there has to wait: a ward may share an address.
pub const SIGN_IN_FREE_TRIES_ORIGIN: u32 = 50;
/// Accounts whose owners signed in before that one browser is known for: a ward may share a computer.
pub const BROWSER_ACCOUNTS: usize = 12;
/// How long a browser is known, in seconds (180 days from the last time that somebody signed in there).
pub const BROWSER_KNOWN_SECONDS: i64 = 180 * 24 * 3600;
/// First wait after too many failures, in seconds; each further one doubles it.
pub const SIGN_IN_WAIT_SECONDS: i64 = 30;
/// Longest wait after failures, in seconds (10 minutes).
pub const SIGN_IN_WAIT_MOST_SECONDS: i64 = 600;
/// Time without a failure after which those before are forgotten, in seconds (1 hour).
pub const SIGN_IN_QUIET_SECONDS: i64 = 3600;
/// Time after which a session that is not used ends, in seconds (30 minutes).
pub const SESSION_IDLE_SECONDS: i64 = 30 * 60;
/// Time after which a session ends in any case, in seconds (12 hours).
pub const SESSION_SECONDS: i64 = 12 * 3600;
/// Fewest characters of a password that people choose, where nothing else is asked for (NIST SP 800-63B-4 section 3.1.1.2).
pub const PASSWORD_CHARS_LEAST: usize = 15;
/// Most characters of such a password.
pub const PASSWORD_CHARS_MOST: usize = 200;
/// Fewest characters of it that are its own: beside common words, the own address, and what follows from the character before.
pub const PASSWORD_CHARS_OWN: usize = 7;
/// Memory that hashing a password takes, in KiB (argon2id; OWASP Password Storage Cheat Sheet).
pub const PASSWORD_MEMORY_KIB: u32 = 19_456;
/// What is allocated in pieces larger than that goes back to the system when it is freed (glibc's `DEFAULT_MMAP_THRESHOLD_MAX`).
pub const PASSWORD_ROOM_BYTES: usize = 32 * 1024 * 1024;
/// Passes over that memory.
pub const PASSWORD_PASSES: u32 = 2;
/// Lanes of that memory.
pub const PASSWORD_LANES: u32 = 1;
/// Passwords hashed at the same time; further ones wait.
pub const PASSWORDS_AT_ONCE: usize = 1;
/// How long a link is good by which a password is chosen, in seconds (2 hours).
pub const ACCOUNT_LINK_SECONDS: i64 = 2 * 3600;
/// Letters with such a link that an address gets in a quiet time; then one an hour.
pub const ACCOUNT_LETTERS_FREE: u32 = 3;
/// Wait for the next letter after those, in seconds (1 hour).
pub const ACCOUNT_LETTER_WAIT_SECONDS: i64 = 3600;
/// Recovery codes that stand in for a lost authenticator, each once.
pub const RECOVERY_CODES: usize = 10;
/// Time in which the second factor is given after the password, in seconds (10 minutes).
pub const SECOND_FACTOR_SECONDS: i64 = 600;
/// How long a proof of who somebody is holds for changing how they sign in, in seconds (10 minutes).
pub const PROOF_SECONDS: i64 = 600;
/// Minutes for which a proof holds before case data, where a study demands one and does not say for how long.
pub const STEP_UP_MINUTES: u32 = 30;
/// Most minutes that a study may say.
pub const STEP_UP_MINUTES_MOST: u32 = 720;
/// Time in which an identity provider answers, in seconds.
pub const PROVIDER_SECONDS: u64 = 10;
/// Largest answer of an identity provider, in bytes.
pub const PROVIDER_ANSWER_BYTES: usize = 256 * 1024;
/// How long what an identity provider told of itself is believed, in seconds (1 hour).
pub const PROVIDER_KNOWN_SECONDS: i64 = 3600;
/// Time in which somebody comes back from an identity provider, in seconds (10 minutes).
pub const PROVIDER_FLOW_SECONDS: i64 = 600;
/// Acts about an account that its page shows.
pub const ACCOUNT_ACTS_ON_PAGE: i64 = 10;
/// Acts about an account that are shown to an operator.
pub const ACCOUNT_ACTS_SHOWN: i64 = 50;
/// By how much clocks of one installation may differ, in seconds.
pub const CLOCK_SLACK_SECONDS: i64 = 60;
/// Bytes of what a provider calls a person (OpenID Connect Core 1.0 section 2).
pub const PROVIDER_SUBJECT_BYTES: usize = 255;
/// Time for which a provider that did not answer is not asked again, in seconds.
pub const PROVIDER_REST_SECONDS: i64 = 10;
/// Bytes of the address of a page to which signing in leads.
pub const GOAL_BYTES: usize = 200;
/// Most studies that the page of an account shows.
pub const STUDIES_OF_AN_ACCOUNT: usize = 50;
/// Most checks of one instrument.
pub const CHECKS: usize = 200;
/// Most forms that somebody of the staff may have begun and not sent in one study.
pub const BEGUN_FORMS: i64 = 100;
/// Days for which a form that was begun is kept.
pub const BEGUN_FORM_DAYS: i64 = 90;
/// Most fields of a posted form that are looked at.
pub const FORM_FIELDS: usize = 5_000;
/// Longest time a page may take, in seconds.
pub const PAGE_SECONDS: u64 = 20;
/// Patience for the head of a request, and for the next one on a connection, in seconds.
pub const HEADER_SECONDS: u64 = 15;
/// Longest life of a browser's connection, in seconds (5 minutes); what is asked then is still answered.
pub const CONNECTION_SECONDS: u64 = 5 * 60;
/// Most connections of browsers at the same time; others wait.
pub const WEB_CONNECTIONS: usize = 1_024;
/// Between two tries to take a connection after one that failed, in milliseconds.
pub const ACCEPT_PAUSE_MILLISECONDS: u64 = 200;
/// Age of a loop's last step beyond which the daemon says that it is not ready, in seconds.
pub const PULSE_SECONDS: i64 = 900;
/// Most mails the demonstration's post office shows.
pub const POST_OFFICE_MAILS: i64 = 60;
/// Longest text of a mail written in the post office, in characters; percent-encoded it fits [`FORM_BYTES`].
pub const POST_OFFICE_CHARS: usize = 20_000;
/// Longest subject of a mail written in the post office, in characters.
pub const POST_OFFICE_SUBJECT_CHARS: usize = 300;
/// Interval of looking into the demonstration's folder `drop` and at what came of its mails, in milliseconds.
pub const DEMO_POLL_MILLISECONDS: u64 = 200;
/// How long the post office waits for an answer before it shows the page, in milliseconds.
pub const POST_OFFICE_PATIENCE_MS: u64 = 3_000;
/// Time that steps and pages under way have to finish after the daemon was told to stop, in seconds; below the 90 that
/// systemd waits before it kills.
pub const STOP_SECONDS: u64 = 5;
/// Longest pause of a loop after failed steps, in seconds.
pub const STEP_PAUSE_SECONDS: u64 = 60;
/// Most bytes of mails that one fetch from a mailbox brings, so that a step stays small in memory.
pub const FETCH_BYTES: u64 = 16 * 1024 * 1024;
/// Most mails moved by one IMAP command; one move at a time costs half a second each in a full Maildir.
pub const MOVE_BATCH: usize = 1_000;
/// Most names taken from one listing of a Maildir; the rest come with the next listing.
pub const LISTING_NAMES: usize = 100_000;
/// Patience for reaching a mail server: name look-up, TCP, TLS, greeting; in seconds.
pub const CONNECT_SECONDS: u64 = 30;
/// Patience for the answer to one IMAP command, in seconds.
pub const IMAP_COMMAND_SECONDS: u64 = 120;
/// Longest IDLE before it is issued again (RFC 2177 says 29 minutes; NAT boxes forget sooner), in seconds (9 minutes).
pub const IDLE_SECONDS: u64 = 9 * 60;
/// Interval of looking into a mailbox whose server has no IDLE, in seconds.
pub const IMAP_POLL_SECONDS: u64 = 20;
/// Interval of looking at a Maildir's folders, in milliseconds.
pub const MAILDIR_POLL_MILLISECONDS: u64 = 50;
/// Age at which an unused SMTP connection is closed, below the idle time-out of common servers, in seconds.
pub const SMTP_IDLE_SECONDS: u64 = 20;
/// Refusals on one SMTP connection before it is replaced; servers slow down after ten and hang up after twenty.
pub const SMTP_REFUSALS: u32 = 5;
/// Longest reply of an SMTP server that is read or kept, in bytes.
pub const SMTP_REPLY_BYTES: usize = 4096;
/// Age after which a letter is no longer tried, in seconds (4 days).
pub const LETTER_AGE_SECONDS: i64 = 4 * 24 * 3600;
/// Largest hagaki.toml or mailbox.toml, in bytes.
pub const SETTINGS_FILE_BYTES: u64 = 1024 * 1024;
/// Largest file that holds a password, in bytes.
pub const SECRET_FILE_BYTES: u64 = 4096;
/// Most mailboxes of one daemon.
pub const MAILBOXES: usize = 1_000;
/// Connections that an SMTP server is used by at least where it carries mailings: one of them is for what somebody waits for.
pub const SMTP_CONNECTIONS_LEAST: usize = 2;
/// Most connections to one SMTP server.
pub const SMTP_CONNECTIONS: i64 = 64;
/// Most mails taken from a mailbox in one step.
pub const INTAKE_BATCH: usize = 160;
/// Most studies kept ready in memory; of more, those that no mail asked for longest are loaded again when one does.
pub const SHELVED_STUDIES: usize = 64;
/// Most studies of one name that a mail is read against; names of studies are unique, tags should be.
pub const STUDIES_OF_A_NAME: usize = 8;
/// Most mails read and decided in one transaction.
pub const DESK_BATCH: i64 = 64;
/// Most rows that a transaction puts aside to write them together.
pub const GATHERED_ROWS: usize = 1_024;
/// Most numbers of subjects asked for ahead in one transaction; what is not used of them leaves a gap on PostgreSQL.
pub const NUMBERS_AHEAD: i64 = 64;
/// Most letters that are written into a folder together and share the waiting for the disk.
pub const FOLDER_BATCH: usize = 64;
/// Most files of them that are waited for at the same time.
pub const FOLDER_SYNCS: usize = 8;
/// Most letters claimed by one dispatch step.
pub const DISPATCH_BATCH: i64 = 512;
/// Most verdicts recorded in one transaction, and most that wait for that; with the letters under way, this is what a
/// crash can at most cause to be sent twice.
pub const VERDICT_BATCH: usize = 64;
/// Pause until it is tried again to record that letters left, in milliseconds.
pub const RECORD_PAUSE_MILLISECONDS: u64 = 500;
/// Most characters kept of what a mail server said.
pub const VERDICT_CHARS: usize = 500;
/// Largest letter template of a study's own, in bytes.
pub const LETTER_TEMPLATE_BYTES: usize = 64 * 1024;
/// Longest `mailto:` link in a letter, in characters; the widespread mail programs cut longer ones.
pub const MAILTO_CHARS: usize = 1_800;
/// Most choices named in a letter's sentence; of more, the first are named and "and others" is said.
pub const CHOICES_NAMED: usize = 20;
/// Most lines of a file that a note about all of them names.
pub const LINES_NAMED: usize = 10;
/// Most names of items of one form that a letter lists.
pub const ITEMS_NAMED: usize = 100;
/// Most characters of a foreign value that a letter repeats outside of the filled-in form.
pub const REPEATED_CHARS: usize = 200;
/// Most faults and unknown keys that a letter lists.
pub const FAULTS_LISTED: usize = 100;
/// Most changes that a letter on an amendment lists.
pub const CHANGES_LISTED: usize = 60;
/// Most message identifiers in `References` of our letters (RFC 5322 section 3.6.4 sets no limit).
pub const REFERENCES: usize = 20;
/// Longest message identifier that is taken over from a foreign mail, in characters.
pub const MESSAGE_ID_CHARS: usize = 250;
/// Longest header value we write, in characters.
pub const HEADER_VALUE_CHARS: usize = 500;
/// Longest address, in bytes (RFC 5321 section 4.5.3.1.3).
pub const ADDRESS_BYTES: usize = 254;
/// Most answers, assignments aside, that one sender gets in an hour; then a person looks.
pub const ANSWERS_PER_HOUR: i64 = 30;
/// Most answers, assignments aside, that one sender gets in a day.
pub const ANSWERS_PER_DAY: i64 = 100;
/// So many more in an hour, and twice that in a day, where a patient may wait for the answer: an arm is to be told, another kit to be
/// had, or one of our questions was answered.
pub const URGENT_ANSWERS_PER_HOUR: i64 = 30;
/// Most notices of held mails that one coordinator gets in an hour.
pub const HOLD_NOTICES_PER_HOUR: i64 = 6;
/// How long a one-time reply token is good, in seconds (3 days).
pub const CONFIRM_SECONDS: i64 = 3 * 24 * 3600;
/// Most kits that one mail names: all of them stand in the letter that asks for confirmation.
pub const DEED_KITS: usize = 100;
/// Longest name of a subject in a request about it, in characters.
pub const DEED_SUBJECT_CHARS: usize = 100;
/// Most characters kept of the reason of a request about a subject; the mail itself keeps all of it.
pub const DEED_REASON_CHARS: usize = 1_000;
/// Longest text that is tried as a day or a time, in characters.
pub const DAY_CHARS: usize = 64;
/// Longest expression of a bundle, in characters.
pub const EXPRESSION_CHARS: usize = 2_000;
/// Most operators of an expression: signs of `! - + * / % < > = & | ? : .` and words `in`. The parser recurses over them.
pub const EXPRESSION_SIGNS: usize = 200;
/// Deepest nesting of brackets in an expression; a call's counts as two, `[` and `{` as three.
pub const EXPRESSION_DEPTH: usize = 9;
/// Deepest tree of an expression; `&&` and `||` are balanced and hardly count. Evaluation recurses over it, and must fit the
/// 2 MB stack of a thread even in a debug build.
pub const EXPRESSION_TREE: usize = 40;
/// Longest numerator or denominator of a decimal while an expression is computed, in bits.
pub const EXPRESSION_BITS: u64 = 4_096;
/// Longest regular expression of a bundle, in characters.
pub const PATTERN_CHARS: usize = 500;
/// Most memory of one compiled regular expression, in bytes.
pub const PATTERN_BYTES: usize = 1024 * 1024;
/// Most digits of a typed number.
pub const NUMBER_DIGITS: usize = 30;
/// Most digits behind the point of a decimal item.
pub const DECIMAL_PLACES: i64 = 10;
/// Most files of a bundle.
pub const BUNDLE_FILES: usize = 2_000;
/// Largest bundle, all files together, in bytes.
pub const BUNDLE_BYTES: usize = 128 * 1024 * 1024;
/// Largest TOML file or letter of a bundle, in bytes; only the kit list may reach [`BUNDLE_FILE_BYTES`].
pub const BUNDLE_TEXT_BYTES: usize = 4 * 1024 * 1024;
/// Deepest folder inside a bundle.
pub const BUNDLE_DEPTH: usize = 5;
/// Longest wording of a label, name, message or help text in a bundle, in characters.
pub const WORDING_CHARS: usize = 2_000;
/// Most problems of one bundle that are listed.
pub const PROBLEMS: usize = 500;
/// Most choices that a fault lists as its expected codes.
pub const EXPECTED_CODES: usize = 30;
/// Greatest sum of the ratios of a scheme that minimizes over ratio-many dummy arms.
pub const DUMMY_ARMS: u64 = 100;
/// Most arms of a scheme with unequal ratios that ranks them (orders of equal arms are enumerated).
pub const RANKED_ARMS: usize = 10;
/// Greatest size of a block, in subjects.
pub const BLOCK: u64 = 10_000;
/// Most sizes of blocks of one scheme.
pub const BLOCK_SIZES: usize = 20;
/// Longest sequence of the maximal procedure, in subjects.
pub const MAXIMAL_SUBJECTS: u64 = 2_000;
/// Greatest product of a maximal procedure's length and limit: half as many path counts, each of at most as many bits as the
/// sequence is long, are kept in memory (some megabytes).
pub const MAXIMAL_CELLS: u64 = 40_000;
/// Most columns of Atkinson's matrix: one, and one for each level. Elimination takes their third power.
pub const ATKINSON_COLUMNS: usize = 60;
/// Most places of an imported list of arms.
pub const LIST_PLACES: usize = 200_000;
/// Places by which an imported list is known again, where its sequence has as many: another of two arms in blocks of 4 agrees in them once
/// in 46,656.
pub const LIST_KNOWN_BY: usize = 24;
/// Fewest places of a list for which production refuses one that a rehearsal used: another of two arms in blocks of 4 agrees in 8 once in
/// 36, in 4 once in 6, and a list has many strata.
pub const LIST_REHEARSED: usize = 8;
/// Most levels a factor lists.
pub const LEVELS: usize = 5_000;
/// Longest code of an arm, id of a factor or name of a level, in characters.
pub const NAME_CHARS: usize = 200;
/// Longest text that is read as an exact number, in characters.
pub const NUMBER_CHARS: usize = 64;
/// Greatest decimal exponent of an exact number, either way.
pub const EXPONENT: i64 = 100;
/// Most subjects of one simulated trial.
pub const SIMULATED_SUBJECTS: u64 = 100_000;
/// Most trials of one simulation.
pub const SIMULATED_TRIALS: u64 = 1_000_000;
/// Most allocations of one simulation, all trials and schemes together: some hours on one core.
pub const SIMULATED_ALLOCATIONS: u64 = 10_000_000_000;
/// Most schemes compared by one simulation.
pub const SIMULATED_SCHEMES: usize = 12;
/// Most combinations of levels that a simulation tries a further allocation's condition on.
pub const SIMULATED_COMBINATIONS: usize = 100_000;
/// Most factors of a simulated population.
pub const POPULATION_FACTORS: usize = 60;
/// Most rows of a CSV that a simulation resamples or a rehearsal walks through.
pub const COVARIATE_ROWS: usize = 1_000_000;
/// Largest CSV of covariates, in bytes.
pub const COVARIATE_BYTES: u64 = 256 * 1024 * 1024;
/// Longest seed of a simulation or a rehearsal, in characters.
pub const SEED_CHARS: usize = 200;
/// Steps at which a simulation keeps the distribution of the imbalance, about.
pub const SIMULATED_MOMENTS: u64 = 100;
/// Parts that the trials of a simulation are cut into; the same for any number of cores, so that sums are too.
pub const SIMULATED_PARTS: u64 = 256;
/// Most cores a simulation uses.
pub const SIMULATION_CORES: usize = 256;
/// Most states of a block that are gone through to say how well it can be guessed.
pub const BLOCK_STATES: u64 = 20_000;
/// An arm is as good as certain where so much is left of the chance that the arms' ratio alone leaves, in percent.
pub const CHANCE_LEFT_PERCENT: u64 = 10;
/// Subjects that a design is tried on by `hagaki check` where neither plan nor cap tells how many there will be.
pub const DESIGN_SUBJECTS: u64 = 100;
/// Fewest planned subjects for which a design is tried.
pub const DESIGN_SUBJECTS_LEAST: u64 = 20;
/// Most subjects that a design is tried on.
pub const DESIGN_SUBJECTS_MOST: u64 = 1_000;
/// Allocations of all trials of a design together, about: some hundredths of a second of a release.
pub const DESIGN_ALLOCATIONS: u64 = 20_000;
/// Fewest trials of a design.
pub const DESIGN_TRIALS_LEAST: u64 = 40;
/// A design whose laws are taken to many decimal places gets so much fewer trials.
pub const DESIGN_SLOWER: u64 = 10;
/// Largest part that may be guessed right of what chance leaves to somebody who knows the arms' ratio alone, in percent.
pub const DESIGN_GUESSED_PERCENT: u64 = 80;
/// Largest share of allocations that may be as good as certain, in percent.
pub const DESIGN_CERTAIN_PERCENT: u64 = 40;
/// A design whose arms end at least so far apart balances nothing, in percent of what simple randomization leaves.
pub const DESIGN_APART_PERCENT: u64 = 90;
/// Random blocks of which so many have one size are as good as fixed, in percent.
pub const DESIGN_SIZE_PERCENT: u64 = 90;
/// Fewest subjects that an arm must lack for an amendment to foretell how long it is favored.
pub const CATCH_UP_LEAST: u64 = 4;
/// Most subjects for which it is foretold that an arm is favored.
pub const CATCH_UP_SUBJECTS: u64 = 400;
/// Allocations of all trials of one arm that catches up, about: some tenths of a second, for the study waits meanwhile.
pub const CATCH_UP_ALLOCATIONS: u64 = 2_000;
/// Longest history that `allocation explain` reads, in subjects.
pub const HISTORY_ROWS: usize = 1_000_000;
/// Replicates of one re-randomization.
pub const RERANDOMIZATIONS: u64 = 10_000_000;
/// Replicates that each core works out before they are written.
pub const RERANDOMIZATION_BATCH: u64 = 64;
/// Most characters of a mail's text that are kept readable beside its bytes.
pub const SUMMARY_CHARS: usize = 8_000;
/// Connections to PostgreSQL that one daemon opens.
pub const POSTGRES_CONNECTIONS: u32 = 16;
/// Connections to SQLite that only read.
pub const SQLITE_READERS: usize = 3;
/// Pages of SQLite's log before they are put into the database itself, by the transaction that reaches them, with the write lock held: four
/// times SQLite's own 1,000, since what is written again and again is put there once. 16 MB of disk.
pub const SQLITE_LOG_PAGES: u32 = 4_000;
/// Statements each connection keeps prepared.
pub const PREPARED_STATEMENTS: usize = 500;
/// Longest wait for a database server to accept or give a connection, in seconds.
pub const DATABASE_CONNECT_SECONDS: u64 = 10;
/// Longest wait for another transaction's lock, in seconds.
pub const LOCK_WAIT_SECONDS: u64 = 30;
/// How often an SQLite file is tried to be opened while another process makes or changes it.
pub const OPENING_TRIES: u32 = 20;
/// Between two of those tries, in milliseconds.
pub const OPENING_PAUSE_MILLISECONDS: u64 = 100;
/// Longest wait for the answer to one statement before the server counts as gone, in seconds.
pub const STATEMENT_SECONDS: u64 = 120;
/// Rows of a sheet in Excel (Microsoft, "Excel specifications and limits"); what does not fit goes on the next.
pub const SHEET_ROWS: u32 = 1_048_576;
/// Characters of a cell in Excel.
pub const SHEET_CELL_CHARS: usize = 32_767;
/// Characters of a sheet's name in Excel.
pub const SHEET_NAME_CHARS: usize = 31;
/// Rows read at a time where all rows of a table are gone through.
pub const PAGE_ROWS: i64 = 10_000;
/// Rows read at a time while they are compared with the audit chain: three tables at once, each a page ahead.
pub const PROOF_PAGE_ROWS: i64 = 2_000;
/// Rows that an export reads at once: a form may be as large as [`ANSWERS_BYTES`], and what is read is held.
pub const EXPORT_ROWS: i64 = 200;
/// Pages of allocations that wait to be decided again.
pub const REPLAY_PAGES_AHEAD: usize = 4;
/// Most pairs of lines of two versions of a file that are compared to tell how many lines an amendment changes or moves; in longer files
/// moved lines are not counted.
pub const LINE_PAIRS: usize = 16_000_000;
/// Most rows a `list` command prints.
pub const LISTED: i64 = 200;
/// Free disk space below which `hagaki doctor` warns, in bytes.
pub const DISK_FREE_BYTES: u64 = 500_000_000;
/// How long `hagaki doctor` waits for its letter to itself, in seconds.
pub const PROBE_SECONDS: u64 = 60;
