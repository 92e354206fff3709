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
/// Logins refused to a locked user after which he is locked out for long. The messages are
/// documented, their counts are not: an assumption, beyond what a person tries by hand.
const REFUSALS_MAX: u32 = 20;
/// For how long then ("try again in 60 minutes").
const LOCKED_LONG_MS: u64 = 60 * 60 * 1_000;
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
    /// The same, `in 60 minutes`: for whoever does not stop to try.
    LockedForLong,
}

#[derive(Debug)]
struct Failures {
    count: u32,
    last_ms: u64,
    /// Logins that were refused, right or wrong, since he was locked out.
    refusals: u32,
}

impl Failures {
    fn locked_ms(&self) -> u64 {
        if self.refusals >= REFUSALS_MAX { LOCKED_LONG_MS } else { LOCKED_MS }
    }
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
        if self
            .failures
            .get(&user)
            .is_some_and(|it| now_ms >= it.last_ms.saturating_add(it.locked_ms()))
        {
            self.failures.remove(&user);
        }
        if self.failures.get(&user).is_some_and(|failures| failures.count >= FAILURES_MAX) {
            return self.refuse(now_ms, &user);
        }
        if !passes {
            let failures = self.failures_of(now_ms, &user);
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

    /// Refuses a locked user's login, and counts it.
    pub fn refuse(&mut self, now_ms: u64, user: &str) -> Login {
        let failures = self.failures_of(now_ms, &user.to_lowercase());
        failures.refusals += 1;
        if failures.refusals < REFUSALS_MAX {
            return Login::Locked;
        }
        (failures.count, failures.last_ms) = (FAILURES_MAX, now_ms);
        Login::LockedForLong
    }

    fn failures_of(&mut self, now_ms: u64, user: &str) -> &mut Failures {
        drop_oldest(&mut self.failures, |failures| failures.last_ms);
        let none = Failures { count: 0, last_ms: now_ms, refusals: 0 };
        self.failures.entry(user.to_owned()).or_insert(none)
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

    /// Goal: whoever does not stop to try is locked out for an hour from his last try on. Method:
    /// twenty logins of a user who is locked out, and the right one an hour later, less and more.
    #[test]
    fn who_does_not_stop_to_try_is_locked_out_for_an_hour() {
        let mut sessions = Sessions::default();
        for _ in 0..19 {
            assert_eq!(sessions.refuse(0, "admin"), Login::Locked);
        }
        assert_eq!(sessions.refuse(MINUTE, "Admin"), Login::LockedForLong);
        assert_eq!(sessions.login(60 * MINUTE, "admin", true), Login::LockedForLong);
        assert_eq!(sessions.login(119 * MINUTE, "admin", true), Login::LockedForLong);
        assert!(matches!(sessions.login(179 * MINUTE, "admin", true), Login::In(_)));
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
