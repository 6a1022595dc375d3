//! Mails of one inbox in order: what came before tells a second delivery from a new request.
//!
//! The daemon asks its database the same questions; this is the memory of `hagaki read` and of tests.

use std::collections::BTreeMap;

use super::outcome::{Disposition, Reading};
use super::reason::Reason;

/// What was seen so far.
#[derive(Clone, Debug, Default)]
pub struct Inbox {
    /// Name and content digest of the first mail of each key to each study.
    seen: BTreeMap<(Option<String>, String), (String, String)>,
}

impl Inbox {
    /// Notes a mail under `name`, and returns it as it must be treated after those before to the same study: the same key and content is a
    /// duplicate (with the name of the first), the same key with other content is held. Mail that is never answered is
    /// neither noted nor changed, so that nobody can take a key away from an honest sender.
    pub fn take(&mut self, name: &str, mut reading: Reading) -> (Reading, Option<String>) {
        let answered =
            matches!(reading.disposition, Disposition::Register | Disposition::ReplyError | Disposition::Reply);
        if !answered {
            return (reading, None);
        }
        let key = (reading.study.clone(), reading.message_key.clone());
        match self.seen.get(&key) {
            Some((first, digest)) if *digest == reading.content_digest => {
                reading.disposition = Disposition::ReplyDuplicate;
                (reading, Some(first.clone()))
            }
            Some((first, _)) => {
                reading.disposition = Disposition::Quarantine;
                reading.reasons.push(Reason::MessageIdReused);
                reading.request = None;
                (reading, Some(first.clone()))
            }
            None => {
                let digest = reading.content_digest.clone();
                self.seen.insert(key, (name.to_string(), digest));
                (reading, None)
            }
        }
    }
}
