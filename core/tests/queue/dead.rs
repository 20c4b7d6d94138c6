//! Dead letters: when messages die, their numbers, what brings them back and what moves them.

use karin_core::{
    AttributeName, Demand, Error, Extension, Letter, Moved, Outcome, PopOptions, SendOptions,
};

use crate::common::{MINUTE_MS, Scene, counts};

/// A queue in which these messages have died, in this order.
fn with_letters(bodies: &str) -> Scene {
    let mut scene = Scene::standard();
    scene.let_die_after(1);
    scene.send(bodies);
    let count = scene.queue.len();
    assert_eq!(scene.pop_for(count, 0), bodies);
    while scene.counts().ready > 0 {
        assert_eq!(scene.pop(count), "");
    }
    assert_eq!(scene.counts(), counts(0, 0, 0, count as u64));
    scene
}

/// (number, name) of letters after a number.
fn letters(scene: &Scene, after: u64, count: usize) -> Vec<(u64, String)> {
    let letters = scene.queue.letters(after, count);
    letters.into_iter().map(|(number, slot)| (number, scene.names_of(&[slot]))).collect()
}

fn letter(number: u64) -> Moved<'static> {
    Moved { from: Some(Letter { source_uid: 9, number }), ..Moved::default() }
}

#[test]
fn a_message_dies_when_it_would_be_received_once_more_and_not_by_time_alone() {
    let mut scene = Scene::standard();
    scene.let_die_after(2);
    scene.send("x");
    for _ in 0..2 {
        assert_eq!(scene.pop(1), "x");
        scene.wait(30_000);
    }
    assert_eq!(scene.counts(), counts(1, 0, 0, 0), "time alone moves nothing");
    let popped = scene.pop_with(&PopOptions::default());
    assert_eq!((popped.leased.len(), popped.died.len()), (0, 1));
    let view = scene.queue.view(popped.died[0]).unwrap();
    assert_eq!((view.dead_number, view.receive_count), (1, 2));
    assert_eq!(view.due_ms, scene.now_ms, "when it died");
}

#[test]
fn the_receive_that_lets_messages_die_returns_others() {
    let mut scene = Scene::standard();
    scene.let_die_after(1);
    scene.send("x y");
    assert_eq!(scene.pop_for(2, 0), "x y");
    scene.send("z");
    let popped = scene.pop_with(&PopOptions { count: 1, ..PopOptions::default() });
    assert_eq!((scene.names(&popped), scene.names_of(&popped.died)), ("z".into(), "x y".into()));
}

#[test]
fn without_a_target_or_a_count_nothing_dies_and_a_change_counts_from_the_next_receive() {
    let mut scene = Scene::standard();
    scene.set(AttributeName::MaxReceiveCount, "1");
    scene.send("x");
    for _ in 0..3 {
        assert_eq!(scene.pop_for(1, 0), "x");
    }
    scene.set(AttributeName::DeadLetterTargetArn, "elsewhere");
    scene.set(AttributeName::MaxReceiveCount, "0");
    assert_eq!(scene.pop_for(1, 0), "x");
    scene.set(AttributeName::MaxReceiveCount, "5");
    assert_eq!(scene.pop_for(1, 0), "x");
    assert_eq!(scene.pop_for(1, 0), "");
    assert_eq!(scene.queue.dead(), 1);
}

#[test]
fn a_release_counts_no_receive_towards_death() {
    let mut scene = Scene::standard();
    scene.let_die_after(1);
    scene.send("x");
    for _ in 0..5 {
        assert_eq!(scene.pop(1), "x");
        assert_eq!(scene.release("x", 0), Outcome::Done);
    }
    assert_eq!(scene.queue.dead(), 0);
}

#[test]
fn letters_have_growing_numbers_that_are_never_given_again() {
    let mut scene = with_letters("x y z");
    let expected = [(1, "x".to_owned()), (2, "y".to_owned()), (3, "z".to_owned())];
    assert_eq!(letters(&scene, 0, 10), expected);
    assert_eq!(letters(&scene, 1, 1), expected[1..2]);
    assert_eq!(letters(&scene, 3, 10), []);
    assert_eq!(letters(&scene, u64::MAX, 10), []);
    assert_eq!(scene.queue.acknowledge_letters(u64::MAX).len(), 3);
    scene.queue.check().unwrap();
    scene.send("next");
    scene.pop_for(1, 0);
    scene.pop(1);
    assert_eq!(letters(&scene, 0, 10), [(4, "next".to_owned())]);
    drop(scene.queue.purge());
    scene.reload();
    assert_eq!((scene.queue.dead(), scene.queue.last_dead_number()), (0, 4));
}

#[test]
fn acknowledging_drops_the_letters_up_to_a_number_and_no_other_message() {
    let mut scene = with_letters("x y z");
    scene.send("alive");
    let moved = scene.queue.acknowledge_letters(2);
    assert_eq!(moved.iter().map(|&(_, sequence)| sequence).collect::<Vec<_>>(), [1, 2]);
    scene.queue.check().unwrap();
    assert_eq!(letters(&scene, 0, 10), [(3, "z".to_owned())]);
    assert_eq!(scene.queue.acknowledge_letters(2), []);
    assert_eq!(scene.counts(), counts(1, 0, 0, 1));
}

#[test]
fn at_most_a_thousand_letters_are_acknowledged_or_revived_at_once() {
    let bodies: Vec<String> = (0..1_001).map(|n| n.to_string()).collect();
    let mut scene = with_letters(&bodies.join(" "));
    assert_eq!(scene.queue.acknowledge_letters(u64::MAX).len(), 1_000);
    assert_eq!(scene.queue.dead(), 1);
    let mut scene = with_letters(&bodies.join(" "));
    assert_eq!(scene.queue.revive(scene.now_ms, usize::MAX, false).len(), 1_000);
    assert_eq!(scene.counts(), counts(1_000, 0, 0, 1));
    scene.queue.check().unwrap();
}

#[test]
fn a_letter_is_out_of_the_reach_of_receipts() {
    let mut scene = with_letters("x");
    let receipt = scene.receipt("x");
    for demand in [Demand::Any, Demand::Current] {
        let extension = Extension { visibility_timeout_ms: 0, demand, unless_changed_due_ms: None };
        assert_eq!(scene.queue.acknowledge(scene.now_ms, &receipt, demand), Outcome::Gone);
        assert_eq!(scene.queue.extend(scene.now_ms, &receipt, &extension), Outcome::Gone);
    }
    assert_eq!(scene.release("x", 0), Outcome::Gone);
    assert_eq!(scene.queue.dead(), 1);
}

#[test]
fn the_oldest_letters_live_again_as_never_received() {
    let mut scene = with_letters("x y");
    scene.queue.take_hint();
    assert_eq!(scene.queue.revive(scene.now_ms, 1, false).len(), 1);
    assert!(scene.queue.take_hint().is_some());
    assert_eq!(scene.counts(), counts(1, 0, 0, 1));
    scene.wait(5);
    assert_eq!(scene.pop(10), "x");
    let view = scene.queue.view(scene.slot("x")).unwrap();
    assert_eq!((view.receive_count, view.first_received_ms), (1, scene.now_ms));
}

#[test]
fn a_letter_that_keeps_its_count_dies_again_unless_the_target_is_gone() {
    let mut scene = with_letters("x");
    assert_eq!(scene.queue.revive(scene.now_ms, 1, true).len(), 1);
    assert_eq!(scene.pop(1), "");
    assert_eq!(letters(&scene, 0, 9), [(2, "x".to_owned())]);
    scene.queue.revive(scene.now_ms, 1, true);
    scene.set(AttributeName::DeadLetterTargetArn, "");
    assert_eq!(scene.pop(1), "x");
    assert_eq!(scene.queue.view(scene.slot("x")).unwrap().receive_count, 2);
}

#[test]
fn a_receipt_from_before_death_does_not_act_on_the_next_life() {
    let mut scene = with_letters("x");
    scene.queue.revive(scene.now_ms, 1, false);
    let receipt = scene.receipt("x");
    assert_eq!(scene.queue.acknowledge(scene.now_ms, &receipt, Demand::Current), Outcome::Stale);
    assert_eq!(scene.release("x", 0), Outcome::Stale);
    assert_eq!(scene.ack("x"), Outcome::Done, "a superseded receipt of a standard queue deletes");
}

#[test]
fn letters_expire_with_the_retention_of_their_queue() {
    let mut scene = with_letters("x y");
    scene.set(AttributeName::MessageRetentionPeriod, "60");
    scene.wait(MINUTE_MS - 1);
    assert_eq!(scene.queue.sweep(scene.now_ms, 10).dropped, []);
    scene.wait(1);
    assert_eq!(scene.queue.sweep(scene.now_ms, 10).dropped.len(), 2);
    scene.queue.check().unwrap();
    assert_eq!((scene.queue.dead(), scene.queue.len()), (0, 0));
}

#[test]
fn letters_survive_a_restart_with_their_numbers_and_receives() {
    let mut scene = with_letters("x y");
    scene.reload();
    assert_eq!(letters(&scene, 0, 9), [(1, "x".to_owned()), (2, "y".to_owned())]);
    scene.queue.revive(scene.now_ms, 1, true);
    scene.reload();
    let slot = scene.slot("x");
    assert_eq!(scene.queue.view(slot).unwrap().receive_count, 1);
}

#[test]
fn a_moved_letter_keeps_what_it_was_and_goes_on_counting() {
    let mut scene = Scene::standard();
    let id = *b"01234567-89ab-4cde-8f01-23456789abcd";
    let moved = Moved {
        id: Some(id),
        source: Some(b"arn:source"),
        sent_ms: Some(scene.now_ms - 5_000),
        first_received_ms: scene.now_ms - 4_000,
        receive_count: 3,
        ..letter(1)
    };
    let options = SendOptions {
        body: b"a-x",
        attributes: b"blob",
        group: Some(b"a"),
        moved,
        ..SendOptions::default()
    };
    scene.send_with(&options).unwrap();
    scene.reload();
    assert_eq!(scene.pop(1), "a-x");
    let view = scene.queue.view(scene.slot("a-x")).unwrap();
    assert_eq!((view.receive_count, view.first_received_ms), (4, scene.now_ms - 4_000));
    assert_eq!(view.sent_ms, scene.now_ms - 5_000);
    assert_eq!(
        (view.source, view.group, view.attributes),
        (&b"arn:source"[..], &b"a"[..], &b"blob"[..])
    );
    assert_eq!(scene.queue.message_id(1), id);
}

#[test]
fn a_fifo_queue_counts_a_moved_letter_from_now_and_gives_it_a_sequence_number() {
    let mut scene = Scene::fifo();
    scene.send("a-1");
    let moved = Moved { sent_ms: Some(1), receive_count: 2, ..letter(1) };
    let options = SendOptions {
        body: b"a-x",
        group: Some(b"a"),
        dedup_id: Some(b"its message id"),
        moved,
        ..SendOptions::default()
    };
    assert_eq!(scene.send_with(&options).unwrap().sequence, 2);
    assert_eq!(scene.pop(10), "a-1 a-x");
    let view = scene.queue.view(scene.slot("a-x")).unwrap();
    assert_eq!((view.sent_ms, view.receive_count), (scene.now_ms, 3));
    assert_eq!(view.dedup_id, b"its message id");
}

#[test]
fn a_letter_that_is_sent_twice_arrives_once_whatever_happened_between() {
    let mut scene = Scene::standard();
    let send = |scene: &mut Scene, number| {
        let options = SendOptions { body: b"x", moved: letter(number), ..SendOptions::default() };
        scene.send_with(&options).map(|sent| sent.sequence)
    };
    assert_eq!(send(&mut scene, 3), Ok(1));
    assert_eq!(send(&mut scene, 3), Err(Error::Moved { watermark: 3 }));
    assert_eq!(send(&mut scene, 2), Err(Error::Moved { watermark: 3 }));
    scene.pop(1);
    scene.ack_each("x");
    drop(scene.queue.purge());
    scene.wait(20 * 24 * 60 * MINUTE_MS);
    scene.queue.sweep(scene.now_ms, 1_000);
    scene.reload();
    assert_eq!(send(&mut scene, 3), Err(Error::Moved { watermark: 3 }));
    assert_eq!(send(&mut scene, 4), Ok(2));
    let other = Moved { from: Some(Letter { source_uid: 8, number: 1 }), ..Moved::default() };
    scene.send_with(&SendOptions { moved: other, ..SendOptions::default() }).unwrap();
    assert_eq!(scene.queue.watermarks().collect::<Vec<_>>(), [(8, 1), (9, 4)]);
    scene.queue.apply_watermark(Letter { source_uid: 9, number: 2 });
    assert_eq!(scene.queue.watermarks().collect::<Vec<_>>(), [(8, 1), (9, 4)]);
}

#[test]
fn a_letter_that_died_twice_within_five_minutes_is_no_duplicate_of_itself() {
    let mut scene = Scene::fifo();
    for number in [1, 2] {
        let options = SendOptions {
            body: b"x",
            group: Some(b"g"),
            dedup_id: Some(b"its message id"),
            moved: letter(number),
            ..SendOptions::default()
        };
        let sent = scene.send_with(&options).unwrap();
        assert!(sent.slot.is_some(), "letter {number} went nowhere");
        assert_eq!(sent.sequence, number);
    }
    scene.queue.check().unwrap();
}

#[test]
fn a_letter_has_all_receives_of_its_new_queue_before_it_dies_there() {
    let mut scene = Scene::standard();
    scene.let_die_after(2);
    let moved = Moved { receive_count: 5, first_received_ms: 1, ..letter(1) };
    scene.send_with(&SendOptions { body: b"x", moved, ..SendOptions::default() }).unwrap();
    scene.reload();
    assert_eq!(scene.pop_for(1, 0), "x");
    assert_eq!(scene.pop_for(1, 0), "x");
    assert_eq!(scene.pop(1), "");
    assert_eq!(scene.counts(), counts(0, 0, 0, 1));
}

#[test]
fn a_moved_letter_that_lives_again_has_as_many_receives_as_in_its_first_life_here() {
    for receives_before in [1, 2, 5] {
        let mut scene = Scene::standard();
        scene.let_die_after(2);
        let moved = Moved { receive_count: receives_before, first_received_ms: 1, ..letter(1) };
        scene.send_with(&SendOptions { body: b"x", moved, ..SendOptions::default() }).unwrap();
        for life in 0..3 {
            let lives: Vec<_> = (0..3).map(|_| scene.pop_for(1, 0)).collect();
            assert_eq!(lives, ["x", "x", ""], "life {life} after {receives_before} receives");
            assert_eq!(scene.queue.revive(scene.now_ms, 10, false).len(), 1);
            scene.reload();
        }
        let view = scene.queue.view(scene.slot("x")).unwrap();
        assert_eq!((view.receive_count, view.first_received_ms), (receives_before, 1));
    }
}

#[test]
fn a_refused_letter_raises_no_watermark() {
    let mut scene = Scene::standard();
    scene.set(AttributeName::MaximumMessageSize, "1");
    let options = SendOptions { body: b"xx", moved: letter(1), ..SendOptions::default() };
    assert!(matches!(scene.send_with(&options), Err(Error::TooLarge { .. })));
    let id = SendOptions {
        moved: Moved { id: Some([b' '; 36]), ..letter(1) },
        ..SendOptions::default()
    };
    assert_eq!(scene.send_with(&id), Err(Error::InvalidId));
    let source = vec![b'x'; 1_025];
    let source = Moved { source: Some(&source), ..letter(1) };
    let source = SendOptions { moved: source, ..SendOptions::default() };
    assert_eq!(scene.send_with(&source), Err(Error::InvalidId));
    assert_eq!(scene.queue.watermarks().count(), 0);
}
