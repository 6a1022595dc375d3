//! The secret of a credential is in its letter until the letter has left, and nowhere afterwards; whatever goes wrong on the way,
//! it leaves whole.

use std::sync::Arc;

use hagaki::domain::time::Clock;
use hagaki::letters::opened;
use hagaki::mail::transport::Order;
use hagaki::store::fuse::Fuse;
use hagaki::store::outbox::{self, Secret as Holds};
use hagaki::store::{Engine, outbox as letters};

use super::*;
use crate::world::World;

/// What lets somebody in.
fn secrets(issued: &Issued) -> [String; 3] {
    let link = issued.link.as_deref().unwrap().rsplit('/').next().unwrap().to_owned();
    [link, issued.login.as_ref().unwrap().grouped(), issued.password.clone().unwrap()]
}

/// The letters on file as they are kept, decoded.
fn kept(dump: &Dump) -> Vec<String> {
    let bytes = |row: &dump::Found, column: &str| data_encoding::HEXLOWER.decode(row.cell(column).as_bytes()).unwrap();
    let whole = |row: &dump::Found| {
        let raw = bytes(row, "raw");
        let words = opened::open(&raw);
        format!("{}\n{}\n{}", String::from_utf8_lossy(&raw), words.text, words.html.unwrap_or_default())
    };
    dump.table("outbox_raw").map(whole).collect()
}

/// Whether any secret lies in letters or files.
fn lies(dump: &Dump, issued: &Issued) -> bool {
    let kept = kept(dump);
    // A long one may be broken over two lines in the bytes.
    let in_files =
        |secret: &String| dump.lies_in_files(secret.as_bytes()) || dump.lies_in_files(&secret.as_bytes()[..9]);
    secrets(issued).iter().any(|secret| kept.iter().any(|letter| letter.contains(secret)) || in_files(secret))
}

stories! {
    async fn a_secret_is_gone_once_its_letter_has_left(center: &mut Center) {
        center.activate(&bundle(Privacy::Named, 0), Stage::Production).await;
        let issued = invite(center, MANY).await.issued;
        // It waits: its bytes hold the secret, and nobody is shown it.
        let before = dump(&center.world).await;
        assert!(issued.iter().all(|one| lies(&before, one)));
        let waiting = outbox::list(center.store(), outbox::Which::All, None, 90).await.unwrap();
        for letter in &waiting {
            assert_eq!(letter.secret, Holds::Held);
            let shown = opened::open(&letters::find_raw(center.store(), letter.id).await.unwrap().unwrap());
            assert!(shown.text.contains("/a/*****"), "{}", shown.text);
            assert!(issued.iter().all(|one| secrets(one).iter().all(|secret| !shown.text.contains(secret))));
        }
        center.memory.order(2, Order::Refuse);
        let letters = center.settle().await;
        let invited = letters.iter().filter(|letter| letter.kind == "invitation");
        let arrived: Vec<&Issued> = invited
            .map(|letter| issued.iter().find(|one| secrets(one).iter().all(|secret| letter.text.contains(secret))).unwrap())
            .collect();
        assert_eq!(arrived.len(), MANY - 1, "each arrived whole, but the one that was refused");
        center.attend().await;
        let after = dump(&center.world).await;
        for one in &issued {
            assert!(!lies(&after, one), "{:?}", secrets(one));
        }
        let left = outbox::list(center.store(), outbox::Which::All, None, 90).await.unwrap();
        let invitations: Vec<_> = left.iter().filter(|letter| letter.kind == "invitation").collect();
        assert!(invitations.len() == MANY && invitations.iter().all(|letter| letter.secret == Holds::Gone), "{invitations:?}");
        // A letter without its secret serves nobody: it is not sent again.
        let failed = invitations.iter().find(|letter| letter.state == outbox::State::Failed).unwrap();
        let mut tx = center.store().begin().await.unwrap();
        assert!(!outbox::retry(&mut tx, failed.id, center.clock.now()).await.unwrap());
        tx.commit().await.unwrap();
    }

    async fn a_dropped_letter_holds_no_secret(center: &mut Center) {
        center.activate(&bundle(Privacy::Named, 0), Stage::Production).await;
        let issued = invite(center, 1).await.issued;
        let letter = outbox::list(center.store(), outbox::Which::All, None, 9).await.unwrap().remove(0);
        let mut tx = center.store().begin().await.unwrap();
        assert!(outbox::drop(&mut tx, letter.id).await.unwrap());
        tx.commit().await.unwrap();
        center.attend().await;
        assert!(!lies(&dump(&center.world).await, &issued[0]));
    }
}

/// Sends with that fuse in the way, then without: every copy that arrives is whole and the same, and what is kept is masked.
async fn sent_past(template: &World, fuse: Arc<Fuse>, issued: &[Issued]) -> bool {
    let mut center = Center::with_dice(template.copy().await, 10_000).await;
    let mut process = center.start(Some(fuse.clone()));
    let step = tokio::select! {
        biased;
        () = fuse.frozen() => None,
        step = process.mailings.step() => Some(step),
    };
    let disturbed = step.is_none() || fuse.struck();
    drop(process);
    center.kill_and_restart().await;
    center.recover().await;
    center.attend().await;
    let mut copies: std::collections::BTreeMap<String, std::collections::BTreeSet<Vec<u8>>> = Default::default();
    for letter in center.memory.sent() {
        copies.entry(letter.envelope.to.clone()).or_default().insert(letter.raw.clone());
    }
    assert_eq!(copies.len(), issued.len());
    let after = dump(&center.world).await;
    for (number, one) in issued.iter().enumerate() {
        let copies = &copies[&address(number)];
        assert_eq!(copies.len(), 1, "copies differ");
        let text = opened::open(copies.first().unwrap()).text;
        assert!(secrets(one).iter().all(|secret| text.contains(secret)), "{text}");
        assert!(!lies(&after, one));
    }
    center.finish().await;
    disturbed
}

async fn disturbed(engine: Engine, trouble: fn(u64) -> Arc<Fuse>, least: u64) {
    let Some(world) = World::open(engine).await else { return };
    let center = Center::open(world).await;
    center.activate(&bundle(Privacy::Named, 0), Stage::Production).await;
    let issued = invite(&center, 2).await.issued;
    // Not finished: letters wait.
    let template = center.into_unfinished_world().await;
    at_each_place(least, async |n: u64| sent_past(&template, trouble(n), &issued).await).await;
    template.close().await;
}

disturbances! {
    disturbed:
    a_step_fails(Fuse::refuse, 1)
    a_commit_is_lost(Fuse::lose_commit, 1)
    a_commit_is_hidden(Fuse::hide_commit, 1)
    the_process_dies(Fuse::freeze, 1)
}
