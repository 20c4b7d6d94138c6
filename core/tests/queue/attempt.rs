//! Receive attempt ids: a receive whose answer was lost can be repeated.

use karin_core::{AttributeName, Demand, Extension, Outcome, PopOptions, Popped, SendOptions};

use crate::common::{MINUTE_MS, Scene, counts, digest, reloaded};

const MEMORY_MS: u64 = 5 * MINUTE_MS;

fn pop(scene: &mut Scene, id: &str) -> Popped {
    let options = PopOptions {
        count: 10,
        visibility_timeout_ms: Some(30_000),
        attempt: Some(id.as_bytes()),
        ..PopOptions::default()
    };
    scene.pop_with(&options)
}

/// A FIFO queue from which the attempt "try" got a-1, a-2 and b-1.
fn received() -> Scene {
    let mut scene = Scene::fifo();
    scene.send("a-1 a-2 b-1");
    let popped = pop(&mut scene, "try");
    assert_eq!((scene.names(&popped), popped.repeated), ("a-1 a-2 b-1".into(), false));
    scene
}

#[test]
fn a_repeated_attempt_gets_the_same_messages_with_the_same_receipts() {
    let mut scene = received();
    let before = scene.receipt("a-2");
    scene.send("a-3 c-1");
    scene.wait(10_000);
    let popped = pop(&mut scene, "try");
    assert_eq!((scene.names(&popped), popped.repeated), ("a-1 a-2 b-1".into(), true));
    assert_eq!(scene.receipt("a-2"), before);
    assert_eq!(scene.queue.view(before.slot).unwrap().receive_count, 1);
    let popped = pop(&mut scene, "other");
    assert_eq!((scene.names(&popped), popped.repeated), ("c-1".into(), false));
}

#[test]
fn a_repeated_attempt_starts_the_visibility_anew() {
    let mut scene = received();
    for _ in 0..5 {
        scene.wait(29_999);
        assert!(pop(&mut scene, "try").repeated);
    }
    scene.wait(29_999);
    assert_eq!(scene.counts(), counts(0, 0, 3, 0));
    scene.wait(1);
    assert_eq!(scene.counts(), counts(3, 0, 0, 0));
}

#[test]
fn an_attempt_cannot_be_repeated_after_five_minutes_however_often_it_was() {
    let mut scene = received();
    let mut left_ms = MEMORY_MS;
    while left_ms > 20_000 {
        scene.wait(20_000);
        left_ms -= 20_000;
        assert!(pop(&mut scene, "try").repeated);
    }
    scene.wait(left_ms);
    let popped = pop(&mut scene, "try");
    assert_eq!((popped.leased, popped.repeated), (vec![], false));
    assert_eq!(scene.counts().in_flight, 3);
}

/// What the attempt gets after a change, which must be no repetition.
fn after(change: impl FnOnce(&mut Scene)) -> String {
    let mut scene = received();
    change(&mut scene);
    let popped = pop(&mut scene, "try");
    assert!(!popped.repeated);
    scene.names(&popped)
}

#[test]
fn an_attempt_is_over_when_one_of_its_messages_was_deleted() {
    assert_eq!(after(|scene| scene.ack_each("b-1")), "");
}

#[test]
fn an_attempt_is_over_when_one_of_its_messages_changed_its_visibility() {
    let extend = |ms| move |scene: &mut Scene| assert_eq!(scene.extend("b-1", ms), Outcome::Done);
    assert_eq!(after(extend(60_000)), "");
    assert_eq!(after(extend(0)), "b-1");
}

#[test]
fn an_attempt_is_over_when_one_of_its_messages_was_given_back() {
    assert_eq!(after(|scene| assert_eq!(scene.release("b-1", 0), Outcome::Done)), "b-1");
}

#[test]
fn an_attempt_is_over_when_its_messages_became_visible() {
    assert_eq!(after(|scene| scene.wait(30_000)), "a-1 a-2 b-1");
}

#[test]
fn an_attempt_is_over_when_the_queue_was_purged_or_a_message_expired() {
    assert_eq!(after(|scene| drop(scene.queue.purge())), "");
    let expire = |scene: &mut Scene| {
        scene.set(AttributeName::MessageRetentionPeriod, "10");
        scene.wait(10_000);
    };
    assert_eq!(after(expire), "");
}

#[test]
fn what_a_fresh_receive_got_under_a_used_id_can_be_repeated() {
    let mut scene = received();
    scene.ack_each("a-1 a-2 b-1");
    scene.send("c-1");
    let popped = pop(&mut scene, "try");
    assert_eq!((scene.names(&popped), popped.repeated), ("c-1".into(), false));
    let popped = pop(&mut scene, "try");
    assert_eq!((scene.names(&popped), popped.repeated), ("c-1".into(), true));
}

#[test]
fn an_empty_answer_is_not_remembered() {
    let mut scene = Scene::fifo();
    assert_eq!(pop(&mut scene, "try").leased, []);
    assert_eq!(scene.queue.encode_attempt(b"try"), None);
    scene.send("a-1");
    assert_eq!(pop(&mut scene, "try").leased.len(), 1);
}

#[test]
fn a_visibility_timeout_of_zero_leaves_nothing_to_repeat() {
    let mut scene = Scene::fifo();
    scene.send("a-1");
    let options = PopOptions {
        visibility_timeout_ms: Some(0),
        attempt: Some(b"try"),
        ..PopOptions::default()
    };
    assert!(!scene.pop_with(&options).repeated);
    let before = scene.receipt("a-1");
    assert!(!scene.pop_with(&options).repeated);
    assert_ne!(scene.receipt("a-1"), before);
}

#[test]
fn a_repeated_attempt_does_not_reach_a_later_receive() {
    let mut scene = received();
    scene.wait(30_000);
    let popped = pop(&mut scene, "second");
    assert_eq!(popped.leased.len(), 3);
    assert_eq!(pop(&mut scene, "try").leased, []);
    assert!(pop(&mut scene, "second").repeated);
}

#[test]
fn attempts_work_on_standard_queues_too() {
    let mut scene = Scene::standard();
    scene.send("x a-1");
    let first = pop(&mut scene, "try");
    let again = pop(&mut scene, "try");
    assert_eq!((again.leased, again.repeated), (first.leased, true));
}

#[test]
fn attempts_survive_a_restart_and_a_replica_is_told_them_one_by_one() {
    let mut scene = received();
    let attempt = scene.queue.encode_attempt(b"try").unwrap();
    let mut replica = reloaded(&scene.queue, 1);
    replica.apply_attempt(&attempt).unwrap();
    assert_eq!(digest(&replica), digest(&scene.queue));
    for length in (0..attempt.len()).filter(|&length| length < 24 || (length - 24) % 20 != 0) {
        assert!(replica.apply_attempt(&attempt[..length]).is_err(), "cut at {length}");
    }
    assert_eq!(digest(&replica), digest(&scene.queue));
    scene.reload();
    assert!(pop(&mut scene, "try").repeated);
}

#[test]
fn of_too_many_attempts_the_oldest_is_forgotten() {
    let mut scene = received();
    let attempt = scene.queue.encode_attempt(b"try").unwrap();
    for n in 1..10_000_u128 {
        let mut other = attempt.clone();
        other[..16].copy_from_slice(&n.to_le_bytes());
        other[16..24].copy_from_slice(&(scene.now_ms + 1).to_le_bytes());
        scene.queue.apply_attempt(&other).unwrap();
    }
    assert!(pop(&mut scene, "try").repeated);
    let popped = pop(&mut scene, "one more");
    assert!(popped.leased.is_empty());
    scene.send("c-1");
    pop(&mut scene, "one more");
    assert!(scene.queue.encode_attempt(b"try").is_none());
    let mut count = 0;
    scene.queue.encode_attempts(&mut |_| count += 1);
    assert_eq!(count, 10_000);
}

#[test]
fn a_message_of_an_attempt_can_be_deleted_with_the_receipt_of_either_answer() {
    let mut scene = received();
    scene.wait(20_000);
    pop(&mut scene, "try");
    scene.wait(20_000);
    let receipt = scene.receipt("a-1");
    let extension = Extension {
        visibility_timeout_ms: 60_000,
        demand: Demand::Any,
        unless_changed_due_ms: None,
    };
    assert_eq!(scene.queue.extend(scene.now_ms, &receipt, &extension), Outcome::Done);
    assert_eq!(scene.ack("a-1"), Outcome::Done);
}

#[test]
fn attempts_take_no_more_memory_than_ten_thousand_usual_ones_however_many_messages_each_got() {
    let mut scene = Scene::standard();
    for _ in 0..1_000 {
        scene.queue.send(scene.now_ms, &SendOptions::default()).unwrap();
    }
    let empty = scene.queue.memory_bytes();
    for n in 0..103_u8 {
        let options = PopOptions {
            count: 1_000,
            visibility_timeout_ms: Some(0),
            attempt: Some(&[n]),
            ..PopOptions::default()
        };
        assert_eq!(scene.pop_with(&options).leased.len(), 1_000);
        scene.wait(1);
    }
    assert_eq!(scene.queue.attempts(), 100, "100,000 messages in all");
    assert!(scene.queue.encode_attempt(&[2]).is_none());
    assert!(scene.queue.encode_attempt(&[3]).is_some());
    assert_eq!(digest(&reloaded(&scene.queue, usize::MAX)), digest(&scene.queue));
    let taken = scene.queue.memory_bytes() - empty;
    assert!((2_400_000..3_000_000).contains(&taken), "{taken} bytes for 24 each");
}
