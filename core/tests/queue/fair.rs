//! Fair turns among the groups of a standard queue, one sentence a test.

use karin_core::{AttributeName, Error, Outcome, PopOptions, SendOptions};

use crate::common::{HOUR_MS, Scene, counts};

#[test]
fn the_group_with_the_fewest_messages_in_flight_has_its_turn() {
    let mut scene = Scene::standard();
    scene.send("a-1 a-2 a-3 b-1 c-1");
    assert_eq!(scene.pop(2), "a-1 b-1");
    assert_eq!(scene.pop(10), "c-1 a-2 a-3");
}

#[test]
fn of_several_groups_the_one_with_the_oldest_message_has_its_turn() {
    let mut scene = Scene::standard();
    scene.send("b-1 a-1");
    scene.wait(1_000);
    scene.send("c-1 a-2 b-2");
    assert_eq!(scene.pop(10), "b-1 a-1 c-1 a-2 b-2");
}

#[test]
fn a_message_that_came_back_is_as_old_as_its_return() {
    let mut scene = Scene::standard();
    scene.send("a-1 b-1");
    assert_eq!(scene.pop(1), "a-1");
    scene.wait(1_000);
    assert_eq!(scene.extend("a-1", 0), Outcome::Done);
    assert_eq!(scene.pop(10), "b-1 a-1");
}

#[test]
fn messages_without_a_group_take_turns_as_one_group() {
    let mut scene = Scene::standard();
    scene.send("x y z a-1 a-2 b-1");
    assert_eq!(scene.pop(10), "x a-1 b-1 y a-2 z");
}

#[test]
fn in_flight_messages_of_earlier_receives_count_until_deleted_released_or_lapsed() {
    let mut scene = Scene::standard();
    scene.send("a-1 a-2");
    assert_eq!(scene.pop(10), "a-1 a-2");
    scene.send("a-3 b-1 b-2 b-3 x y z");
    assert_eq!(scene.pop(4), "b-1 x b-2 y");
    scene.ack_each("a-1 a-2");
    assert_eq!(scene.pop(1), "a-3", "none of a is in flight, two of b and of no group are");
    assert_eq!(scene.release("b-1", 60_000), Outcome::Done);
    assert_eq!(scene.release("b-2", 60_000), Outcome::Done);
    assert_eq!(scene.pop(1), "b-3");
    scene.wait(30_000);
    scene.send("c-1");
    assert_eq!(scene.pop(10), "z a-3 b-3 c-1 x y");
}

#[test]
fn a_quiet_group_is_served_at_once_however_many_messages_another_has() {
    let mut scene = Scene::standard();
    let noisy: Vec<String> = (0..500).map(|n| format!("noisy-{n}")).collect();
    scene.send(&noisy.join(" "));
    scene.pop(50);
    for n in 0..20 {
        scene.wait(10);
        let quiet = format!("quiet-{n}");
        scene.send(&quiet);
        assert_eq!(scene.pop(1), quiet);
        scene.ack_each(&quiet);
    }
}

#[test]
fn nobody_starves_while_everybody_sends_and_holds_messages() {
    let mut scene = Scene::standard();
    let mut served = [0; 5];
    for n in 0..200 {
        let bodies: Vec<String> = (0..5).map(|group| format!("g{group}-{n}")).collect();
        scene.send(&bodies.join(" "));
        for body in scene.pop(2).split_whitespace() {
            served[usize::from(body.as_bytes()[1] - b'0')] += 1;
        }
        scene.wait(100);
    }
    assert!(served.iter().all(|&count| (75..=85).contains(&count)), "{served:?}");
}

#[test]
fn groups_keep_no_order_and_block_nobody() {
    let mut scene = Scene::standard();
    scene.send("a-1 a-2");
    assert_eq!(scene.pop(1), "a-1");
    assert_eq!(scene.pop(1), "a-2");
    let view = scene.queue.view(scene.slot("a-2")).unwrap();
    assert_eq!((view.group, view.dedup_id), (&b"a"[..], &b""[..]));
    scene.wait(30_000);
    assert_eq!(scene.ack("a-2"), Outcome::Done, "a lapsed receipt deletes");
    assert_eq!(scene.pop(10), "a-1");
}

#[test]
fn a_deduplication_id_or_a_group_without_a_name_is_refused() {
    let mut scene = Scene::standard();
    let dedup = SendOptions { dedup_id: Some(b"1"), ..SendOptions::default() };
    assert_eq!(scene.send_with(&dedup), Err(Error::DeduplicationOnStandard));
    let group = SendOptions { group: Some(b""), ..SendOptions::default() };
    assert_eq!(scene.send_with(&group), Err(Error::InvalidId));
    assert!(scene.queue.is_empty());
}

#[test]
fn a_delayed_message_of_a_group_comes_at_its_time() {
    let mut scene = Scene::standard();
    let delayed = SendOptions {
        body: b"a-late",
        group: Some(b"a"),
        delay_ms: Some(5_000),
        ..SendOptions::default()
    };
    scene.send_with(&delayed).unwrap();
    scene.send("a-1");
    assert_eq!(scene.pop(10), "a-1");
    assert_eq!(scene.counts(), counts(0, 1, 1, 0));
    scene.wait(4_999);
    assert_eq!(scene.pop(10), "");
    scene.wait(1);
    assert_eq!(scene.pop(10), "a-late");
}

#[test]
fn a_visibility_timeout_of_zero_hands_out_no_message_of_a_group_twice_in_one_call() {
    let mut scene = Scene::standard();
    scene.send("a-1 b-1 x");
    assert_eq!(scene.pop_for(10, 0), "a-1 b-1 x");
    assert_eq!(scene.pop_for(10, 0), "a-1 b-1 x");
    assert_eq!(scene.counts(), counts(3, 0, 0, 0));
}

#[test]
fn expired_messages_of_groups_are_dropped_on_the_way() {
    let mut scene = Scene::standard();
    scene.set(AttributeName::MessageRetentionPeriod, "60");
    scene.send("a-1 b-1");
    scene.wait(60_000);
    scene.send("b-2");
    let popped = scene.pop_with(&PopOptions { count: 10, ..PopOptions::default() });
    assert_eq!((scene.names(&popped), popped.dropped.len()), ("b-2".to_owned(), 2));
}

#[test]
fn fair_turns_survive_a_restart() {
    let mut scene = Scene::standard();
    scene.send("a-1 a-2 a-3 b-1 x");
    assert_eq!(scene.pop(1), "a-1");
    scene.reload();
    assert_eq!(scene.pop(10), "b-1 x a-2 a-3");
}

#[test]
fn a_clock_that_steps_back_hides_no_message_that_a_group_offers() {
    let mut scene = Scene::standard();
    scene.send("a-1");
    scene.now_ms -= HOUR_MS;
    scene.send("b-1");
    assert_eq!(scene.pop(10), "b-1 a-1");
}

#[test]
fn a_receive_that_leaves_messages_which_were_due_already_is_no_news_to_waiters() {
    let mut scene = Scene::standard();
    scene.send("a-1 a-2 b-1");
    assert!(scene.queue.take_hint().is_some());
    assert_eq!(scene.pop(10), "a-1 b-1 a-2");
    scene.wait(30_000);
    assert_eq!(scene.pop(1), "a-1");
    assert_eq!(scene.queue.take_hint(), None, "all three became due, as was known");
    assert_eq!(scene.extend("a-1", 0), Outcome::Done);
    assert_eq!(scene.queue.take_hint(), None, "others are due, too");
    assert_eq!(scene.pop(10), "a-1 b-1 a-2");
    assert_eq!(scene.extend("a-1", 5), Outcome::Done);
    assert_eq!(scene.queue.take_hint().map(|hint| hint.due_ms), Some(scene.now_ms + 5));
}
