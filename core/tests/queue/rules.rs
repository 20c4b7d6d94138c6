//! The rules of a standard queue, one sentence a test.

use karin_core::{
    AttributeName, Attributes, Counts, Demand, Error, Extension, Outcome, PopOptions, Popped,
    Queue, Receipt, SendOptions, Tags,
};

const T0: u64 = 1_700_000_000_000;

fn queue() -> Queue {
    Queue::new(7, T0, Attributes::default(), Tags::default())
}

fn send(queue: &mut Queue, now_ms: u64, body: &str, delay_ms: u64) -> u64 {
    let options =
        SendOptions { body: body.as_bytes(), delay_ms: Some(delay_ms), ..SendOptions::default() };
    queue.send(now_ms, &options).unwrap().sequence
}

fn pop_with(queue: &mut Queue, now_ms: u64, options: PopOptions) -> Popped {
    let mut lease = queue.last_sequence() as u32 * 1_000 + (now_ms % 1_000) as u32;
    queue.pop_due(now_ms, &options, &mut || {
        lease += 1;
        lease
    })
}

/// Pops up to `count` for 30 s and returns bodies and receipts.
fn pop(queue: &mut Queue, now_ms: u64, count: usize) -> Vec<(String, Receipt)> {
    let options = PopOptions {
        count,
        visibility_timeout_ms: Some(30_000),
        holder: 0,
        ..PopOptions::default()
    };
    let popped = pop_with(queue, now_ms, options);
    queue.check().unwrap();
    popped.leased.iter().map(|&slot| (body(queue, slot), queue.receipt(slot).unwrap())).collect()
}

fn body(queue: &Queue, slot: u32) -> String {
    String::from_utf8(queue.view(slot).unwrap().body.to_vec()).unwrap()
}

fn bodies(popped: &[(String, Receipt)]) -> Vec<&str> {
    popped.iter().map(|(body, _)| body.as_str()).collect()
}

fn extension(visibility_timeout_ms: u64, demand: Demand) -> Extension {
    Extension { visibility_timeout_ms, demand, unless_changed_due_ms: None }
}

#[test]
fn messages_come_in_the_order_of_due_time_then_sequence() {
    let mut queue = queue();
    send(&mut queue, T0, "late", 2_000);
    send(&mut queue, T0, "first", 0);
    send(&mut queue, T0, "second", 0);
    assert_eq!(bodies(&pop(&mut queue, T0, 10)), ["first", "second"]);
    send(&mut queue, T0 + 3_000, "last", 0);
    assert_eq!(bodies(&pop(&mut queue, T0 + 3_000, 10)), ["late", "last"]);
}

#[test]
fn a_delayed_message_is_handed_out_at_its_time_and_not_before() {
    let mut queue = queue();
    send(&mut queue, T0, "world", 10_000);
    send(&mut queue, T0, "hello", 5_000);
    assert_eq!(queue.next_due_ms(), Some(T0 + 5_000));
    assert!(pop(&mut queue, T0 + 4_999, 10).is_empty());
    assert_eq!(bodies(&pop(&mut queue, T0 + 5_000, 10)), ["hello"]);
    assert!(pop(&mut queue, T0 + 9_999, 10).is_empty());
    assert_eq!(bodies(&pop(&mut queue, T0 + 10_000, 10)), ["world"]);
}

#[test]
fn a_leased_message_comes_back_when_its_lease_lapses_and_counts_receives() {
    let mut queue = queue();
    send(&mut queue, T0, "a", 0);
    let first = pop(&mut queue, T0 + 10, 1);
    assert!(pop(&mut queue, T0 + 30_009, 1).is_empty());
    let second = pop(&mut queue, T0 + 30_010, 1);
    let view = queue.view(second[0].1.slot).unwrap();
    assert_eq!((view.receive_count, view.first_received_ms), (2, T0 + 10));
    assert_ne!(first[0].1.lease, second[0].1.lease);
}

#[test]
fn a_visibility_timeout_of_zero_does_not_hand_out_a_message_twice_in_one_call() {
    let mut queue = queue();
    send(&mut queue, T0, "a", 0);
    send(&mut queue, T0, "b", 0);
    let options = PopOptions {
        count: 10,
        visibility_timeout_ms: Some(0),
        holder: 0,
        ..PopOptions::default()
    };
    assert_eq!(pop_with(&mut queue, T0, options).leased.len(), 2);
    assert_eq!(bodies(&pop(&mut queue, T0, 10)), ["a", "b"]);
}

#[test]
fn any_receipt_of_a_standard_queue_deletes_and_only_the_current_one_where_demanded() {
    let mut queue = queue();
    send(&mut queue, T0, "a", 0);
    let old = pop(&mut queue, T0, 1)[0].1;
    let now_ms = T0 + 30_000;
    let new = pop(&mut queue, now_ms, 1)[0].1;
    assert_eq!(queue.acknowledge(now_ms, &old, Demand::Current), Outcome::Stale);
    assert_eq!(queue.acknowledge(now_ms, &old, Demand::Any), Outcome::Done);
    assert_eq!(queue.acknowledge(now_ms, &new, Demand::Any), Outcome::Gone);
    assert_eq!(
        queue.acknowledge(now_ms, &Receipt { uid: 8, ..new }, Demand::Any),
        Outcome::Foreign
    );
    queue.check().unwrap();
}

#[test]
fn a_lapsed_lease_is_current_until_somebody_else_receives() {
    let mut queue = queue();
    send(&mut queue, T0, "a", 0);
    let receipt = pop(&mut queue, T0, 1)[0].1;
    assert_eq!(
        queue.extend(T0 + 40_000, &receipt, &extension(10_000, Demand::Current)),
        Outcome::Done
    );
    assert!(pop(&mut queue, T0 + 49_999, 1).is_empty());
    assert_eq!(pop(&mut queue, T0 + 50_000, 1).len(), 1);
    assert_eq!(
        queue.extend(T0 + 50_000, &receipt, &extension(10_000, Demand::Current)),
        Outcome::Stale
    );
}

#[test]
fn extending_counts_from_now_and_zero_makes_it_due_at_once() {
    let mut queue = queue();
    send(&mut queue, T0, "a", 0);
    let receipt = pop(&mut queue, T0, 1)[0].1;
    assert_eq!(queue.extend(T0, &receipt, &extension(0, Demand::Any)), Outcome::Done);
    assert_eq!(queue.counts(T0).ready, 1);
    assert_eq!(queue.extend(T0, &receipt, &extension(10_000, Demand::Any)), Outcome::Done);
    assert_eq!(queue.counts(T0), Counts { ready: 0, delayed: 0, in_flight: 1, dead: 0 });
    let unless = Extension { unless_changed_due_ms: Some(T0), ..extension(1, Demand::Any) };
    assert_eq!(queue.extend(T0, &receipt, &unless), Outcome::Changed);
    assert_eq!(queue.next_due_ms(), Some(T0 + 10_000));
}

#[test]
fn a_released_message_forgets_the_receive_and_the_receipt() {
    let mut queue = queue();
    send(&mut queue, T0, "a", 0);
    let receipt = pop(&mut queue, T0, 1)[0].1;
    assert_eq!(queue.release(T0 + 1, &receipt, 500), Outcome::Done);
    assert_eq!(queue.release(T0 + 1, &receipt, 500), Outcome::Stale);
    assert_eq!(queue.counts(T0 + 1), Counts { ready: 0, delayed: 1, in_flight: 0, dead: 0 });
    let again = pop(&mut queue, T0 + 501, 1);
    let view = queue.view(again[0].1.slot).unwrap();
    assert_eq!((view.receive_count, view.first_received_ms), (1, T0 + 501));
}

#[test]
fn a_holder_gives_back_all_it_has_and_nothing_else() {
    let mut queue = queue();
    for n in 0..5 {
        send(&mut queue, T0, &n.to_string(), 0);
    }
    let options =
        PopOptions { count: 3, visibility_timeout_ms: None, holder: 9, ..PopOptions::default() };
    pop_with(&mut queue, T0, options);
    pop_with(&mut queue, T0, PopOptions { holder: 4, ..options });
    assert_eq!(queue.release_holder(T0 + 1, 9, 2).len(), 2);
    assert_eq!(queue.release_holder(T0 + 1, 9, 2).len(), 1);
    assert_eq!(queue.release_holder(T0 + 1, 0, 9).len(), 0);
    assert_eq!(queue.counts(T0 + 1), Counts { ready: 3, delayed: 0, in_flight: 2, dead: 0 });
    queue.check().unwrap();
}

#[test]
fn expired_messages_are_dropped_and_never_handed_out() {
    let mut attributes = Attributes::default();
    attributes.set(AttributeName::MessageRetentionPeriod, b"60").unwrap();
    let mut queue = Queue::new(1, T0, attributes, Tags::default());
    send(&mut queue, T0, "old", 0);
    send(&mut queue, T0 + 30_000, "young", 0);
    let options =
        PopOptions { count: 10, visibility_timeout_ms: None, holder: 0, ..PopOptions::default() };
    let popped = pop_with(&mut queue, T0 + 60_000, options);
    assert_eq!(popped.dropped.len(), 1);
    assert_eq!(body(&queue, popped.leased[0]), "young");
    queue.check().unwrap();
}

#[test]
fn max_bytes_bounds_a_pop_but_one_message_always_comes() {
    let mut queue = queue();
    for body in ["12345", "123", "1"] {
        send(&mut queue, T0, body, 0);
    }
    let options = PopOptions {
        count: 10,
        visibility_timeout_ms: None,
        max_bytes: Some(4),
        holder: 0,
        ..PopOptions::default()
    };
    assert_eq!(pop_with(&mut queue, T0, options).leased.len(), 1);
    assert_eq!(pop_with(&mut queue, T0, options).leased.len(), 2);
}

#[test]
fn what_is_too_large_or_would_expire_first_is_refused_and_changes_nothing() {
    let mut attributes = Attributes::default();
    attributes.set(AttributeName::MaximumMessageSize, b"3").unwrap();
    attributes.set(AttributeName::MessageRetentionPeriod, b"1000").unwrap();
    let mut queue = Queue::new(1, T0, attributes, Tags::default());
    let options = SendOptions { body: b"1234", ..SendOptions::default() };
    let refused = Error::TooLarge { size_bytes: 4, maximum_message_size_bytes: 3 };
    assert_eq!(queue.send(T0, &options), Err(refused));
    let delayed = SendOptions { body: b"1", delay_ms: Some(1_000_001), ..SendOptions::default() };
    assert_eq!(queue.send(T0, &delayed), Err(Error::DelayBeyondRetention));
    assert_eq!((queue.len(), queue.last_sequence(), queue.take_hint()), (0, 0, None));
    queue.check().unwrap();
}

#[test]
fn purging_drops_everything_and_keeps_the_sequence() {
    let mut queue = queue();
    send(&mut queue, T0, "a", 0);
    send(&mut queue, T0, "b", 5_000);
    let receipt = pop(&mut queue, T0, 1)[0].1;
    assert_eq!(queue.purge().count(), 2);
    assert_eq!(queue.acknowledge(T0, &receipt, Demand::Any), Outcome::Gone);
    assert_eq!(send(&mut queue, T0, "c", 0), 3);
    assert_eq!(queue.bytes(), 1);
    queue.check().unwrap();
}

#[test]
fn hints_come_when_and_only_when_the_earliest_due_time_gets_earlier() {
    let mut queue = queue();
    let hint = |queue: &mut Queue| queue.take_hint().map(|hint| (hint.due_ms, hint.number));
    send(&mut queue, T0, "later", 9_000);
    assert_eq!(hint(&mut queue), Some((T0 + 9_000, 1)));
    send(&mut queue, T0, "sooner", 5_000);
    assert_eq!(hint(&mut queue), Some((T0 + 5_000, 2)));
    send(&mut queue, T0, "in between", 7_000);
    assert_eq!(hint(&mut queue), None);
    let receipt = pop(&mut queue, T0 + 5_000, 1)[0].1;
    assert_eq!(hint(&mut queue), None);
    queue.extend(T0 + 5_001, &receipt, &extension(0, Demand::Any));
    assert_eq!(hint(&mut queue), Some((T0 + 5_001, 3)));
    assert_eq!(queue.touch_hint().map(|hint| hint.number), Some(4));
}

#[test]
fn a_clock_that_steps_back_hides_no_message_that_was_sent_at_once() {
    let mut queue = queue();
    send(&mut queue, T0, "a", 0);
    send(&mut queue, T0 - 3_600_000, "b", 0);
    assert_eq!(bodies(&pop(&mut queue, T0 - 3_600_000, 10)), ["b", "a"]);
}

#[test]
fn message_ids_are_uuids_and_differ() {
    let queue = queue();
    let mut seen = std::collections::BTreeSet::new();
    for sequence in 1..10_000 {
        let id = String::from_utf8(queue.message_id(sequence).to_vec()).unwrap();
        assert_eq!((&id[14..15], id.matches('-').count()), ("4", 4), "{id}");
        assert!("89ab".contains(&id[19..20]), "{id}");
        assert!(seen.insert(id));
    }
}

#[test]
fn every_cut_and_every_changed_byte_of_a_snapshot_is_refused_or_harmless() {
    let mut queue = queue();
    send(&mut queue, T0, "a", 0);
    send(&mut queue, T0, "b", 5_000);
    pop(&mut queue, T0, 1);
    let header = queue.encode_header();
    for length in 0..header.len() {
        assert!(Queue::decode_header(&header[..length]).is_err(), "header cut at {length}");
    }
    let (mut chunk, mut whole) = (Vec::new(), vec![0]);
    for slot in queue.slots().collect::<Vec<_>>() {
        queue.encode_record(slot, &mut chunk);
        whole.push(chunk.len());
    }
    let load = |chunk: &[u8]| {
        let mut loaded = Queue::decode_header(&header).unwrap();
        loaded.load_messages(chunk)?;
        loaded.finish_load();
        loaded.check().unwrap();
        Ok::<_, Error>(loaded.len())
    };
    assert_eq!(load(&chunk), Ok(2));
    for length in (0..chunk.len()).filter(|length| !whole.contains(length)) {
        assert!(load(&chunk[..length]).is_err(), "chunk cut at {length}");
    }
    for at in 0..chunk.len() {
        for bit in 0..8 {
            let mut changed = chunk.clone();
            changed[at] ^= 1 << bit;
            let _ = load(&changed);
        }
    }
}

#[test]
fn memory_counts_what_policies_and_tags_take() {
    let mut tags = Tags::default();
    tags.insert(b"name", &vec![b'x'; 60_000]).unwrap();
    let mut queue = Queue::new(7, T0, Attributes::default(), tags);
    let before = queue.memory_bytes();
    assert!(before > 60_000, "{before}");
    let mut attributes = Attributes::default();
    attributes.set(AttributeName::Policy, &vec![b'x'; 50_000]).unwrap();
    queue.set_attributes(T0, attributes);
    assert!(queue.memory_bytes() >= before + 50_000, "{}", queue.memory_bytes());
}

#[test]
fn a_holder_gives_back_in_steps_without_meeting_what_it_gave_back() {
    let mut queue = queue();
    for _ in 0..10 {
        send(&mut queue, T0, "x", 0);
    }
    pop_with(
        &mut queue,
        T0,
        PopOptions { count: 10, visibility_timeout_ms: None, holder: 3, ..PopOptions::default() },
    );
    let steps: Vec<_> = (0..4).map(|_| queue.release_holder(T0 + 1, 3, 4).len()).collect();
    assert_eq!(steps, [4, 4, 2, 0]);
    queue.check().unwrap();
    assert_eq!(pop(&mut queue, T0 + 1, 20).len(), 10);
}

#[test]
fn every_lease_differs_from_the_one_before_and_is_never_zero() {
    for drawn in [0, 1, u32::MAX] {
        let mut queue = queue();
        send(&mut queue, T0, "a", 0);
        let options = PopOptions { visibility_timeout_ms: Some(0), ..PopOptions::default() };
        let mut last = 0;
        for _ in 0..4 {
            let slot = queue.pop_due(T0, &options, &mut || drawn).leased[0];
            let lease = queue.receipt(slot).unwrap().lease;
            assert!(lease != last && lease != 0, "{last} then {lease}, drawn {drawn}");
            last = lease;
        }
    }
}

#[test]
fn a_copy_has_the_messages_and_receipts_of_its_own() {
    let mut queue = queue();
    send(&mut queue, T0, "a", 0);
    send(&mut queue, T0, "b", 0);
    let receipt = pop(&mut queue, T0, 1)[0].1;
    let mut copy = queue.duplicate(8);
    copy.check().unwrap();
    assert_eq!(copy.acknowledge(T0, &receipt, Demand::Any), Outcome::Foreign);
    assert_eq!(bodies(&pop(&mut copy, T0, 10)), ["b"]);
    assert_ne!(copy.message_id(1), queue.message_id(1));
    assert_eq!(queue.acknowledge(T0, &receipt, Demand::Any), Outcome::Done);
    assert_eq!((queue.len(), copy.len()), (1, 2));
}

#[test]
fn a_message_that_nobody_has_can_be_hidden_for_twelve_hours_from_now() {
    let mut queue = queue();
    send(&mut queue, T0, "a", 0);
    let receipt = pop(&mut queue, T0, 1)[0].1;
    let later_ms = T0 + 3_600_000;
    assert_eq!(
        queue.extend(later_ms, &receipt, &extension(43_200_001, Demand::Any)),
        Outcome::TooLong
    );
    assert_eq!(
        queue.extend(later_ms, &receipt, &extension(43_200_000, Demand::Any)),
        Outcome::Done
    );
}

#[test]
fn as_many_messages_as_a_pop_left_are_told_and_when_the_next_comes() {
    let mut queue = queue();
    assert_eq!((queue.more(T0), queue.next_wait_ms(T0)), (0, None));
    for n in 0..5 {
        send(&mut queue, T0, &n.to_string(), 0);
    }
    send(&mut queue, T0, "later", 9_000);
    pop(&mut queue, T0, 3);
    assert_eq!((queue.more(T0), queue.next_wait_ms(T0)), (2, Some(0)));
    pop(&mut queue, T0, 10);
    assert_eq!((queue.more(T0), queue.next_wait_ms(T0)), (0, Some(9_000)));
    assert_eq!(queue.more(T0 + 30_000), 6);
}

#[test]
fn a_holder_gives_back_first_what_would_lapse_first() {
    let mut queue = queue();
    let slots = [30_000, 10_000, 20_000].map(|visibility_timeout_ms| {
        send(&mut queue, T0, "x", 0);
        let visibility_timeout_ms = Some(visibility_timeout_ms);
        let options = PopOptions { visibility_timeout_ms, holder: 3, ..PopOptions::default() };
        pop_with(&mut queue, T0, options).leased[0]
    });
    assert_eq!(queue.release_holder(T0 + 1, 3, 2), [slots[1], slots[2]]);
    assert_eq!(queue.release_holder(T0 + 1, 3, 2), [slots[0]]);
}

#[test]
fn a_holder_gives_back_no_lease_that_ended() {
    let mut queue = queue();
    for body in ["lapsed", "ended", "running"] {
        send(&mut queue, T0, body, 0);
    }
    let take = |queue: &mut Queue, visibility_timeout_ms| {
        let visibility_timeout_ms = Some(visibility_timeout_ms);
        let options = PopOptions { visibility_timeout_ms, holder: 3, ..PopOptions::default() };
        pop_with(queue, T0, options).leased[0]
    };
    let lapsed = take(&mut queue, 10);
    let ended = take(&mut queue, 30_000);
    let running = take(&mut queue, 30_000);
    let receipt = queue.receipt(ended).unwrap();
    queue.extend(T0 + 5, &receipt, &extension(0, Demand::Current));
    assert_eq!(queue.release_holder(T0 + 10, 3, 9), [running]);
    let counts = [lapsed, ended, running].map(|slot| queue.view(slot).unwrap().receive_count);
    assert_eq!(counts, [1, 1, 0]);
}
