//! Letters to voters tell whoever has the whole database no more than the roll does: who has voted, and on which day.

use super::*;
use crate::voting::letters::lettered;
use crate::voting::{Booth, OPENS, entry, number, vote, wind_to};
use hagaki::domain::election::phase::Step;

/// How many vote, in an order that is not the roll's.
const VOTERS: usize = 12;

stories! {
    async fn receipts_tell_no_time_and_no_order(center: &mut Center) {
        center.activate(&lettered(), Stage::Development).await;
        let roll: Vec<_> = (0..VOTERS).map(entry).collect();
        Booth::of(center).import(&roll).await.unwrap();
        Booth::of(center).both(Step::Objection).await;
        wind_to(center, "2026-12-25 17:00");
        Booth::of(center).both(Step::Open).await;
        wind_to(center, OPENS);
        center.attend().await;
        center.settle().await;

        // A vote moves nothing of letters.
        let of = |dump: &Dump, name: &str| -> Vec<_> { dump.table(name).map(|row| row.cells.clone()).collect() };
        let before = dump(&center.world).await;
        let order: Vec<usize> = (0..VOTERS).map(|at| (at * 5 + 3) % VOTERS).collect();
        for at in &order {
            center.wind(60);
            vote(center, [*at]).await;
            center.attend().await;
        }
        let voted = dump(&center.world).await;
        for name in ["outbox", "outbox_raw", "voter_letter", "election_round", "audit"] {
            assert_eq!(of(&before, name), of(&voted, name), "{name} moves with votes");
        }

        // When the day is over all receipts are written at once, in the order of the random names.
        center.wind(24 * 3600);
        center.attend().await;
        let after = dump(&center.world).await;
        let receipts: Vec<_> = after.table("outbox").filter(|row| row.cell("kind") == "election-receipt").collect();
        assert_eq!(receipts.len(), VOTERS);
        let moments: std::collections::BTreeSet<&str> = receipts.iter().map(|row| row.cell("created_at")).collect();
        assert_eq!(moments.len(), 1);
        let mut numbered: Vec<(i64, String)> =
            receipts.iter().map(|row| (row.cell("id").parse().unwrap(), row.cell("recipient").to_owned())).collect();
        numbered.sort();
        let mut named: Vec<(String, String)> = Vec::new();
        for at in 0..VOTERS {
            let row = after.table("voter").find(|row| row.cell("number") == number(at)).unwrap();
            named.push((row.cell("id").to_owned(), entry(at).address));
        }
        named.sort();
        let written: Vec<&String> = numbered.iter().map(|(_, to)| to).collect();
        assert_eq!(written, named.iter().map(|(_, to)| to).collect::<Vec<&String>>());
        let cast: Vec<String> = order.iter().map(|at| entry(*at).address).collect();
        assert_ne!(written, cast.iter().collect::<Vec<&String>>());

        // Letters are sealed: no name of the roll lies anywhere.
        for own in &roll {
            assert!(!after.lies_in_files(format!("{} ", own.name).as_bytes()), "{}", own.name);
            let lies = after.rows.iter().any(|row| row.cells.values().any(|cell| cell == &own.name));
            assert!(!lies, "{}", own.name);
        }
        center.settle().await;
    }
}
