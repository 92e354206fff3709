//! Requests of ours to the farm's applications: tests at a server's own address, the ids of what
//! is deployed there, and a nudge through a balancer.
use crate::farm::{ApplicationTest, FrontEnd, Scheme};
use crate::http::{HttpClient, HttpError, Request, Response, Trust};
use crate::net::Deadlines;
use crate::ports::{Address, Dial};
use crate::procedure::readings::{PingIds, TestReading};

/// Characters of an answer that a failure shows.
const SHOWN_CHARS_MAX: usize = 120;

/// Why a probe told nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// There was no answer.
    #[error("{what}: {error}")]
    Http {
        /// What was asked for.
        what: String,
        /// Why there was none.
        error: HttpError,
    },
    /// The answer is not what was asked for.
    #[error("{what}: {came}")]
    Unexpected {
        /// What was asked for.
        what: String,
        /// What came.
        came: String,
    },
    /// The target is no address.
    #[error("{0}")]
    NoAddress(String),
}

/// Asks applications.
#[derive(Debug)]
pub struct Probe<D: Dial> {
    http: HttpClient<D>,
    scheme: Scheme,
}

impl<D: Dial> Probe<D> {
    /// Asks in this scheme.
    pub fn new(dial: D, scheme: Scheme) -> Self {
        Self { http: HttpClient::new(dial), scheme }
    }

    /// Trusts other certificate authorities than the machine's.
    #[must_use]
    pub fn trusting(self, trust: Trust) -> Self {
        Self { http: self.http.trusting(trust), ..self }
    }

    /// Waits as long as this.
    #[must_use]
    pub fn waiting(self, deadlines: Deadlines) -> Self {
        Self { http: self.http.waiting(deadlines), ..self }
    }

    /// Runs application tests at a server's own address, each under its zone's public name: first
    /// `warm_up` requests whose answers do not count, then `passes` that must all pass. Ends at
    /// the first failure. No tests: passed, with no request; whether that is enough is for the
    /// caller to say.
    pub async fn tests(
        &self,
        front_end: &FrontEnd,
        tests: &[(&ApplicationTest, &str)],
        warm_up: u32,
        passes: u32,
    ) -> TestReading {
        let to = address(front_end);
        let mut requests = 0;
        for (test, host_name) in tests {
            for _ in 0..warm_up {
                requests += 1;
                let _ = self.get(&to, host_name, &test.path).await; // only warms the module up
            }
            for pass in 1..=passes.max(1) {
                requests += 1;
                let answer = self.get(&to, host_name, &test.path).await;
                if let Err(came) = judge(test, answer) {
                    let Address::Tcp(host, port) = &to else { continue };
                    let failure = format!(
                        "{host_name}{} at {host}:{port}, request {pass} of {passes}: {came}",
                        test.path
                    );
                    return TestReading { passed: false, requests, failure: Some(failure) };
                }
            }
        }
        TestReading { passed: true, requests, failure: None }
    }

    /// The ids of what is deployed, by module.
    ///
    /// # Errors
    /// Any module's failure, by its name: half of the ids say nothing.
    pub async fn pings(
        &self,
        front_end: &FrontEnd,
        host_name: &str,
        modules: &[String],
    ) -> Result<PingIds, ProbeError> {
        let to = address(front_end);
        let mut ids = PingIds::new();
        for module in modules {
            let path = format!("/{module}/_ping.html");
            let what = format!("the ping of {module} on {}", front_end.name);
            let answer = self.get(&to, host_name, &path).await;
            let answer = answer.map_err(|error| ProbeError::Http { what: what.clone(), error })?;
            let came = if answer.status == 200 {
                match ping_id(&answer.text()) {
                    Some(id) => {
                        ids.insert(module.clone(), id.to_owned());
                        continue;
                    }
                    None => format!("a page without an id: {}", shown(&answer)),
                }
            } else {
                format!("status {}", answer.status)
            };
            return Err(ProbeError::Unexpected { what, came });
        }
        Ok(ids)
    }

    /// Sends one request to `host:port`, a balancer's, and returns the answer's status.
    ///
    /// # Errors
    /// There was no answer, or `to` is no address.
    pub async fn nudge(&self, to: &str, host_name: &str, path: &str) -> Result<u16, ProbeError> {
        let address = to.parse().map_err(ProbeError::NoAddress)?;
        let answer = self.get(&address, host_name, path).await;
        let what = format!("{host_name}{path} through {to}");
        answer.map(|answer| answer.status).map_err(|error| ProbeError::Http { what, error })
    }

    async fn get(&self, to: &Address, host: &str, path: &str) -> Result<Response, HttpError> {
        self.http.request(Request::get(to, self.scheme, host, path)).await
    }
}

fn address(front_end: &FrontEnd) -> Address {
    Address::Tcp(front_end.address.clone(), front_end.port)
}

/// Whether an answer passes; if not, what was expected and what came.
fn judge(test: &ApplicationTest, answer: Result<Response, HttpError>) -> Result<(), String> {
    let answer = answer.map_err(|error| error.to_string())?;
    if answer.status != test.expect_status {
        let to = answer.header(hyper::header::LOCATION);
        let to = to.map(|to| format!(" to {}", cut(to))).unwrap_or_default();
        return Err(format!("expected status {}, came {}{to}", test.expect_status, answer.status));
    }
    match &test.expect_text {
        Some(text) if !answer.text().contains(text.as_str()) => {
            Err(format!("expected `{text}` in the body, came: {}", shown(&answer)))
        }
        _ => Ok(()),
    }
}

/// The id in `<p id="…">`, a hash in hex.
fn ping_id(page: &str) -> Option<&str> {
    let (_, rest) = page.split_once("<p id=\"")?;
    let (id, rest) = rest.split_once('"')?;
    // Monitoring products add scripts to pages, so only this paragraph is looked at. A hash of
    // fewer than 16 digits is something else's id.
    let hash = (16..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    (hash && rest.starts_with('>')).then_some(id)
}

fn shown(answer: &Response) -> String {
    cut(answer.text().trim())
}

fn cut(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests;
