//! The rules of a contest in words, each a sentence of its own.

use super::PAGES;
use crate::domain::election::contest::{Quoted, Share};
use crate::domain::election::{
    Bound, Contest, Election, Least, Method, Naming, Over, Ranking, Reach, Reelected, Repeated, RunnerUp, Seats,
    StvQuota, Style, TieRule, Uncontested, Under,
};
use crate::domain::language::Language;
use crate::domain::number;

/// A language's words.
struct Words(Language);

impl Words {
    fn word(&self, key: &str, fill: &[(&str, &str)]) -> String {
        PAGES.word(self.0, key, fill)
    }

    fn list(&self, parts: &[String]) -> String {
        parts.join(&self.word("list_comma", &[]))
    }

    /// `at least 1/3 of the voters on the roll`.
    fn share(&self, share: &Share) -> String {
        let of = self.word(&format!("of_{}", share.of.key()), &[]);
        let key = match share.bound {
            Bound::AtLeast => "share_at_least",
            Bound::MoreThan => "share_more_than",
        };
        self.word(key, &[("share", &number::show(&share.share)), ("of", &of)])
    }
}

/// The rules of a contest.
pub(super) fn of(election: &Election, contest: &Contest, language: Language) -> Vec<String> {
    let words = Words(language);
    let mut rules = vec![seats(election, contest, &words)];
    if matches!(contest.seats, Seats::ByDistrict(_)) {
        rules.push(words.word(if contest.reach == Reach::All { "rule_all" } else { "rule_own" }, &[]));
    }
    method(contest, &words, &mut rules);
    rules.push(words.word(if contest.blank { "rule_blank" } else { "rule_blank_not" }, &[]));
    if contest.write_in > 0 {
        rules.push(words.word("rule_write_in", &[("most", &contest.write_in.to_string())]));
    }
    if let Some(quorum) = &contest.quorum {
        let key = if quorum.valid_only { "rule_quorum_valid" } else { "rule_quorum" };
        rules.push(words.word(key, &[("share", &words.share(&quorum.share))]));
    }
    rules.extend(contest.least.iter().map(|least| match least {
        Least::Votes(votes) => words.word("rule_least_votes", &[("least", &votes.to_string())]),
        Least::Share(share) => words.word("rule_least_share", &[("share", &words.share(share))]),
    }));
    rules.extend(contest.reelected.iter().map(|cap| match cap {
        Reelected::Number(most) => words.word("rule_reelected", &[("most", &most.to_string())]),
        Reelected::Share(share) => words.word("rule_reelected_share", &[("share", &number::show(share))]),
    }));
    tie(election, contest, &words, &mut rules);
    runners_up(contest.runner_up.as_ref(), &words, &mut rules);
    match contest.uncontested {
        Uncontested::Vote => {}
        Uncontested::Elected => rules.push(words.word("rule_uncontested_elected", &[])),
        Uncontested::Confidence => {
            rules.push(words.word("rule_uncontested_confidence", &[]));
            rules.push(words.word("rule_pass", &[("share", &words.share(&contest.confidence.pass))]));
        }
    }
    let titled = |id: &String| election.find(id).map(|own| own.title.in_language(language).to_string());
    let others: Vec<String> = contest.yields_to.iter().filter_map(titled).collect();
    if !others.is_empty() {
        rules.push(words.word("rule_yields_to", &[("titles", &words.list(&others))]));
    }
    for other in election.contests.iter().filter(|other| other.yields_to.contains(&contest.id)) {
        rules.push(words.word("rule_yields", &[("title", other.title.in_language(language))]));
    }
    rules
}

fn seats(election: &Election, contest: &Contest, words: &Words) -> String {
    match &contest.seats {
        Seats::Whole(seats) => words.word("rule_seats", &[("seats", &seats.to_string())]),
        Seats::ByDistrict(seats) => {
            let each = election.districts.iter().filter_map(|district| {
                let own = seats.get(&district.id)?.to_string();
                Some(words.word("seats_of", &[("district", district.name.in_language(words.0)), ("seats", &own)]))
            });
            words.word("rule_seats_by", &[("seats", &words.list(&each.collect::<Vec<String>>()))])
        }
    }
}

fn method(contest: &Contest, words: &Words, rules: &mut Vec<String>) {
    let ranked = |key: &str, ranking: &Ranking, fill: &[(&str, &str)]| {
        let least = ranking.least.to_string();
        let under = match ranking.under {
            Under::Invalid if ranking.least > 1 => Some(words.word("rule_under_invalid", &[("least", &least)])),
            _ => None,
        };
        let equal = words.word(if ranking.equal { "rule_equal" } else { "rule_equal_not" }, &[]);
        [Some(words.word(key, fill)), under, Some(equal)].into_iter().flatten().collect::<Vec<String>>()
    };
    match &contest.method {
        Method::Single => rules.push(words.word("rule_single", &[])),
        Method::Approval => rules.push(words.word("rule_approval", &[])),
        Method::Plural(naming) => plural(contest, naming, words, rules),
        Method::Confidence => {
            let key = match contest.confidence.style {
                Style::Informed => "rule_confidence",
                Style::Reject => "rule_confidence_reject",
            };
            rules.push(words.word(key, &[]));
            rules.push(words.word("rule_pass", &[("share", &words.share(&contest.confidence.pass))]));
        }
        Method::Schulze(ranking) => rules.extend(ranked("rule_schulze", ranking, &[])),
        Method::Stv(ranking, quota) => {
            let quota = match quota {
                StvQuota::Droop => "quota_droop",
                StvQuota::Hare => "quota_hare",
            };
            rules.extend(ranked("rule_stv", ranking, &[("quota", &words.word(quota, &[]))]));
        }
    }
}

fn plural(contest: &Contest, naming: &Naming, words: &Words, rules: &mut Vec<String>) {
    let (least, most) = (naming.least.to_string(), naming.most.unwrap_or_default().to_string());
    let fill = [("least", least.as_str()), ("most", most.as_str())];
    rules.push(words.word(if naming.least > 1 { "rule_plural_least" } else { "rule_plural" }, &fill));
    rules.push(words.word(if naming.over == Over::Invalid { "rule_over_invalid" } else { "rule_over_first" }, &[]));
    if naming.least > 1 {
        rules.push(
            words.word(if naming.under == Under::Invalid { "rule_under_invalid" } else { "rule_under_valid" }, &fill),
        );
    }
    let repeated = match naming.repeated {
        Repeated::Once => "rule_repeated_once",
        Repeated::Void => "rule_repeated_void",
        Repeated::Invalid => "rule_repeated_invalid",
    };
    rules.push(words.word(repeated, &[]));
    rules.extend(quotas(contest, words.0));
}

/// How many names may be of which part of the candidates.
pub(super) fn quotas(contest: &Contest, language: Language) -> Vec<String> {
    let words = Words(language);
    let quotas = contest.naming().map(|naming| naming.quotas).unwrap_or_default();
    let told = quotas.iter().map(|quota| {
        let (least, most) = (quota.least.to_string(), quota.most.unwrap_or_default().to_string());
        let key = match (quota.least, quota.most) {
            (_, None) => "numbers_least",
            (0, Some(_)) => "numbers_most",
            (_, Some(_)) => "numbers_between",
        };
        let numbers = words.word(key, &[("least", &least), ("most", &most)]);
        let (key, group) = match &quota.of {
            Quoted::Own => ("rule_quota_own", ""),
            Quoted::Other => ("rule_quota_other", ""),
            Quoted::Group(group) => ("rule_quota_group", group.as_str()),
        };
        words.word(key, &[("group", group), ("numbers", &numbers)])
    });
    told.collect()
}

fn tie(election: &Election, contest: &Contest, words: &Words, rules: &mut Vec<String>) {
    if contest.tie.is_empty() {
        return;
    }
    let each: Vec<String> = contest.tie.iter().map(|rule| words.word(&format!("tie_{}", rule.key()), &[])).collect();
    rules.push(words.word("rule_tie", &[("rules", &each.join(&words.word("tie_then", &[])))]));
    if let (true, Some(seed)) = (contest.tie.contains(&TieRule::Lot), &election.terms.seed) {
        rules.push(words.word("rule_lot_seed", &[("seed", seed.in_language(words.0))]));
    }
}

fn runners_up(rule: Option<&RunnerUp>, words: &Words, rules: &mut Vec<String>) {
    let Some(rule) = rule else { return };
    rules.push(match rule.keep {
        Some(keep) => words.word("rule_runners_keep", &[("keep", &keep.to_string())]),
        None => words.word("rule_runners", &[]),
    });
    if let Some(share) = &rule.at_least {
        rules.push(words.word("rule_runners_share", &[("share", &number::show(share))]));
    }
}
