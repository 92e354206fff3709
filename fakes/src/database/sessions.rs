//! The session database: sessions of Service Center's users, and their failed logins. Sessions
//! live in the database and not in a front-end, so a reboot ends none and the lockout of a user
//! holds at every console.
use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::hex;

/// Sessions expire after this much idleness: the usual `sessionState` timeout of ASP.NET.
const SESSION_IDLE_MS_MAX: u64 = 20 * 60 * 1_000;
/// Failed logins after which a user is locked out.
const FAILURES_MAX: u32 = 5;
/// How long a user stays locked out ("try again in a few minutes").
const LOCKED_MS: u64 = 5 * 60 * 1_000;
/// Sessions and users remembered at most; the oldest go first.
const KEPT_MAX: usize = 1_000;

/// What became of a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// It passed; the session's token.
    In(String),
    /// `Invalid username or password.`
    Wrong,
    /// `Too many failed login attempts. Please try again in a few minutes.`
    Locked,
}

#[derive(Debug)]
struct Failures {
    count: u32,
    last_ms: u64,
}

/// Sessions and failed logins.
#[derive(Debug, Default)]
pub struct Sessions {
    opened: u64,
    last_use_ms: BTreeMap<String, u64>,
    failures: BTreeMap<String, Failures>,
}

impl Sessions {
    /// Logs a user in, or counts the failure. `passes` is whether name and password are right:
    /// a locked user is refused also with the right ones.
    pub fn login(&mut self, now_ms: u64, user: &str, passes: bool) -> Login {
        let user = user.to_lowercase();
        if let Some(failures) = self.failures.get(&user)
            && now_ms >= failures.last_ms.saturating_add(LOCKED_MS)
        {
            self.failures.remove(&user);
        }
        if self.failures.get(&user).is_some_and(|failures| failures.count >= FAILURES_MAX) {
            return Login::Locked;
        }
        if !passes {
            drop_oldest(&mut self.failures, |failures| failures.last_ms);
            let failures = self.failures.entry(user).or_insert(Failures { count: 0, last_ms: 0 });
            failures.count += 1;
            failures.last_ms = now_ms;
            return Login::Wrong;
        }
        self.failures.remove(&user);
        drop_oldest(&mut self.last_use_ms, |last| *last);
        self.opened += 1;
        let text = format!("session {} of {user} since {now_ms}", self.opened);
        let token = hex(&Sha256::digest(text.as_bytes())[..16]);
        self.last_use_ms.insert(token.clone(), now_ms);
        Login::In(token)
    }

    /// Whether a session is valid; if so, this counts as a use of it.
    pub fn touch(&mut self, now_ms: u64, token: &str) -> bool {
        match self.last_use_ms.get_mut(token) {
            Some(last) if now_ms < last.saturating_add(SESSION_IDLE_MS_MAX) => {
                *last = now_ms;
                true
            }
            Some(_) => {
                self.last_use_ms.remove(token);
                false
            }
            None => false,
        }
    }

    /// Ends every session, as rebuilding the session model does; false when there was none.
    pub fn clear(&mut self) -> bool {
        !std::mem::take(&mut self.last_use_ms).is_empty()
    }
}

/// Makes room for one more.
fn drop_oldest<V>(map: &mut BTreeMap<String, V>, age: impl Fn(&V) -> u64) {
    if map.len() >= KEPT_MAX
        && let Some(oldest) =
            map.iter().min_by_key(|(_, value)| age(value)).map(|(key, _)| key.clone())
    {
        map.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;

    /// Goal: the documented lockout. Method: five wrong logins, then the right one, then the same
    /// five minutes later.
    #[test]
    fn five_failures_lock_a_user_for_five_minutes_also_with_the_right_password() {
        let mut sessions = Sessions::default();
        for _ in 0..5 {
            assert_eq!(sessions.login(0, "admin", false), Login::Wrong);
        }
        assert_eq!(sessions.login(1, "Admin", true), Login::Locked);
        assert_eq!(sessions.login(5 * MINUTE - 1, "admin", true), Login::Locked);
        assert!(matches!(sessions.login(1, "other", true), Login::In(_)), "the lock is per user");
        assert!(matches!(sessions.login(5 * MINUTE, "admin", true), Login::In(_)));
    }

    /// Goal: sessions expire by idleness, not by age. Method: touch one for an hour, then not.
    #[test]
    fn a_session_expires_after_twenty_idle_minutes() {
        let mut sessions = Sessions::default();
        let Login::In(token) = sessions.login(0, "admin", true) else { panic!("refused") };
        for minute in (0..60).step_by(19) {
            assert!(sessions.touch(minute * MINUTE, &token));
        }
        assert!(!sessions.touch(57 * MINUTE + 20 * MINUTE, &token));
        assert!(!sessions.touch(57 * MINUTE, &token), "gone for good");
        assert!(!sessions.touch(0, "forged"));
    }
}
