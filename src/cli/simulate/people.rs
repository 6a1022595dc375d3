//! The figures of a simulation as text for the terminal.

use std::fmt::Write;

use super::population::Described;
use super::{Frame, Simulated};
use crate::domain::expression::TODAY;
use crate::domain::simulation::Summary;
use crate::domain::study::FIRST;

/// Which levels were supposed for a factor.
pub(super) fn supposed(own: &Described) -> String {
    let levels: Vec<&str> = own.levels.iter().map(|(level, _)| level.as_str()).collect();
    format!(
        "nothing tells the levels of \"{}\": {} equally likely ones were supposed ({} … {}); say otherwise with --population",
        own.id,
        levels.len(),
        levels.first().copied().unwrap_or_default(),
        levels.last().copied().unwrap_or_default()
    )
}

/// What a reader of an allocation's figures must know.
pub(super) enum Note {
    /// Parts of its condition name what a population does not tell, and are taken as met.
    TakenAsMet {
        /// Id of the allocation.
        allocation: String,
        /// The names.
        names: Vec<String>,
    },
    /// The cap of a cohort that is not kept, because nothing tells these of its names.
    CohortLeftOut {
        /// Id of the cohort.
        cohort: String,
        /// The names.
        names: Vec<String>,
    },
}

impl Note {
    /// As the terminal and programs are told.
    pub(super) fn in_words(&self, file: &str) -> String {
        match self {
            Note::TakenAsMet { allocation, names } => {
                let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                format!(
                    "{file}: what the condition of the allocation {allocation} asks of {} is taken as met, for nothing tells these; if \
                     not everybody comes to it: --population \"{allocation}=yes:SHARE,no:SHARE\"",
                    names.join(", ")
                )
            }
            Note::CohortLeftOut { cohort, names } => {
                let told: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                let share = names.iter().find(|name| *name != TODAY).map_or_else(String::new, |name| {
                    format!(": say how often each answer comes, with --population \"{name}=ANSWER:SHARE,…\" or a CSV")
                });
                format!(
                    "{file}: the cap of the cohort \"{cohort}\" is not kept, for nothing tells {}{share}; every other cap is kept",
                    told.join(", ")
                )
            }
        }
    }
}

/// One block of figures per scheme.
pub(super) fn tables(frame: &Frame, done: &[Simulated]) -> String {
    let mut text = String::new();
    for one in done {
        let method = one.setup.scheme.method().key();
        let again = if one.given.allocation == FIRST { String::new() } else { format!("{}, ", one.given.allocation) };
        let _ = writeln!(
            text,
            "{} ({again}{method}): {} trials of {} subjects",
            one.given.name(),
            frame.trials,
            frame.subjects
        );
        if one.given.allocation != FIRST {
            let _ = writeln!(text, "  {:<34} {:.2} subjects", "came to this allocation", one.summary.came_mean);
        }
        figures(&mut text, &one.summary);
        text.push('\n');
    }
    let again = format!("seed: {} (the same seed gives the same figures)\n", frame.seed);
    text + &again
}

fn figures(text: &mut String, summary: &Summary) {
    let mut line = |label: &str, value: String| {
        let _ = writeln!(text, "  {label:<34} {value}");
    };
    for arm in &summary.arms {
        line(&format!("arm {}", arm.code), format!("{:.2} subjects (SD {:.2})", arm.mean, arm.sd));
    }
    if let Some(found) = &summary.difference {
        let asked = summary.asked_difference().filter(|asked| *asked > 0.0);
        let asked = asked.map_or_else(String::new, |asked| format!("; the ratio asks for {}", short(asked)));
        line(
            "difference at the end, mean",
            format!("{:.3} (greatest {}{asked})", found.mean_abs, short(found.max_abs)),
        );
        line("  zero in", format!("{:.1} % of trials; variance {:.3}", 100.0 * found.p_zero, found.variance));
    }
    let share =
        |right: f64| format!("{right:.2} ({:.1} %)", 100.0 * right / summary.allocated_mean.max(f64::MIN_POSITIVE));
    line("expected right guesses", share(summary.right_mean));
    if let Some(right) = summary.right_by_site {
        line("  of who knows one site only", share(right));
    }
    if let Some(right) = summary.right_by_stratum {
        line("  of who knows one stratum only", share(right));
    }
    line("  of who knows the whole state", share(summary.right_at_best));
    line("  of who names the largest arm", share(summary.largest_share() * summary.allocated_mean));
    line("allocations without chance", share(summary.deterministic_mean));
    line("  and as good as without", share(summary.near_certain_mean));
    for own in &summary.balances {
        let greatest = short(own.max_abs);
        line(&format!("imbalance within {}", own.id), format!("{:.3} a level (greatest {greatest})", own.mean_abs));
    }
    if summary.turned_away_mean > 0.0 {
        line("turned away by caps", format!("{:.2} subjects", summary.turned_away_mean));
    }
    if let Some(allocated) = summary.ended.allocated_mean {
        line("trials that ended early", ended(summary, allocated));
    }
}

/// How many trials took nobody more from some subject on, and why.
fn ended(summary: &Summary, allocated: f64) -> String {
    let ended = &summary.ended;
    let share = 100.0 * ended.trials as f64 / summary.trials.max(1) as f64;
    let why = [
        (ended.by_total, "the cap of all subjects was reached"),
        (ended.by_arm, "an arm reached its cap"),
        (ended.by_list, "the list was used up"),
    ];
    let why: Vec<String> =
        why.iter().filter(|(count, _)| *count > 0).map(|(count, why)| format!("{why} in {count}")).collect();
    format!("{} ({share:.1} %), with {allocated:.2} subjects allocated: {}", ended.trials, why.join(", "))
}

/// A number with at most three places.
pub(super) fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}
