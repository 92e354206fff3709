//! A panic in any task fails the run.
//!
//! tokio swallows the panic of a task whose handle nobody awaits: a rehearsal then goes on to its
//! end as if nothing were wrong. So the process's panic hook, installed once and in front of what
//! was there, notes the panics of threads that are inside a run; the run looks after every poll.
//! Each run has its own thread, so notes of runs side by side do not mix.
use std::cell::{Cell, RefCell};
use std::panic::{self, PanicHookInfo};
use std::sync::Once;

thread_local! {
    /// Whether this thread is inside a run.
    static WATCHED: Cell<bool> = const { Cell::new(false) };
    /// Whether a panic was noted; read after every poll, so it must cost nothing.
    static NOTED: Cell<bool> = const { Cell::new(false) };
    /// The first panic's words: later ones are mostly its consequences.
    static WORDS: RefCell<Option<String>> = const { RefCell::new(None) };
}

static INSTALL: Once = Once::new();

/// Watches this thread for panics until dropped.
#[derive(Debug)]
pub(super) struct Watch(());

impl Watch {
    /// Begins to watch this thread.
    pub(super) fn begin() -> Self {
        INSTALL.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                if WATCHED.with(Cell::get) { note(info) } else { before(info) }
            }));
        });
        WATCHED.set(true);
        NOTED.set(false);
        WORDS.set(None);
        Self(())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        WATCHED.set(false);
    }
}

fn note(info: &PanicHookInfo<'_>) {
    let payload = info.payload();
    let words = (payload.downcast_ref::<&str>().copied())
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without words");
    let place = info.location().map(|place| format!(" ({place})")).unwrap_or_default();
    WORDS.with_borrow_mut(|kept| {
        kept.get_or_insert_with(|| format!("{words}{place}"));
    });
    NOTED.set(true);
}

/// Whether a panic was noted since the watch began.
#[inline]
pub(super) fn noted() -> bool {
    NOTED.get()
}

/// The words and the place of the first panic since the watch began.
pub(super) fn take() -> Option<String> {
    NOTED.set(false);
    WORDS.take()
}
