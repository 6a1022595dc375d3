//! Limits of mailings: how many letters are under way, and how fast they may be made to leave.

/// Fewest letters claimed by one dispatch step, however slow the server, and fewest of a mailing claimed in a study's turn.
pub const DISPATCH_BATCH_LEAST: i64 = 16;
/// Seconds after which no further letter is begun in one dispatch step: what is more urgent is looked for then.
pub const DISPATCH_STEP_SECONDS: i64 = 2;
/// Seconds (16 minutes) for which a letter waits over which a server had something against our address: longer than a server is left alone
/// at most, so that others go before it and show whether the address is refused with them too.
pub const DISOWNED_WAIT_SECONDS: i64 = 16 * 60;
/// So many times running it has something against our address over one letter, while it takes others, before that letter fails.
pub const DISOWNED_TRIES: u32 = 3;
/// Greatest bound of letters a minute.
pub const THROTTLE_MOST: i64 = 1_000_000;
/// Seconds of what a bound lets pass that may leave at once, so that letters need not be looked for each on its own.
pub const THROTTLE_BURST_SECONDS: i64 = 5;
/// Seconds until a loop looks again while letters wait for their bound; less than [`THROTTLE_BURST_SECONDS`], so that no time is lost.
pub const THROTTLE_NAP_SECONDS: i64 = 4;
/// Of so many letters that a bound lets pass, mailings leave one to letters that somebody waits for.
pub const THROTTLE_KEPT_OF: i64 = 10;
/// Seconds (an hour) after which a letter that waits for the bound of its domain is looked at again at the latest: by then the bound may
/// be another.
pub const THROTTLE_LOOK_SECONDS: i64 = 3600;
/// Letters a minute of mailings to a domain that has just said that they come too fast.
pub const SLOWED_DOMAIN_PER_MINUTE: u32 = 60;
/// Letters a minute of mailings in all once the server that takes them has said so.
pub const SLOWED_SERVER_PER_MINUTE: u32 = 600;
/// Fewest letters a minute that they are slowed to.
pub const SLOWED_LEAST_PER_MINUTE: u32 = 2;
/// Letters a minute at which a bound that has eased is over.
pub const SLOWED_OVER_PER_MINUTE: u32 = 5_000;
/// Letters to a domain that are put off one behind the other, without a reason that tells more, before that counts as too fast.
pub const SLOWED_AFTER: u32 = 5;
/// Seconds between two steps down.
pub const SLOWED_STEP_SECONDS: i64 = 60;
/// Seconds (ten minutes) without a further reason after which twice as many letters leave.
pub const SLOWED_EASE_SECONDS: i64 = 600;
/// Domains whose pace is remembered at most.
pub const SLOWED_PLACES: usize = 1_000;
/// Letters of a mailing that are held, let go or stopped in one transaction.
pub const MAILING_PAGE: i64 = 1_000;
