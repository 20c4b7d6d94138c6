//! Deduplication in FIFO queues: window, scope, content, cap, and what makes a queue forget.

use karin_core::dedup::content_dedup_id;
use karin_core::{AttributeName, Error, Queue, SendOptions};

use crate::common::{HOUR_MS, MINUTE_MS, Scene, digest, rewritten};

const WINDOW_MS: u64 = 5 * MINUTE_MS;

fn options<'a>(group: &'a str, body: &'a str, dedup_id: Option<&'a str>) -> SendOptions<'a> {
    SendOptions {
        body: body.as_bytes(),
        group: Some(group.as_bytes()),
        dedup_id: dedup_id.map(str::as_bytes),
        ..SendOptions::default()
    }
}

/// Sends; the sequence number, and whether the message is new.
fn send(scene: &mut Scene, group: &str, body: &str, dedup_id: Option<&str>) -> (u64, bool) {
    let sent = scene.send_with(&options(group, body, dedup_id)).unwrap();
    (sent.sequence, sent.slot.is_some())
}

#[test]
fn a_duplicate_is_answered_with_the_original_and_not_sent() {
    let mut scene = Scene::fifo();
    assert_eq!(send(&mut scene, "a", "a-1", Some("id")), (1, true));
    assert_eq!(send(&mut scene, "a", "a-2", Some("id")), (1, false));
    assert_eq!(send(&mut scene, "a", "a-3", Some("other")), (2, true));
    assert_eq!(scene.pop(10), "a-1 a-3");
    assert_eq!(scene.queue.last_sequence(), 2);
}

#[test]
fn an_id_counts_for_five_minutes_from_the_first_send_which_duplicates_do_not_prolong() {
    let mut scene = Scene::fifo();
    send(&mut scene, "a", "a-1", Some("id"));
    scene.wait(WINDOW_MS - 1);
    assert_eq!(send(&mut scene, "a", "a-2", Some("id")), (1, false));
    scene.wait(1);
    assert_eq!(send(&mut scene, "a", "a-3", Some("id")), (2, true));
    assert_eq!(send(&mut scene, "a", "a-4", Some("id")), (2, false));
}

#[test]
fn an_id_survives_receive_delete_and_restart() {
    let mut scene = Scene::fifo();
    send(&mut scene, "a", "a-1", Some("id"));
    assert_eq!(scene.pop(1), "a-1");
    assert_eq!(send(&mut scene, "a", "a-1", Some("id")), (1, false));
    scene.ack_each("a-1");
    scene.reload();
    assert_eq!(send(&mut scene, "a", "a-1", Some("id")), (1, false));
    assert!(scene.queue.is_empty());
}

#[test]
fn a_purge_forgets_ids() {
    let mut scene = Scene::fifo();
    send(&mut scene, "a", "a-1", Some("id"));
    drop(scene.queue.purge());
    assert_eq!(send(&mut scene, "a", "a-1", Some("id")), (2, true));
}

#[test]
fn the_scope_is_the_queue_or_the_group() {
    let mut scene = Scene::fifo();
    send(&mut scene, "a", "a-1", Some("id"));
    assert_eq!(send(&mut scene, "b", "b-1", Some("id")), (1, false));
    scene.set(AttributeName::DeduplicationScope, "messageGroup");
    assert_eq!(send(&mut scene, "a", "a-2", Some("x")), (2, true));
    assert_eq!(send(&mut scene, "b", "b-2", Some("x")), (3, true));
    assert_eq!(send(&mut scene, "b", "b-3", Some("x")), (3, false));
    assert_eq!(send(&mut scene, "a", "a-3", Some("x")), (2, false));
}

#[test]
fn group_and_id_are_told_apart() {
    let mut scene = Scene::fifo();
    scene.set(AttributeName::DeduplicationScope, "messageGroup");
    assert_eq!(send(&mut scene, "ab", "1", Some("c")), (1, true));
    assert_eq!(send(&mut scene, "a", "2", Some("bc")), (2, true));
}

#[test]
fn the_content_stands_for_a_missing_id_and_an_explicit_one_wins() {
    let mut scene = Scene::fifo();
    scene.set(AttributeName::ContentBasedDeduplication, "true");
    assert_eq!(send(&mut scene, "a", "same", None), (1, true));
    assert_eq!(send(&mut scene, "b", "same", None), (1, false));
    assert_eq!(send(&mut scene, "a", "other", None), (2, true));
    assert_eq!(send(&mut scene, "a", "same", Some("id")), (3, true));
    assert_eq!(send(&mut scene, "a", "new", Some("id")), (3, false));
    assert_eq!(scene.pop(10), "same other same");
    let ids: Vec<_> =
        scene.queue.slots().map(|slot| scene.queue.view(slot).unwrap().dedup_id.to_vec()).collect();
    assert_eq!(ids[0], content_dedup_id(b"same"));
    assert_eq!(ids[2], b"id");
    let hash = content_dedup_id(b"same");
    let explicit = std::str::from_utf8(&hash).unwrap();
    assert_eq!(send(&mut scene, "a", "x", Some(explicit)), (1, false), "the hash is an id");
}

#[test]
fn the_content_hash_is_sha256_in_hex_and_a_caller_may_bring_it() {
    // The SHA-256 of "abc", FIPS 180-2 appendix B.1.
    let hash = b"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(&content_dedup_id(b"abc"), hash);
    let mut scene = Scene::fifo();
    scene.set(AttributeName::ContentBasedDeduplication, "true");
    let brought = SendOptions { body_sha256: Some(hash), ..options("a", "abc", None) };
    scene.send_with(&brought).unwrap();
    assert_eq!(send(&mut scene, "a", "abc", None), (1, false));
    let cut = SendOptions { body_sha256: Some(&hash[..63]), ..options("a", "abc", None) };
    assert_eq!(scene.send_with(&cut).unwrap().slot, None, "no hash is computed anew");
}

#[test]
fn a_full_table_refuses_new_ids_and_forgets_none_before_its_time() {
    let mut scene = Scene::fifo();
    let limited = |body, id| SendOptions { dedup_ids_max: 2, ..options("a", body, Some(id)) };
    scene.send_with(&limited("1", "x")).unwrap();
    scene.wait(MINUTE_MS);
    scene.send_with(&limited("2", "y")).unwrap();
    for minute in 1..5 {
        assert_eq!(scene.send_with(&limited("3", "z")), Err(Error::Throttled), "minute {minute}");
        assert_eq!(scene.send_with(&limited("1", "x")).unwrap().slot, None);
        assert_eq!(scene.send_with(&limited("2", "y")).unwrap().slot, None);
        scene.wait(if minute < 4 { MINUTE_MS } else { MINUTE_MS - 1 });
    }
    assert_eq!(scene.queue.last_sequence(), 2);
    assert_eq!(scene.send_with(&limited("3", "z")), Err(Error::Throttled));
    scene.wait(1);
    scene.send_with(&limited("3", "z")).unwrap();
    assert_eq!(scene.send_with(&limited("4", "w")), Err(Error::Throttled));
    assert_eq!(scene.send_with(&limited("2", "y")).unwrap().slot, None, "y has a minute left");
}

#[test]
fn a_refused_message_is_no_original() {
    let mut scene = Scene::fifo();
    scene.set(AttributeName::MaximumMessageSize, "1");
    assert!(scene.send_with(&options("a", "12", Some("id"))).is_err());
    assert_eq!(send(&mut scene, "a", "1", Some("id")), (1, true));
}

#[test]
fn a_replica_that_is_told_messages_alone_remembers_the_same_ids() {
    let mut scene = Scene::fifo();
    let mut replica = Queue::decode_header(&scene.queue.encode_header()).unwrap();
    for n in 0..400 {
        scene.wait(2_000);
        let id = (n % 170).to_string();
        if let Some(slot) = scene.send_with(&options("a", "x", Some(&id))).unwrap().slot {
            let meta = scene.queue.encode_meta(slot).unwrap();
            let put = [(meta.as_slice(), scene.queue.payload(slot).unwrap())];
            replica.apply_puts(&put).unwrap();
            replica.apply_puts(&put).unwrap();
        }
        assert_eq!(digest(&replica), digest(&scene.queue), "after {n}");
    }
    let mut remembered = 0;
    scene.queue.encode_dedup(usize::MAX, &mut |chunk| remembered = chunk.len() / 32);
    assert!((150..=170).contains(&remembered), "{remembered}");
    scene.queue = replica;
    let mut answers = (0, 0);
    for id in 0..170 {
        match scene.send_with(&options("a", "x", Some(&id.to_string()))).unwrap().slot {
            Some(_) => answers.0 += 1,
            None => answers.1 += 1,
        }
    }
    assert_eq!(answers, (20, 150), "150 were accepted within the last 300 s");
}

#[test]
fn a_table_is_saved_in_chunks_and_bad_chunks_are_refused_whole() {
    let mut scene = Scene::fifo();
    for n in 0..10 {
        send(&mut scene, "a", "x", Some(&n.to_string()));
    }
    let mut chunks = Vec::new();
    scene.queue.encode_dedup(4, &mut |chunk| chunks.push(chunk.to_vec()));
    assert_eq!(chunks.iter().map(Vec::len).collect::<Vec<_>>(), [128, 128, 64]);
    let mut other = Scene::fifo().queue;
    for length in (1..128).filter(|length| length % 32 != 0) {
        assert!(other.apply_dedup(&chunks[0][..length]).is_err(), "cut at {length}");
    }
    let mut bad = chunks[0].clone();
    bad[112..120].copy_from_slice(&0_u64.to_le_bytes());
    assert!(other.apply_dedup(&bad).is_err(), "sequence number 0 in the last entry");
    let mut saved = 0;
    other.encode_dedup(9, &mut |_| saved += 1);
    assert_eq!(saved, 0, "nothing of a bad chunk was taken");
}

#[test]
fn a_clock_that_was_ahead_forgets_no_id_before_its_time() {
    let mut scene = Scene::fifo();
    send(&mut scene, "a", "1", Some("before"));
    scene.now_ms += HOUR_MS;
    send(&mut scene, "a", "2", Some("ahead"));
    scene.now_ms -= HOUR_MS;
    assert_eq!(send(&mut scene, "a", "3", Some("ahead")), (2, false));
}

#[test]
fn a_rewrite_of_the_append_only_file_brings_no_forgotten_id_back() {
    let mut scene = Scene::fifo();
    send(&mut scene, "a", "1", Some("old"));
    scene.wait(WINDOW_MS);
    send(&mut scene, "a", "2", Some("young"));
    let mut ids = 0;
    rewritten(&scene.queue).encode_dedup(1, &mut |_| ids += 1);
    assert_eq!(ids, 1, "the first message is there, its id is forgotten");
    assert_eq!(digest(&rewritten(&scene.queue)), digest(&scene.queue));
}

#[test]
fn an_id_is_accepted_anew_behind_one_of_a_clock_that_was_ahead() {
    let mut scene = Scene::fifo();
    scene.now_ms += MINUTE_MS;
    send(&mut scene, "a", "1", Some("ahead"));
    scene.now_ms -= MINUTE_MS;
    send(&mut scene, "a", "2", Some("right"));
    scene.wait(WINDOW_MS);
    assert_eq!(send(&mut scene, "a", "3", Some("ahead")), (1, false));
    assert_eq!(send(&mut scene, "a", "4", Some("right")), (3, true));
    assert_eq!(send(&mut scene, "a", "5", Some("right")), (3, false));
}
