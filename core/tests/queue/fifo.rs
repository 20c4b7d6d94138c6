//! The order of a FIFO queue, one sentence a test: sqs-contract §9, every row of §9.1, and what
//! follows from them.

use karin_core::{
    AttributeName, Demand, Error, Extension, Outcome, PopOptions, SendOptions, sequence_text,
};

use crate::common::{MINUTE_MS, Scene, counts};

#[test]
fn as_many_as_possible_come_from_one_group_and_then_from_the_next_in_order_within_each() {
    let mut scene = Scene::fifo();
    scene.send("g1-m1 g2-m1 g1-m2 g1-m3");
    assert_eq!(scene.pop(10), "g1-m1 g1-m2 g1-m3 g2-m1");
}

#[test]
fn the_rest_of_a_group_is_blocked_until_the_first_is_deleted_or_visible_again() {
    let mut scene = Scene::fifo();
    scene.send("g1-m1 g1-m2 g2-m1");
    assert_eq!(scene.pop(1), "g1-m1");
    assert_eq!(scene.pop(10), "g2-m1");
    assert_eq!(scene.pop(10), "");
    scene.ack_each("g1-m1");
    assert_eq!(scene.pop(10), "g1-m2");

    scene.send("g3-m1 g3-m2");
    assert_eq!(scene.pop(1), "g3-m1");
    assert_eq!(scene.pop(10), "");
    scene.wait(30_000);
    assert_eq!(scene.pop(10), "g1-m2 g2-m1 g3-m1 g3-m2");
}

#[test]
fn a_group_whose_messages_in_flight_were_all_deleted_goes_to_the_back() {
    let mut scene = Scene::fifo();
    scene.send("g1-m1 g2-m1 g1-m2 g2-m2 g1-m3 g1-m4 g3-m1");
    assert_eq!(scene.pop(2), "g1-m1 g1-m2");
    scene.ack_each("g1-m1 g1-m2");
    // Where among the groups that wait the back is nobody promises; AWS was seen to have it before
    // g3, of which nothing had been received.
    assert_eq!(scene.pop(10), "g2-m1 g2-m2 g3-m1 g1-m3 g1-m4");
}

#[test]
fn the_recorded_order_comes_where_the_third_group_comes_last() {
    let mut scene = Scene::fifo();
    scene.send("g1-m1 g2-m1 g1-m2 g2-m2 g1-m3 g1-m4");
    assert_eq!(scene.pop(2), "g1-m1 g1-m2");
    scene.ack_each("g1-m1 g1-m2");
    scene.send("g3-m1");
    assert_eq!(scene.pop(10), "g2-m1 g2-m2 g1-m3 g1-m4 g3-m1");
}

#[test]
fn a_group_stays_blocked_while_only_some_of_its_messages_in_flight_are_deleted() {
    let mut scene = Scene::fifo();
    scene.send("g1-m1 g1-m2 g1-m3 g2-m1");
    assert_eq!(scene.pop(2), "g1-m1 g1-m2");
    scene.ack_each("g1-m1");
    assert_eq!(scene.pop(10), "g2-m1");

    let mut scene = Scene::fifo();
    scene.send("g1-m1 g1-m2 g1-m3");
    assert_eq!(scene.pop(2), "g1-m1 g1-m2");
    scene.ack_each("g1-m2");
    assert_eq!(scene.pop(10), "");
    scene.ack_each("g1-m1");
    assert_eq!(scene.pop(10), "g1-m3");
}

/// Three messages of a group in flight, of which one is extended and the others lapse.
fn extended(body: &str) -> Scene {
    let mut scene = Scene::fifo();
    scene.send("g1-m1 g1-m2 g1-m3 g1-m4");
    assert_eq!(scene.pop(3), "g1-m1 g1-m2 g1-m3");
    assert_eq!(scene.extend(body, 60_000), Outcome::Done);
    scene.wait(30_000);
    scene
}

#[test]
fn nothing_can_be_received_while_the_first_was_extended_and_later_ones_lapsed() {
    let mut scene = extended("g1-m1");
    assert_eq!(scene.pop(10), "");
    assert_eq!(scene.counts(), counts(3, 0, 1, 0));
    scene.wait(30_000);
    assert_eq!(scene.pop(10), "g1-m1 g1-m2 g1-m3 g1-m4");
}

#[test]
fn only_what_comes_before_the_second_can_be_received_while_the_second_was_extended() {
    let mut scene = extended("g1-m2");
    assert_eq!(scene.pop(10), "g1-m1");
    assert_eq!(scene.pop(10), "");
    scene.ack_each("g1-m1 g1-m2");
    assert_eq!(scene.pop(10), "g1-m3 g1-m4");
}

#[test]
fn the_first_two_can_be_received_while_the_third_was_extended() {
    let mut scene = extended("g1-m3");
    assert_eq!(scene.pop(10), "g1-m1 g1-m2");
    scene.ack_each("g1-m1 g1-m2");
    assert_eq!(scene.pop(10), "");
    scene.ack_each("g1-m3");
    assert_eq!(scene.pop(10), "g1-m4");
}

#[test]
fn the_first_set_to_zero_comes_at_once_after_other_groups_while_the_second_stays_in_flight() {
    let mut scene = Scene::fifo();
    scene.send("g1-m1 g1-m2 g2-m1");
    assert_eq!(scene.pop(2), "g1-m1 g1-m2");
    assert_eq!(scene.extend("g1-m1", 0), Outcome::Done);
    assert_eq!(scene.pop(3), "g2-m1 g1-m1");
    assert_eq!(scene.counts(), counts(0, 0, 3, 0));
}

#[test]
fn the_second_set_to_zero_waits_for_the_first_which_stays_in_flight() {
    let mut scene = Scene::fifo();
    scene.send("g1-m1 g1-m2");
    assert_eq!(scene.pop(2), "g1-m1 g1-m2");
    assert_eq!(scene.extend("g1-m2", 0), Outcome::Done);
    assert_eq!(scene.pop(10), "");
    assert_eq!(scene.counts(), counts(1, 0, 1, 0));
    assert_eq!(scene.queue.next_wait_ms(scene.now_ms), Some(30_000));
    scene.ack_each("g1-m1");
    assert_eq!(scene.pop(10), "g1-m2");
}

#[test]
fn a_visibility_timeout_of_zero_gives_the_same_order_from_the_start() {
    let mut scene = Scene::fifo();
    scene.send("g1-m1 g2-m1 g2-m2 g1-m2");
    assert_eq!(scene.pop_for(3, 0), "g1-m1 g1-m2 g2-m1");
    assert_eq!(scene.pop_for(10, 0), "g1-m1 g1-m2 g2-m1 g2-m2");
    let view = scene.queue.view(scene.slot("g1-m1")).unwrap();
    assert_eq!(view.receive_count, 2);
    assert_eq!(scene.ack("g1-m1"), Outcome::Stale, "its lease has ended");
}

#[test]
fn the_original_order_is_back_when_the_timeout_has_lapsed() {
    let mut scene = Scene::fifo();
    scene.send("g1-m1 g2-m1 g1-m2 g3-m1");
    let all = "g1-m1 g1-m2 g2-m1 g3-m1";
    for _ in 0..3 {
        assert_eq!(scene.pop(10), all);
        assert_eq!(scene.pop(10), "");
        scene.wait(30_000);
    }
}

#[test]
fn a_group_that_lapses_goes_behind_the_groups_that_wait() {
    let mut scene = Scene::fifo();
    scene.send("g1-m1 g1-m2 g1-m3 g1-m4 g2-m1 g3-m1");
    assert_eq!(scene.pop(2), "g1-m1 g1-m2");
    assert_eq!(scene.pop(1), "g2-m1");
    scene.wait(30_000);
    assert_eq!(scene.pop(10), "g3-m1 g1-m1 g1-m2 g1-m3 g1-m4 g2-m1");
}

#[test]
fn a_group_works_again_after_its_last_message_was_deleted() {
    let mut scene = Scene::fifo();
    for round in 0..3 {
        let (first, second) = (format!("g1-m{round}"), format!("g1-n{round}"));
        scene.send(&format!("{first} {second}"));
        assert_eq!(scene.pop(10), format!("{first} {second}"));
        scene.ack_each(&format!("{second} {first}"));
        assert_eq!((scene.pop(10), scene.queue.is_empty()), (String::new(), true));
    }
}

#[test]
fn blocked_messages_are_counted_as_ready_and_not_as_in_flight() {
    let mut scene = Scene::fifo();
    scene.send("g1-m1 g1-m2 g1-m3 g2-m1");
    assert_eq!(scene.pop(1), "g1-m1");
    assert_eq!(scene.counts(), counts(3, 0, 1, 0));
    assert_eq!(scene.queue.more(scene.now_ms), 1, "one of g2, none of g1");
}

#[test]
fn leases_that_lapse_in_any_order_give_messages_back_in_the_order_of_the_group() {
    let orders = [[1, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]];
    for order in orders {
        let mut scene = Scene::fifo();
        scene.send("g-m1 g-m2 g-m3");
        assert_eq!(scene.pop(10), "g-m1 g-m2 g-m3");
        for (second, message) in (1..).zip(order) {
            assert_eq!(scene.extend(&format!("g-m{message}"), second * 1_000), Outcome::Done);
        }
        let mut lapsed = Vec::new();
        for message in order {
            scene.wait(1_000);
            lapsed.push(message);
            let front: Vec<String> =
                (1..=3).take_while(|n| lapsed.contains(n)).map(|n| format!("g-m{n}")).collect();
            assert_eq!(scene.pop_for(10, 0), front.join(" "), "{lapsed:?} of {order:?} lapsed");
        }
    }
}

#[test]
fn lapses_that_nobody_watched_change_no_order() {
    let mut scene = Scene::fifo();
    scene.send("g-m1 g-m2 g-m3");
    assert_eq!(scene.pop(10), "g-m1 g-m2 g-m3");
    scene.extend("g-m1", 3_000);
    scene.extend("g-m2", 1_000);
    scene.extend("g-m3", 2_000);
    scene.wait(3_000);
    assert_eq!(scene.pop(10), "g-m1 g-m2 g-m3");
}

#[test]
fn a_message_that_was_released_comes_first_again_and_one_released_with_delay_blocks_its_group() {
    let mut scene = Scene::fifo();
    scene.send("g-m1 g-m2 g-m3");
    assert_eq!(scene.pop(2), "g-m1 g-m2");
    assert_eq!(scene.release("g-m2", 0), Outcome::Done);
    assert_eq!(scene.pop(10), "");
    assert_eq!(scene.release("g-m1", 5_000), Outcome::Done);
    assert_eq!(scene.pop(10), "");
    assert_eq!(scene.counts(), counts(2, 1, 0, 0));
    scene.wait(5_000);
    assert_eq!(scene.pop(10), "g-m1 g-m2 g-m3");
}

#[test]
fn groups_bounds_from_how_many_groups_messages_come() {
    let mut scene = Scene::fifo();
    scene.send("a-1 a-2 b-1 c-1 d-1");
    let from = |groups| PopOptions { count: 10, groups: Some(groups), ..PopOptions::default() };
    let popped = scene.pop_with(&from(1));
    assert_eq!(scene.names(&popped), "a-1 a-2");
    let popped = scene.pop_with(&from(2));
    assert_eq!(scene.names(&popped), "b-1 c-1");
    let popped = scene.pop_with(&from(9));
    assert_eq!(scene.names(&popped), "d-1");
}

#[test]
fn a_group_of_which_all_expired_does_not_count_for_groups() {
    let mut scene = Scene::fifo();
    scene.set(AttributeName::MessageRetentionPeriod, "60");
    scene.send("a-1 b-1");
    scene.wait(MINUTE_MS);
    scene.send("b-2 c-1");
    let popped =
        scene.pop_with(&PopOptions { count: 10, groups: Some(2), ..PopOptions::default() });
    assert_eq!(scene.names(&popped), "b-2 c-1");
    assert_eq!(popped.dropped.len(), 2);
}

#[test]
fn max_bytes_ends_within_a_group_without_leaving_a_gap() {
    let mut scene = Scene::fifo();
    scene.send("a-1 a-22222222 a-3 b-1");
    let popped =
        scene.pop_with(&PopOptions { count: 10, max_bytes: Some(7), ..PopOptions::default() });
    assert_eq!(scene.names(&popped), "a-1", "a-3 and b-1 would fit but come later");
    assert_eq!(scene.pop(10), "b-1");
    scene.ack_each("a-1");
    let popped =
        scene.pop_with(&PopOptions { count: 10, max_bytes: Some(1), ..PopOptions::default() });
    assert_eq!(scene.names(&popped), "a-22222222", "one always comes");
}

#[test]
fn the_delay_of_the_queue_holds_each_message_back_and_with_it_those_behind() {
    let mut scene = Scene::fifo();
    scene.set(AttributeName::DelaySeconds, "10");
    scene.send("a-1");
    scene.wait(5_000);
    scene.send("a-2 b-1");
    assert_eq!(scene.counts(), counts(0, 3, 0, 0));
    scene.wait(4_999);
    assert_eq!(scene.pop(10), "");
    scene.wait(1);
    assert_eq!(scene.pop(10), "a-1");
    scene.wait(5_000);
    assert_eq!(scene.pop(10), "b-1");
    scene.ack_each("a-1");
    assert_eq!(scene.pop(10), "a-2");
}

#[test]
fn a_changed_delay_counts_for_the_messages_that_are_there_and_were_never_received() {
    let mut scene = Scene::fifo();
    scene.send("a-1 b-1 b-2");
    assert_eq!(scene.pop(1), "a-1");
    scene.set(AttributeName::DelaySeconds, "10");
    assert_eq!(scene.counts(), counts(0, 2, 1, 0));
    assert_eq!(scene.extend("a-1", 0), Outcome::Done);
    assert_eq!(scene.pop(10), "a-1", "it was received");
    scene.wait(10_000);
    assert_eq!(scene.pop(10), "b-1 b-2");

    scene.send("c-1");
    assert_eq!(scene.pop(10), "");
    scene.queue.take_hint();
    scene.set(AttributeName::DelaySeconds, "0");
    assert!(scene.queue.take_hint().is_some());
    assert_eq!(scene.pop(10), "c-1");
}

#[test]
fn a_delay_of_a_single_message_is_refused_and_zero_means_the_queues() {
    let mut scene = Scene::fifo();
    scene.set(AttributeName::DelaySeconds, "10");
    let options = SendOptions {
        group: Some(b"g"),
        dedup_id: Some(b"1"),
        delay_ms: Some(1),
        ..SendOptions::default()
    };
    assert_eq!(scene.send_with(&options), Err(Error::DelayOnFifo));
    scene.send_with(&SendOptions { delay_ms: Some(0), ..options }).unwrap();
    assert_eq!(scene.counts(), counts(0, 1, 0, 0));
}

#[test]
fn a_message_needs_a_group_and_an_id_or_a_queue_that_takes_its_content_for_one() {
    let mut scene = Scene::fifo();
    let none = SendOptions { body: b"x", ..SendOptions::default() };
    assert_eq!(
        scene.send_with(&SendOptions { dedup_id: Some(b"1"), ..none }),
        Err(Error::GroupRequired)
    );
    let grouped = SendOptions { group: Some(b"g"), ..none };
    assert_eq!(scene.send_with(&grouped), Err(Error::DeduplicationRequired));
    for length in [0, 129] {
        let id = vec![b'x'; length];
        let group = SendOptions { group: Some(&id), dedup_id: Some(b"1"), ..none };
        assert_eq!(scene.send_with(&group), Err(Error::InvalidId));
        let dedup_id = SendOptions { dedup_id: Some(&id), ..grouped };
        assert_eq!(scene.send_with(&dedup_id), Err(Error::InvalidId));
    }
    assert_eq!((scene.queue.len(), scene.queue.last_sequence()), (0, 0));
    scene.set(AttributeName::ContentBasedDeduplication, "true");
    scene.send_with(&grouped).unwrap();
    let id = vec![b'x'; 128];
    scene.send_with(&SendOptions { group: Some(&id), dedup_id: Some(&id), ..none }).unwrap();
}

#[test]
fn an_expired_message_blocks_nobody() {
    let mut scene = Scene::fifo();
    scene.set(AttributeName::MessageRetentionPeriod, "60");
    scene.send("a-1");
    scene.wait(30_000);
    scene.send("a-2 b-1");
    assert_eq!(scene.pop(1), "a-1");
    assert_eq!(scene.extend("a-1", 600_000), Outcome::Done);
    scene.wait(30_000);
    assert_eq!(scene.queue.sweep(scene.now_ms, 10).dropped.len(), 1, "in flight or not");
    scene.queue.check().unwrap();
    assert_eq!(scene.ack("a-1"), Outcome::Gone);
    assert_eq!(scene.pop(10), "b-1 a-2");
}

#[test]
fn a_message_that_dies_makes_way_for_the_next_of_its_group_in_the_same_receive() {
    let mut scene = Scene::fifo();
    scene.let_die_after(1);
    scene.send("a-1 a-2 b-1");
    assert_eq!(scene.pop(1), "a-1");
    scene.wait(30_000);
    let popped = scene.pop_with(&PopOptions { count: 10, ..PopOptions::default() });
    assert_eq!(scene.names(&popped), "b-1 a-2");
    assert_eq!(scene.names_of(&popped.died), "a-1");
    assert_eq!(scene.counts(), counts(0, 0, 2, 1));
}

#[test]
fn a_letter_given_another_life_is_the_first_of_its_group_again() {
    let mut scene = Scene::fifo();
    scene.let_die_after(1);
    scene.send("a-1 a-2 a-3");
    assert_eq!(scene.pop_for(1, 0), "a-1");
    assert_eq!(scene.pop(1), "a-2");
    assert_eq!(scene.queue.dead(), 1);
    assert_eq!(scene.queue.revive(scene.now_ms, 10, false).len(), 1);
    scene.queue.check().unwrap();
    assert_eq!(scene.pop(10), "a-1");
    scene.ack_each("a-1 a-2");
    assert_eq!(scene.pop(10), "a-3");
}

#[test]
fn a_receipt_acts_only_while_its_lease_runs() {
    let mut scene = Scene::fifo();
    scene.send("a-1");
    scene.pop(1);
    scene.wait(30_000);
    assert_eq!(scene.ack("a-1"), Outcome::Stale);
    assert_eq!(scene.extend("a-1", 1_000), Outcome::Stale);
    let old = scene.receipt("a-1");
    assert_eq!(scene.pop(1), "a-1");
    assert_eq!(scene.queue.acknowledge(scene.now_ms, &old, Demand::Any), Outcome::Stale);
    let extension =
        Extension { visibility_timeout_ms: 0, demand: Demand::Any, unless_changed_due_ms: None };
    assert_eq!(scene.queue.extend(scene.now_ms, &old, &extension), Outcome::Stale);
    assert_eq!(scene.queue.release(scene.now_ms, &old, 0), Outcome::Stale);
    assert_eq!(scene.ack("a-1"), Outcome::Done);
    assert_eq!(scene.ack("a-1"), Outcome::Gone);
}

#[test]
fn a_full_flight_is_never_an_error_and_ends_with_an_acknowledgement() {
    let mut scene = Scene::fifo();
    scene.send("a-1 a-2 b-1 c-1");
    let options = PopOptions { count: 10, in_flight_max: 2, ..PopOptions::default() };
    let popped = scene.pop_with(&options);
    assert_eq!((scene.names(&popped), popped.is_limited), ("a-1 a-2".to_owned(), false));
    let popped = scene.pop_with(&options);
    assert_eq!((scene.names(&popped), popped.is_limited), (String::new(), true));
    scene.ack_each("a-2");
    let popped = scene.pop_with(&options);
    assert_eq!(scene.names(&popped), "b-1");
}

#[test]
fn a_waiter_learns_that_a_group_is_unblocked() {
    let mut scene = Scene::fifo();
    scene.send("a-1 a-2");
    assert!(scene.queue.take_hint().is_some());
    assert_eq!(scene.pop(1), "a-1");
    assert_eq!(scene.queue.take_hint(), None);
    assert_eq!(scene.queue.next_wait_ms(scene.now_ms), Some(30_000));
    scene.ack_each("a-1");
    let hint = scene.queue.take_hint().unwrap();
    assert!(hint.due_ms <= scene.now_ms);
    assert_eq!(scene.queue.next_wait_ms(scene.now_ms), Some(0));
}

#[test]
fn a_clock_that_steps_back_keeps_order_and_hides_nothing_that_was_offered() {
    let mut scene = Scene::fifo();
    scene.send("a-1");
    scene.now_ms -= 60 * MINUTE_MS;
    scene.send("a-2 b-1");
    assert_eq!(scene.pop(10), "a-1 a-2 b-1");
}

#[test]
fn order_survives_a_restart_with_leases_and_delays() {
    let mut scene = Scene::fifo();
    scene.send("a-1 a-2 b-1 b-2 c-1");
    assert_eq!(scene.pop(1), "a-1");
    scene.reload();
    assert_eq!(scene.pop(10), "b-1 b-2 c-1");
    scene.reload();
    assert_eq!(scene.ack("a-1"), Outcome::Done);
    scene.wait(30_000);
    scene.reload();
    assert_eq!(scene.pop(10), "a-2 b-1 b-2 c-1");
}

#[test]
fn sequence_numbers_have_twenty_digits_and_grow() {
    let mut scene = Scene::fifo();
    let mut last = String::new();
    for n in 0..1_200 {
        scene.send(&format!("g{}-{n}", n % 7));
        let text = sequence_text(scene.queue.last_sequence());
        assert_eq!(text.len(), 20);
        assert!(text.bytes().all(|b| b.is_ascii_digit()) && text > last, "{text} after {last}");
        last = text;
    }
    drop(scene.queue.purge());
    scene.send("g0-x");
    assert!(sequence_text(scene.queue.last_sequence()) > last, "a purge does not start anew");
    assert_eq!(sequence_text((1 << 48) - 1).len(), 20);
}

#[test]
fn a_hundred_groups_take_turns() {
    let mut scene = Scene::fifo();
    for n in 0..3 {
        let bodies: Vec<String> = (0..100).map(|group| format!("g{group}-{n}")).collect();
        scene.send(&bodies.join(" "));
    }
    let mut turns = Vec::new();
    for _ in 0..300 {
        let body = scene.pop(1);
        scene.ack_each(&body);
        turns.push(body);
    }
    let expected: Vec<String> =
        (0..3).flat_map(|n| (0..100).map(move |group| format!("g{group}-{n}"))).collect();
    assert_eq!(turns, expected, "a group whose front was deleted goes to the back");
}
