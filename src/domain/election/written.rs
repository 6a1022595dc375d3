//! Names that voters wrote in: which mean the same, and how they are shown.

use std::collections::{BTreeMap, BTreeSet};

use super::ballot::{Ballot, Choice, Who};
use super::contest::Contest;
use super::facts::Facts;
use crate::domain::text::fold_tight;

/// The names of one contest. Two that differ in width, case, kana or blanks are the same; one that is a candidate's means the candidate;
/// what else means the same, people decide.
#[derive(Debug)]
pub(super) struct Names {
    /// Folded → whom it means.
    meant: BTreeMap<String, Who>,
    /// Who counts for nobody.
    pub void: BTreeSet<Who>,
}

impl Names {
    /// The names on those ballots, and in those facts.
    pub(super) fn of(contest: &Contest, facts: &Facts, ballots: &[&Ballot]) -> Names {
        let mut typed: BTreeMap<String, BTreeMap<&str, u64>> = BTreeMap::new();
        for ballot in ballots {
            let Choice::Names(names) = &ballot.choice else { continue };
            for who in names {
                if let Who::Written(name) = who {
                    let times = typed.entry(fold_tight(name)).or_default().entry(name).or_default();
                    *times = times.saturating_add(ballot.count);
                }
            }
        }
        let mut meant = BTreeMap::new();
        // The form that stands most often, and of those the first in the order of code points.
        for (folded, forms) in &typed {
            let most = forms.iter().max_by(|(one, many), (other, more)| many.cmp(more).then(other.cmp(one)));
            let shown = most.map_or(folded.as_str(), |(form, _)| form);
            meant.insert(folded.clone(), Who::Written(shown.to_string()));
        }
        let mut own: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for candidate in &contest.candidates {
            for (_, name) in candidate.name.wordings() {
                own.entry(fold_tight(name)).or_default().insert(&candidate.id);
            }
        }
        // Which of two candidates of one name is meant, nobody can tell but people.
        let alone = own.into_iter().filter(|(_, ids)| ids.len() == 1);
        meant.extend(alone.filter_map(|(name, ids)| Some((name, Who::Listed((*ids.first()?).to_string())))));
        let own = facts.same.iter().filter(|((id, _), _)| *id == contest.id);
        for ((_, folded), who) in own {
            if let Who::Written(name) = who {
                meant.insert(fold_tight(name), who.clone());
            }
            meant.insert(folded.clone(), who.clone());
        }
        let mut names = Names { meant, void: BTreeSet::new() };
        let void = facts.void.iter().filter(|(id, _)| *id == contest.id);
        names.void = void.filter_map(|(_, folded)| names.meant.get(folded).cloned()).collect();
        names
    }

    /// Whom that means.
    fn who(&self, who: &Who) -> Who {
        match who {
            Who::Written(name) => self.meant.get(&fold_tight(name)).unwrap_or(who).clone(),
            Who::Listed(_) => who.clone(),
        }
    }

    /// A ballot with names as they are meant.
    pub(super) fn ballot(&self, ballot: &Ballot) -> Ballot {
        match &ballot.choice {
            Choice::Names(names) => {
                let names = names.iter().map(|who| self.who(who)).collect();
                Ballot { choice: Choice::Names(names), ..ballot.clone() }
            }
            _ => ballot.clone(),
        }
    }

    /// Facts of a contest with names as they are meant.
    pub(super) fn facts(&self, contest: &str, facts: &Facts) -> Facts {
        let declined = facts.declined.iter().filter(|(id, _)| id == contest);
        let decided = facts.decided.iter().filter(|(id, _)| *id == contest);
        Facts {
            declined: declined.map(|(id, who)| (id.clone(), self.who(who))).collect(),
            decided: decided.map(|(id, order)| (id.clone(), order.iter().map(|who| self.who(who)).collect())).collect(),
            ..facts.clone()
        }
    }
}
