//! Secrets: read from where the farm file says, and never shown, not even in an error.
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::process::Stdio;
use std::time::Duration;

use secrecy::SecretString;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

use crate::farm::Secret;

/// Longest first line taken: a longer one is a key file or a page, not a password.
const LINE_BYTES_MAX: u64 = 4096;

/// How long a command may take: password managers ask other machines.
const COMMAND_MAX: Duration = Duration::from_secs(30);

/// Why a secret could not be read. Carries its source, never its text.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set, or is not text.
    #[error("the environment variable {0} is not set to a text")]
    Variable(String),
    /// The file cannot be read.
    #[error("the file {path} cannot be read: {error}")]
    File {
        /// Its path.
        path: String,
        /// What the system says.
        error: io::Error,
    },
    /// The command cannot be run or failed. Its output is not repeated: a secret may be in it.
    #[error("the command {program} {what}")]
    Command {
        /// Its first word.
        program: String,
        /// What happened.
        what: String,
    },
    /// The first line is empty, too long, or not UTF-8.
    #[error("{0} gives no secret: its first line is empty, over 4096 bytes, or not UTF-8")]
    Unfit(String),
}

/// Reads a secret: the variable's value, or the first line of the file or the command's output.
///
/// # Errors
/// See [`SecretError`].
pub async fn read(secret: &Secret) -> Result<SecretString, SecretError> {
    let (source, bytes) = match secret {
        Secret::Env(name) => {
            let value = std::env::var(name).map_err(|_| SecretError::Variable(name.clone()))?;
            (format!("the environment variable {name}"), value.into_bytes())
        }
        Secret::File(path) => {
            let opened = File::open(path).and_then(first_line);
            let bytes = opened.map_err(|error| SecretError::File { path: path.clone(), error })?;
            (format!("the file {path}"), bytes)
        }
        Secret::Command(argv) => {
            let program = argv.first().cloned().unwrap_or_default();
            let bytes = run(argv).await.map_err(|what| {
                let program = program.clone();
                SecretError::Command { program, what }
            })?;
            (format!("the command {program}"), bytes)
        }
    };
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match std::str::from_utf8(line) {
        Ok(text) if !text.is_empty() && text.len() as u64 <= LINE_BYTES_MAX => Ok(text.into()),
        _ => Err(SecretError::Unfit(source)),
    }
}

fn first_line(file: File) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    BufReader::new(file.take(LINE_BYTES_MAX + 2)).read_until(b'\n', &mut line)?;
    Ok(line)
}

async fn run(argv: &[String]) -> Result<Vec<u8>, String> {
    let (program, arguments) = argv.split_first().ok_or("is not given")?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit()) // a password manager's questions are for the person who waits
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("cannot be started: {error}"))?;
    let stdout = child.stdout.take().expect("stdout is piped");
    let reading = async {
        let mut bytes = Vec::new();
        // One buffer's worth more than the longest line, then the rest is of no interest.
        stdout.take(LINE_BYTES_MAX + 2).read_to_end(&mut bytes).await?;
        Ok::<_, io::Error>((bytes, child.wait().await?))
    };
    let within = COMMAND_MAX.as_secs();
    let (bytes, status) = tokio::time::timeout(COMMAND_MAX, reading)
        .await
        .map_err(|_| format!("did not end within {within} s"))?
        .map_err(|error| format!("cannot be read: {error}"))?;
    if status.success() { Ok(bytes) } else { Err(format!("failed: {status}")) }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    async fn text(secret: Secret) -> Result<String, String> {
        read(&secret)
            .await
            .map(|secret| secret.expose_secret().to_owned())
            .map_err(|error| error.to_string())
    }

    fn shell(script: &str) -> Secret {
        Secret::Command(["sh", "-c", script].map(str::to_owned).to_vec())
    }

    /// Goal: each source gives its first line. Method: one of each, with and without line ends.
    #[tokio::test]
    async fn each_source_gives_its_first_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("password");
        std::fs::write(&path, "p√ss word\r\nnot this\n").expect("a file");
        let file = Secret::File(path.to_str().expect("a path").to_owned());
        assert_eq!(text(file).await, Ok("p√ss word".into()));
        assert_eq!(text(shell("echo hunter2; echo more")).await, Ok("hunter2".into()));
        let home = std::env::var("PATH").expect("a variable that every test process has");
        assert_eq!(text(Secret::Env("PATH".into())).await, Ok(home));
    }

    /// Goal: no error shows a secret, and none passes for one. Method: sources that fail after
    /// giving it, an empty line, a line that is too long, things that are not there.
    #[tokio::test]
    async fn an_error_never_shows_the_secret() {
        for (secret, words) in [
            (shell("echo hunter2; exit 3"), "exit status: 3"),
            (shell("echo; echo hunter2"), "first line is empty"),
            (shell("printf 'hunter2\\377\\n'"), "not UTF-8"),
            (shell("yes hunter2 | tr -d '\\n' | head -c 5000"), "over 4096 bytes"),
            (Secret::Env("EVENKEEL_NO_SUCH_VARIABLE".into()), "EVENKEEL_NO_SUCH_VARIABLE"),
            (Secret::File("/no/such/file".into()), "/no/such/file"),
            (Secret::Command(vec!["/no/such/program".into()]), "cannot be started"),
        ] {
            let error = text(secret).await.expect_err(words);
            assert!(error.contains(words) && !error.contains("hunter2"), "{error}");
        }
    }
}
