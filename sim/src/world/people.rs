//! People in a rehearsal: what they have asked of the run, and the orchestrator has not taken yet.
//!
//! As with the files of a run's folder, a request is delivered at least once: it goes at the take
//! after the one that returned it, and a process that was killed in between finds it again.
use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use evenkeel::journal::Request;
use evenkeel::ports::Inbox;

/// The folder of requests. It outlives the orchestrator; clones are the same folder.
#[derive(Clone, Debug, Default)]
pub(super) struct Post(Rc<RefCell<Vec<Request>>>);

impl Post {
    /// Somebody asks for something.
    pub(super) fn put(&self, request: Request) {
        self.0.borrow_mut().push(request);
    }

    /// The folder, for one life of the orchestrator.
    pub(super) fn inbox(&self, must_be_asked: bool) -> PostInbox {
        PostInbox { post: self.clone(), taken: 0, must_be_asked }
    }
}

/// The folder, as one life of the orchestrator reads it.
#[derive(Debug)]
pub(super) struct PostInbox {
    post: Post,
    /// How many of the oldest the last take returned.
    taken: usize,
    must_be_asked: bool,
}

impl Inbox for PostInbox {
    fn take(&mut self) -> io::Result<Vec<Request>> {
        let mut asked = self.post.0.borrow_mut();
        // Another process of a planted bug may have taken them too.
        let taken = self.taken.min(asked.len());
        asked.drain(..taken);
        self.taken = asked.len();
        Ok(asked.clone())
    }

    /// A person's word may wait for the next reading: nothing has to be woken for it.
    fn must_be_asked(&self) -> bool {
        self.must_be_asked
    }
}
