//! The promise of the journal: what it took is there after any crash, and what it gives back is
//! what it took. On the simulated disk, whose crashes are keyed draws.
use evenkeel::journal::{Event, Journal, JournalError, Record, read};
use evenkeel::ports::Storage as _;
use evenkeel_sim::disk::{CrashOutcome, Disk, DiskFile};
use proptest::prelude::*;

mod support;
use support::events::{arbitrary, instant, samples};

fn open(disk: &Disk) -> (Journal<DiskFile>, Vec<Record>) {
    Journal::open(disk.file()).expect("an undamaged journal opens")
}

/// A disk with a journal of `count` steps, one record to a sync, and those records.
fn journal_of(count: u8) -> (Disk, Vec<Record>) {
    let disk = Disk::new();
    let (mut journal, _) = open(&disk);
    let mut records = Vec::new();
    for step in 1..=count {
        records.extend(journal.record(instant(), vec![Event::Step { step }]).expect("no fault"));
    }
    (disk, records)
}

fn damaged(bytes: Vec<u8>) -> Option<u64> {
    let disk = Disk::new();
    disk.replace(bytes.clone());
    let opened = Journal::open(disk.file()).map(|(_, records)| records);
    match (opened, read(&bytes)) {
        (Ok(opened), Ok((read, _))) => {
            assert_eq!(opened, read, "opening and reading agree");
            None
        }
        (
            Err(JournalError::Damaged { ordinal, .. }),
            Err(JournalError::Damaged { ordinal: seen, .. }),
        ) => {
            assert_eq!(ordinal, seen, "opening and reading agree");
            assert_eq!(disk.seen(), bytes, "a damaged journal is left as it is, as evidence");
            Some(ordinal)
        }
        (opened, read) => panic!("opening and reading disagree: {opened:?}, {read:?}"),
    }
}

/// Goal: every event comes back as it was, in order, with one sync for each call. Method: write
/// all samples in three calls, open again.
#[test]
fn what_was_recorded_is_read_back() {
    let disk = Disk::new();
    let (mut journal, empty) = open(&disk);
    assert!(empty.is_empty());
    let before = disk.counters().syncs;
    let mut written = Vec::new();
    for chunk in samples().chunks(samples().len().div_ceil(3)) {
        written.extend(journal.record(instant(), chunk.to_vec()).expect("no fault"));
    }
    assert_eq!(disk.counters().syncs - before, 3);
    assert_eq!(journal.record(instant(), Vec::new()).expect("nothing is asked"), []);
    assert_eq!(disk.counters().syncs - before, 3, "nothing to write is nothing to sync");
    let ordinals: Vec<_> = written.iter().map(|record| record.ordinal).collect();
    assert_eq!(ordinals, (0..samples().len() as u64).collect::<Vec<_>>());
    let (journal, read) = open(&disk);
    assert_eq!(read, written);
    assert_eq!(journal.torn_bytes(), 0);
}

/// Goal: a line is what the format's description says, for `jq` and `sha256sum`. Method: read the
/// lines with nothing of ours but a JSON parser, a CRC and a hash.
#[test]
fn a_line_can_be_checked_without_this_program() {
    use sha2::Digest as _;
    let (disk, _) = journal_of(3);
    let text = String::from_utf8(disk.seen()).expect("a journal is text");
    let mut prev = "0".repeat(64);
    for (ordinal, line) in text.split_inclusive('\n').enumerate() {
        let value: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
        assert_eq!(value["ordinal"], ordinal);
        assert_eq!(value["event"]["event"], "step");
        assert_eq!(value["prev"], prev.as_str());
        let (payload, _) = line.split_once(",\"crc\"").expect("every line ends with its CRC");
        assert_eq!(value["crc"], format!("{:08x}", crc32fast::hash(payload.as_bytes())));
        let digest = sha2::Sha256::digest(line.as_bytes());
        prev = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    }
}

/// Goal: wherever a file ends, it opens, holds a prefix of what was written, and takes more.
/// Method: cut it at every length.
#[test]
fn a_journal_cut_anywhere_holds_a_prefix_and_goes_on() {
    let (disk, records) = journal_of(6);
    let bytes = disk.seen();
    let mut lengths = std::collections::BTreeSet::new();
    for length in 0..=bytes.len() {
        let disk = Disk::new();
        disk.replace(bytes[..length].to_vec());
        let (mut journal, read) = open(&disk);
        assert_eq!(read, records[..read.len()], "cut at {length}");
        lengths.insert(read.len());
        let whole = bytes[..length].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        assert_eq!(journal.torn_bytes(), (length - whole) as u64);
        let added = journal.record(instant(), vec![Event::Released]).expect("no fault");
        assert_eq!(added[0].ordinal, read.len() as u64);
        let (_, again) = open(&disk);
        assert_eq!(again, [read, added].concat(), "cut at {length}");
    }
    assert_eq!(lengths, (0..=records.len()).collect(), "every prefix was met");
}

/// Goal: no changed byte goes unnoticed, and none of a record that is not the last is ever taken
/// for a torn tail. Method: flip every bit of every byte.
#[test]
fn a_flipped_bit_is_damage_or_a_torn_tail() {
    let (disk, records) = journal_of(4);
    let bytes = disk.seen();
    let last =
        bytes[..bytes.len() - 1].iter().rposition(|&byte| byte == b'\n').expect("4 lines") + 1;
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            match damaged(flipped.clone()) {
                Some(ordinal) => {
                    let line = bytes[..at].iter().filter(|&&byte| byte == b'\n').count();
                    assert_eq!(ordinal, line as u64, "bit {bit} of byte {at}");
                }
                None => {
                    assert!(at >= last, "bit {bit} of byte {at} went unnoticed");
                    let (read, torn) = read(&flipped).expect("it was read before");
                    assert!(torn);
                    assert_eq!(read, records[..3]);
                }
            }
        }
    }
}

/// Goal: a line that was removed, repeated, moved or taken from another journal is noticed, though
/// it is whole in itself. Method: do each.
#[test]
fn a_broken_chain_is_damage() {
    let (disk, _) = journal_of(5);
    let text = String::from_utf8(disk.seen()).expect("a journal is text");
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let joined = |order: &[usize]| order.iter().map(|&at| lines[at]).collect::<String>();
    assert_eq!(damaged(joined(&[0, 1, 3, 4]).into()), Some(2), "removed");
    assert_eq!(damaged(joined(&[1, 2, 3, 4]).into()), Some(0), "removed at the front");
    assert_eq!(damaged(joined(&[0, 1, 1, 2, 3, 4]).into()), Some(2), "repeated");
    assert_eq!(damaged(joined(&[0, 2, 1, 3, 4]).into()), Some(1), "moved");
    assert_eq!(damaged(joined(&[0, 1, 2, 3, 3]).into()), Some(4), "the last one repeated");
    let other = Disk::new();
    let (mut journal, _) = open(&other);
    journal.record(instant(), samples()).expect("no fault");
    let foreign = String::from_utf8(other.seen()).expect("a journal is text");
    let foreign = foreign.split_inclusive('\n').nth(2).expect("there are many samples");
    assert_eq!(damaged(format!("{}{foreign}", joined(&[0, 1])).into()), Some(2), "foreign");
    assert_eq!(damaged(text.clone().into()), None, "and untouched it is none");
}

/// Goal: after any crash the journal opens, holds all that was acknowledged and nothing that was
/// never written. Method: crash with many draws while a record is appended but not synced, go on
/// writing, and crash again.
#[test]
fn no_acknowledged_record_is_lost_in_a_crash() {
    let mut torn = 0;
    let mut outcomes = std::collections::BTreeSet::new();
    for draw in 0..500_u64 {
        let (disk, mut acknowledged) = journal_of(3);
        for life in 0..3_u64 {
            let (mut journal, read) = open(&disk);
            torn += u32::from(journal.torn_bytes() > 0);
            assert_eq!(read[..acknowledged.len()], acknowledged, "draw {draw}, life {life}");
            acknowledged = read;
            disk.set_syncs_fail(true);
            let batch = samples()[20..23].to_vec();
            journal.record(instant(), batch).expect_err("syncs fail");
            disk.set_syncs_fail(false);
            let outcome =
                disk.crash(draw.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(life as u32));
            assert_ne!(outcome, CrashOutcome::Clean, "the batch was at stake");
            outcomes.insert(format!("{outcome:?}").split(' ').next().map(str::to_owned));
        }
        let (_, read) = open(&disk);
        assert_eq!(read[..acknowledged.len()], acknowledged);
        let offered = acknowledged.len()..read.len();
        for (record, event) in read[offered].iter().zip(&samples()[20..23]) {
            assert_eq!(&record.event, event, "nothing is there that was not written");
        }
    }
    assert!(torn > 100, "crashes tore tails: {torn}");
    assert_eq!(outcomes.len(), 4, "every kind of crash was met: {outcomes:?}");
}

/// Goal: after a failed write nothing more is written until the journal is read again. Method: a
/// full disk and a failing sync, each mended before the next call.
#[test]
fn a_failed_write_poisons_the_journal() {
    let full: fn(&Disk, bool) = |disk, broken| {
        disk.set_capacity_bytes(broken.then(|| disk.seen().len() + 40));
    };
    let failing: fn(&Disk, bool) = |disk, broken| disk.set_syncs_fail(broken);
    for fault in [full, failing] {
        let (disk, records) = journal_of(2);
        let (mut journal, _) = open(&disk);
        fault(&disk, true);
        let error =
            journal.record(instant(), vec![Event::Released]).expect_err("the disk is broken");
        assert!(matches!(error, JournalError::Disk(_)), "{error}");
        fault(&disk, false);
        let left = disk.seen();
        let error = journal.record(instant(), vec![Event::Released]).expect_err("it is poisoned");
        assert!(matches!(error, JournalError::Poisoned), "{error}");
        assert_eq!(disk.seen(), left, "a poisoned journal writes nothing");
        let (mut journal, read) = open(&disk);
        assert_eq!(read[..2], records);
        journal.record(instant(), vec![Event::Released]).expect("the disk is mended");
    }
}

/// Goal: a disk that cannot be mended on opening is an error and not an empty journal. Method: a
/// torn tail that cannot be cut durably, and a handle of a dead process.
#[test]
fn a_disk_that_fails_on_opening_is_an_error() {
    let (disk, _) = journal_of(2);
    let mut file = disk.file();
    file.append(b"{\"ordinal\":2,").expect("no fault");
    disk.set_syncs_fail(true);
    let opened = Journal::open(disk.file()).map(|(_, records)| records);
    assert!(matches!(opened, Err(JournalError::Disk(_))), "{opened:?}");
    disk.crash(0);
    let opened = Journal::open(file).map(|(_, records)| records);
    assert!(matches!(opened, Err(JournalError::Disk(_))), "{opened:?}");
}

proptest! {
    /// Goal: any event, with any text in it, survives the journal and takes one line. Method:
    /// arbitrary events, written in one call, read back.
    #[test]
    fn any_event_survives(events in proptest::collection::vec(arbitrary(), 1..6)) {
        let disk = Disk::new();
        let (mut journal, _) = open(&disk);
        let written = journal.record(instant(), events.clone()).expect("no fault");
        let lines = disk.seen().iter().filter(|&&byte| byte == b'\n').count();
        prop_assert_eq!(lines, events.len());
        let (_, read) = open(&disk);
        prop_assert_eq!(&read, &written);
        prop_assert_eq!(read.into_iter().map(|record| record.event).collect::<Vec<_>>(), events);
    }
}
