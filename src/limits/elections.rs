//! Limits of elections: of their rules, of ballots, and of archives.

/// Most contests of one election.
pub const CONTESTS: usize = 100;
/// Most districts of one election.
pub const DISTRICTS: usize = 500;
/// Most classes of voters of one election.
pub const VOTER_CLASSES: usize = 20;
/// Greatest weight of a vote.
pub const VOTE_WEIGHT: u32 = 1_000;
/// Most candidates of one contest.
pub const CANDIDATES: usize = 1_000;
/// Most candidates of one contest that voters put in order: each is compared with each other.
pub const RANKED_CANDIDATES: usize = 200;
/// Most seats of one contest.
pub const SEATS: u32 = 1_000;
/// Most seats of one count by transfer: the fractions of votes are exact, and as long as this many surpluses make them.
pub const TRANSFER_SEATS: u32 = 10;
/// Most names on one ballot that stand not among the candidates.
pub const WRITE_INS: u32 = 100;
/// Longest name that is written in, in characters.
pub const WRITE_IN_CHARS: usize = 100;
/// Longest public seed of lots, in characters.
pub const LOT_SEED_CHARS: usize = 500;
/// Most days after an election until roll and ballots are deleted: thirty years.
pub const ELECTION_KEPT_DAYS: u32 = 10_958;
/// Days for which a result stands before roll and receipts are deleted, however late it was certified: its letters leave, and are read.
pub const RESULT_READ_DAYS: u32 = 7;
/// Most lines of a file of ballots.
pub const BALLOT_LINES: usize = 1_000_000;
/// Most ballots that one line of it stands for, and most voters of one number of a roll.
pub const VOTERS: u64 = 1_000_000_000;
/// Longest member number on a roll, in characters.
pub const MEMBER_NUMBER_CHARS: usize = 50;
/// Most voters on the roll of an election that is held here.
pub const ROLL: usize = 1_000_000;
/// Fewest ballots of a district of which is told how many there were for whom, where the rules say nothing else.
pub const LEAST_BALLOTS: u32 = 5;
/// Most days on which whoever has not voted is reminded.
pub const ELECTION_REMINDERS: usize = 10;
/// Letters to voters that are written in one transaction, under the study's lock.
pub const VOTER_LETTERS: i64 = 200;
/// Pages of a round over the roll that one step of the calendar does for a study.
pub const ROUND_PAGES: usize = 10;
/// Rows of a kind that one step of a deletion takes away.
pub const DELETION_ROWS: i64 = 500;
/// Voters of a roll that are read at once.
pub const ROLL_ROWS: i64 = 1_000;
/// Hours within which a second person confirms a step of an election.
pub const ELECTION_STEP_HOURS: i64 = 72;
/// Largest file of ballots, rules or facts that is counted, in bytes.
pub const BALLOT_FILE_BYTES: u64 = 100 * 1024 * 1024;
/// Largest record of an election's archive, in bytes: the list of 100,000 credentials.
pub const BEL_RECORD_BYTES: usize = 64 * 1024 * 1024;
/// Largest ballot of an election's archive, in bytes; one of fifty candidates has 110 kB.
pub const BEL_BALLOT_BYTES: usize = 1024 * 1024;
/// Most values in one record of an election's archive.
pub const BEL_VALUES: usize = 1_000_000;
/// Most records of an election's archive that wait for the event that speaks of them.
pub const BEL_DATA_WAITING: usize = 8;
/// Most problems of an election's archive that are told one by one.
pub const BEL_PROBLEMS: usize = 100;
/// Most answers of one question whose ballots are added up while they are encrypted.
pub const BEL_ANSWERS: usize = 1_000;
/// Most candidates of one contest that is added up while it is encrypted: with fifty, a phone takes seconds for a ballot of 110 kB.
pub const BEL_CANDIDATES: usize = 50;
/// Voters from which on a weight, which is public, hides who has it.
pub const BEL_WEIGHT_SHARED: usize = 5;
/// Largest file of those who hold an election that everybody can check, other than the archive, in bytes: the credentials of 100,000.
pub const BEL_FILE_BYTES: u64 = 64 * 1024 * 1024;
/// Largest weight of all voters of an election's archive together.
pub const BEL_WEIGHT: u64 = 1_000_000_000_000;
/// Largest picture of a candidate, in bytes.
pub const PICTURE_BYTES: usize = 500_000;
/// Most points of a candidate's picture, across and down.
pub const PICTURE_POINTS: u32 = 2_000;
/// Largest pictures of one election together, in bytes: they are kept in memory.
pub const PICTURES_BYTES: usize = 16_000_000;
/// Seconds for which a browser keeps a candidate's picture.
pub const PICTURE_KEPT_SECONDS: u64 = 86_400;
/// Largest outcome of a count that is put on record, in bytes.
pub const OUTCOME_BYTES: usize = 16 * 1024 * 1024;
/// Most characters that a voter may write where a place is asked for.
pub const PLACE_CHARS: usize = 10;
/// Most elections that somebody with an account is shown.
pub const ELECTIONS_OF_AN_ACCOUNT: i64 = 50;
