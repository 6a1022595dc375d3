//! Stories: what people write, what is decided, who is told what.

use hagaki::definition::samples;
use hagaki::domain::study::Stage;

use crate::harness::*;

stories! {
    async fn dr_yamada_enrolls_in_the_open(center: &mut Center) {
        center.activate(&samples::aurora(), Stage::Production).await;
        let mail = DR_YAMADA.writes("登録", &aurora_form("011", "Y-0031"));
        let letters = center.exchange(&mail).await;
        assert_eq!(kinds(&letters), [
            ("assignment-open", DR_YAMADA.address),
            ("notice-open", CENTER),
            ("notice-open", STATISTICIAN),
        ]);
        let arm = center.arms("aurora").await.remove(0);
        let answer = letters.iter().find(|letter| letter.to == DR_YAMADA.address).unwrap();
        assert_eq!(answer.in_reply_to, mail.message_id);
        assert!(answer.text.contains(&format!("({arm})")) && answer.text.contains("AURORA-0001"), "{}", answer.text);
        assert!(!answer.subject.contains(&arm) && !answer.subject.contains("TEST"));
        assert_eq!(center.lying_in(".Processed"), 1);
    }
}
