//! The simulated disk under the journal: one append-only file that outlives its orchestrator.
//!
//! Faults follow what real disks do to an appended file. Until a sync, what was written is only in
//! the machine's memory, and a crash keeps it, loses it, keeps a part of it, or keeps a part whose
//! last sector is padded with zeroes. What was synced stays. A full disk takes what still fits and
//! then says so; a failed sync says nothing about what it left behind.
//!
//! Not modelled: rot of synced bytes, sectors of one append that arrive out of order (the file
//! systems we run on write data before they lengthen the file), and a disk that lies about syncs.
use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use evenkeel::ports::Storage;

/// What a disk writes at once: a torn write ends at a multiple of it.
const SECTOR_BYTES: usize = 512;

/// A disk with one file. Clones are the same disk: the world keeps one over an orchestrator's
/// crash, each life of the orchestrator gets a [`DiskFile`] of its own.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    state: Rc<RefCell<State>>,
}

/// Everything that was asked of a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Appends that succeeded.
    pub appends: u64,
    /// Bytes that those appended.
    pub bytes: u64,
    /// Syncs that succeeded.
    pub syncs: u64,
    /// Reads of the whole file.
    pub reads: u64,
    /// Truncations.
    pub truncates: u64,
    /// Appends, syncs, reads and truncations that failed.
    pub failures: u64,
}

/// What a crash did to bytes that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashOutcome {
    /// Everything had been synced: nothing was at stake.
    Clean,
    /// They survived all the same.
    Kept,
    /// All are gone.
    Lost {
        /// How many.
        bytes: usize,
    },
    /// The first of them survived.
    Partial {
        /// How many.
        kept: usize,
    },
    /// The first of them survived, and zeroes up to the end of their sector.
    Torn {
        /// How many.
        kept: usize,
        /// Zeroes after them.
        zeroes: usize,
    },
    /// A cut that was not synced is undone: the file is as it was before.
    CutUndone,
}

#[derive(Debug, Default)]
struct State {
    /// What a reader sees now.
    seen: Vec<u8>,
    /// How many of those bytes a crash cannot take.
    synced: usize,
    /// What was durable before a cut that was not synced.
    before_cut: Option<Vec<u8>>,
    /// Most bytes the file may have; `None` for no limit.
    capacity_bytes: Option<usize>,
    syncs_fail: bool,
    /// Grows with every crash: the handles of a dead process write no more.
    life: u64,
    counters: Counters,
}

impl Disk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The file, for one life of the orchestrator: it fails after the next crash.
    #[must_use]
    pub fn file(&self) -> DiskFile {
        DiskFile { state: Rc::clone(&self.state), life: self.state.borrow().life }
    }

    /// The machine crashes. `draw` is a keyed draw, uniform over `u64`, that decides what becomes
    /// of the bytes that were not synced: equal draws on equal disks do the same.
    pub fn crash(&self, draw: u64) -> CrashOutcome {
        let mut state = self.state.borrow_mut();
        state.life += 1;
        if draw.is_multiple_of(2)
            && let Some(before) = state.before_cut.take()
        {
            state.synced = before.len();
            state.seen = before;
            return CrashOutcome::CutUndone;
        }
        state.before_cut = None;
        let outcome = match state.seen.len() - state.synced {
            0 => CrashOutcome::Clean,
            // A cut takes the lowest bit; without one it is as good as any.
            at_stake => crash_of_append(&mut state, at_stake, draw / 2),
        };
        state.synced = state.seen.len();
        outcome
    }

    /// Lets the file grow to this many bytes at most; `None` for no limit.
    pub fn set_capacity_bytes(&self, capacity_bytes: Option<usize>) {
        self.state.borrow_mut().capacity_bytes = capacity_bytes;
    }

    /// Makes syncs fail, or succeed again.
    pub fn set_syncs_fail(&self, fail: bool) {
        self.state.borrow_mut().syncs_fail = fail;
    }

    /// What was asked of it so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.state.borrow().counters
    }

    /// What a crash cannot take.
    #[must_use]
    pub fn durable(&self) -> Vec<u8> {
        let state = self.state.borrow();
        state.before_cut.clone().unwrap_or_else(|| state.seen[..state.synced].to_vec())
    }

    /// What a reader sees now, synced or not.
    #[must_use]
    pub fn seen(&self) -> Vec<u8> {
        self.state.borrow().seen.clone()
    }

    /// Puts bytes into the file as if they had always been there: how a test damages a journal.
    pub fn replace(&self, bytes: Vec<u8>) {
        let mut state = self.state.borrow_mut();
        state.synced = bytes.len();
        state.before_cut = None;
        state.seen = bytes;
    }
}

fn crash_of_append(state: &mut State, at_stake: usize, draw: u64) -> CrashOutcome {
    let durable = state.synced;
    // The low bits choose the kind, the others the place; one byte at least is lost.
    let kept = (draw / 4) as usize % at_stake;
    match draw % 4 {
        0 => CrashOutcome::Kept,
        1 => {
            state.seen.truncate(durable);
            CrashOutcome::Lost { bytes: at_stake }
        }
        2 => {
            state.seen.truncate(durable + kept);
            CrashOutcome::Partial { kept }
        }
        _ => {
            let whole = state.seen.len();
            let sector_end = (durable + kept).next_multiple_of(SECTOR_BYTES).min(whole);
            state.seen.truncate(durable + kept);
            state.seen.resize(sector_end, 0);
            CrashOutcome::Torn { kept, zeroes: sector_end - durable - kept }
        }
    }
}

/// The file on a [`Disk`], as one life of the orchestrator holds it.
#[derive(Debug)]
pub struct DiskFile {
    state: Rc<RefCell<State>>,
    life: u64,
}

impl DiskFile {
    /// Does one thing to the disk, and counts it when it fails.
    fn with<T>(&self, act: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.state.borrow_mut();
        let done = if state.life == self.life {
            act(&mut state)
        } else {
            Err(io::Error::other("the process that held this file has crashed"))
        };
        if done.is_err() {
            state.counters.failures += 1;
        }
        done
    }
}

impl Storage for DiskFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.with(|state| {
            let room = state
                .capacity_bytes
                .map_or(bytes.len(), |capacity| capacity.saturating_sub(state.seen.len()));
            let fits = bytes.len().min(room);
            state.seen.extend_from_slice(&bytes[..fits]);
            if fits < bytes.len() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            state.counters.appends += 1;
            state.counters.bytes += bytes.len() as u64;
            Ok(())
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        self.with(|state| {
            if state.syncs_fail {
                return Err(io::Error::other("the disk failed to sync"));
            }
            state.synced = state.seen.len();
            state.before_cut = None;
            state.counters.syncs += 1;
            Ok(())
        })
    }

    fn read(&self) -> io::Result<Vec<u8>> {
        self.with(|state| {
            state.counters.reads += 1;
            Ok(state.seen.clone())
        })
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.with(|state| {
            let length = usize::try_from(length).expect("a simulated file fits in memory");
            assert!(length <= state.seen.len(), "a journal is only ever cut, never lengthened");
            if length < state.synced {
                let durable = state.seen[..state.synced].to_vec();
                state.before_cut.get_or_insert(durable);
                state.synced = length;
            }
            state.seen.truncate(length);
            state.counters.truncates += 1;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with `synced` bytes that are durable and `loose` bytes that are not.
    fn disk(synced: usize, loose: usize) -> (Disk, DiskFile) {
        let disk = Disk::new();
        let mut file = disk.file();
        file.append(&vec![b's'; synced]).expect("there is room");
        file.sync().expect("nothing fails");
        file.append(&vec![b'l'; loose]).expect("there is room");
        (disk, file)
    }

    /// Goal: a crash never takes a synced byte, never invents one, and does each of its kinds.
    /// Method: crash equal disks with many draws and look at what is left.
    #[test]
    fn a_crash_takes_only_what_was_not_synced() {
        let mut kinds = std::collections::BTreeSet::new();
        for draw in 0..4_000 {
            let (disk, _) = disk(700, 900);
            let outcome = disk.crash(draw);
            let left = disk.seen();
            assert!(left.len() >= 700 && left.len() <= 1_600, "{outcome:?}: {}", left.len());
            assert!(left[..700].iter().all(|&byte| byte == b's'));
            let loose = left[700..].iter().take_while(|&&byte| byte == b'l').count();
            assert!(left[700 + loose..].iter().all(|&byte| byte == 0), "{outcome:?}");
            assert_eq!(left, disk.durable(), "what survived a crash is durable");
            kinds.insert(format!("{outcome:?}").split(' ').next().map(str::to_owned));
        }
        assert_eq!(kinds.len(), 4, "{kinds:?}");
    }

    /// Goal: equal draws on equal disks do the same. Method: do it twice.
    #[test]
    fn a_crash_repeats() {
        for draw in (0..u64::MAX).step_by(usize::MAX / 50) {
            let run = || {
                let (disk, _) = disk(10, 5_000);
                (disk.crash(draw), disk.seen())
            };
            assert_eq!(run(), run());
        }
    }

    /// Goal: a handle of a crashed process changes nothing. Method: write with it after the crash.
    #[test]
    fn the_dead_do_not_write() {
        let (disk, mut file) = disk(10, 0);
        disk.crash(0);
        assert!(file.append(b"ghost").is_err());
        assert!(file.sync().is_err());
        assert_eq!(disk.seen(), vec![b's'; 10]);
        assert_eq!(disk.counters().failures, 2);
        assert!(disk.file().append(b"living").is_ok());
    }

    /// Goal: a full disk takes what fits and says so. Method: one byte less room than needed.
    #[test]
    fn a_full_disk_keeps_what_fits() {
        let (disk, mut file) = disk(10, 0);
        disk.set_capacity_bytes(Some(14));
        let error = file.append(b"12345").expect_err("it is full");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(disk.seen().len(), 14);
        disk.set_capacity_bytes(None);
        assert!(file.append(b"12345").is_ok());
    }

    /// Goal: a cut that was not synced may be undone by a crash, a synced one never. Method: both,
    /// with draws of both kinds.
    #[test]
    fn a_cut_is_durable_only_after_a_sync() {
        let mut lengths = std::collections::BTreeSet::new();
        for draw in 0..8 {
            let (disk, mut file) = disk(10, 0);
            file.truncate(4).expect("nothing fails");
            disk.crash(draw);
            lengths.insert(disk.seen().len());
        }
        assert_eq!(lengths, [4, 10].into());
        let (disk, mut file) = disk(10, 0);
        file.truncate(4).expect("nothing fails");
        file.sync().expect("nothing fails");
        disk.crash(0);
        assert_eq!(disk.seen().len(), 4);
    }
}
